// A loss that no library ships, in two lines: a log loss that levels off, so that wrongly labelled samples stop
// pulling. Its gradients are checked, then it is compared with the log loss where three labels in ten are wrong.
#include <fmt/core.h>

#include "options.hpp"

using namespace xtape;

/// mean(l / (1 + l)) of the log losses l of all samples: l itself for small l, never more than 1.
Variable levelling_log_loss(const Variable& z, const Variable& y) {
    const Variable l = softplus((1 - 2 * y) * z);  // -log of the probability that z gives to the label y
    return mean(l / (1 + l));
}

Variable log_loss(const Variable& z, const Variable& y) { return nn::bce_with_logits(z, y); }

/// Each label is wrong with probability `share`.
Variable with_wrong_labels(const Variable& y, double share, std::uint64_t seed) {
    Generator generator(seed, /*stream*/ 1);
    const Variable wrong(random::bernoulli(y.shape(), share, generator));
    return y + wrong - 2 * y * wrong;
}

/// Accuracy on clean test labels after training with a loss on dirty ones.
template <class Loss>
double trained_with(Loss loss, const datasets::Toy& train, const Variable& labels, const datasets::Toy& test,
                    std::uint64_t seed, Index steps, const std::filesystem::path& picture) {
    random::seed(seed);
    nn::Sequential net{nn::Linear(2, 64), relu, nn::Linear(64, 64), relu, nn::Linear(64, 1)};
    optim::Adam adam(net.parameters(), 1e-2);
    for (Index i = 0; i < steps; ++i) {
        adam.zero_grad();
        loss(net(train.x), labels).backward();
        adam.step();
    }
    const NoGrad constant;
    const auto probability = [&](const Variable& x) { return sigmoid(net(x)); };
    optim::draw_boundary(train.x.array(), labels.array(), probability, picture, picture.stem().string());
    return nn::accuracy(probability(test.x), test.y);
}

int main(int argc, char** argv) {
    Options options("Checks and tries out a loss of one's own.", "custom-loss-output");
    Index samples = 600, steps = 300;
    double share = 0.3;
    options.option("--samples", samples, "points to train on")->check(CLI::PositiveNumber);
    options.option("--steps", steps, "of training")->check(CLI::PositiveNumber);
    options.option("--wrong", share, "share of wrong labels")->check(CLI::Range(0.0, 0.5));

    return options.run(argc, argv, [&] {
        const auto train = datasets::moons(samples, 0.1, options.seed);
        const auto test = datasets::moons(2000, 0.1, options.seed + 1);
        const Variable labels = with_wrong_labels(train.y, share, options.seed);

        const Variable z(random::normal(labels.shape(), 0, 3, random::generator()));
        check_grads([&](const Variable& x) { return levelling_log_loss(x, labels); }, z);
        fmt::print("gradients of the new loss, first and second order: right\n");

        const double usual =
            trained_with(log_loss, train, labels, test, options.seed, steps, options.out / "log-loss.png");
        const double own = trained_with(levelling_log_loss, train, labels, test, options.seed, steps,
                                        options.out / "levelling-log-loss.png");
        fmt::print("{:.0f} % of {} labels wrong; accuracy on 2000 clean test points:\n", 100 * share, samples);
        fmt::print("  log loss            {:.4f}\n  levelling log loss  {:.4f}\n", usual, own);
        fmt::print("verdict: the new loss is {}\n", own > usual ? "better" : own < usual ? "worse" : "as good");
        return true;
    });
}
