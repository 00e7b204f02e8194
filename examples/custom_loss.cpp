// A loss that no library ships, from the idea to the verdict: a log loss that levels off, so that wrongly labelled samples
// stop pulling. It is checked, differentiated, drawn and priced; then it is trained with beside the log loss where three
// labels in ten are wrong, and both are looked at where they came to rest. docs/losses.md goes through it.
#include <fmt/core.h>

#include "options.hpp"
#include "stopwatch.hpp"

using namespace xtape;

/// l / (1 + l) of the log loss l: l itself for small l, never more than 1.
const auto formula = [](auto z, auto y) {
    const auto l = softplus((1 - 2 * y) * z);  // -log of the probability that z gives to the label y
    return l / (1 + l);
};
const auto levelling = elementwise("levelling log loss", formula);  // the same in one pass over arrays

Variable levelling_log_loss(const Variable& z, const Variable& y) { return mean(levelling(z, y)); }
Variable log_loss(const Variable& z, const Variable& y) { return nn::bce_with_logits(z, y); }

/// Each label is wrong with probability `share`.
Variable with_wrong_labels(const Variable& y, double share, std::uint64_t seed) {
    Generator generator(seed, /*stream*/ 1);
    const Variable wrong(random::bernoulli(y.shape(), share, generator));
    return y + wrong - 2 * y * wrong;
}

/// A loss, and what became of a net that was trained with it.
struct Candidate {
    std::string name;
    std::function<Variable(const Variable& z, const Variable& y)> loss;
    nn::Sequential net;
    double accuracy;  ///< on clean test labels
};

Candidate trained_with(const std::string& name, Variable (*loss)(const Variable&, const Variable&),
                       const datasets::Toy& train, const Variable& labels, const datasets::Toy& test,
                       std::uint64_t seed, Index steps) {
    random::seed(seed);
    nn::Sequential net{nn::Linear(2, 64), relu, nn::Linear(64, 64), relu, nn::Linear(64, 1)};
    optim::Adam adam(net.parameters(), 1e-2);
    for (Index i = 0; i < steps; ++i) {
        adam.zero_grad();
        loss(net(train.x), labels).backward();
        adam.step();
    }
    const NoGrad constant;
    const double accuracy = nn::accuracy(sigmoid(net(test.x)), test.y);
    return {name, loss, std::move(net), accuracy};
}

/// What the loss is: its gradients checked and derived, its slopes at a few logits, its curves.
void examine(const Variable& labels, const std::filesystem::path& picture) {
    const Variable z(random::normal(labels.shape(), 0, 3, random::generator()));
    check_grads([&](const Variable& x) { return levelling_log_loss(x, labels); }, z);
    fmt::print("gradients of the new loss, first and second order: right\n");

    const Parameter few = xt::xarray<double>{-2, 0.5, 3};
    const Variable answers = xt::xarray<double>{1, 0, 1};
    inspect::Names names;
    names("z", few)("y", answers);
    fmt::print("{}", inspect::derivation([&] { return levelling_log_loss(few, answers); }, names).text());

    const Parameter at = xt::xarray<double>{-8, -2, 0, 2, 8};
    const Variable slope = grad(sum(levelling(at, 1)), at, create_graph), bend = grad(sum(slope), at);
    fmt::print("label 1, logit   loss's slope   its second derivative\n");
    for (Index i = 0; i < at.size(); ++i)
        fmt::print("{:14.0f}   {:12.4f}   {:21.4f}\n", at.array().at(i), slope.array().at(i), bend.array().at(i));

    const Variable one = xt::xarray<double>{1};
    optim::draw_functions({{"log loss", [](const Variable& x) { return softplus(-x); }},
                           {"levelling log loss", [](const Variable& x) { return levelling(x, 1); }},
                           {"focal loss",
                            [&](const Variable& x) {
                                return nn::focal_with_logits(x, broadcast_to(one, x.shape()), 2, {},
                                                             nn::Reduction::none);
                            }}},
                          -6, 6, picture, "A sample with label 1", "logit");
}

/// What it costs: forward and backward over a million logits, beside the same formula in operations on arrays.
void price() {
    const Parameter leaf(random::normal({1000000}, 0, 3, random::generator()));
    const Variable z = leaf, y(random::bernoulli(z.shape(), 0.5, random::generator()));
    const double own = milliseconds([&] { return grad(mean(levelling(z, y)), z); });
    const double plain = milliseconds([&] { return grad(mean(formula(z, y)), z); });
    const double usual = milliseconds([&] { return grad(log_loss(z, y), z); });
    fmt::print("forward and backward of 10^6 samples: {:.2f} ms, in plain operations {:.2f}, log loss {:.2f}\n", own,
               plain, usual);

    inspect::Bill bill;
    bill([&] { levelling_log_loss(leaf, y).backward(); }, /*times*/ 7);
    fmt::print("{}", bill.table());
}

int main(int argc, char** argv) {
    Options options("Takes a loss of one's own from the idea to the verdict.", "custom-loss-output");
    Index samples = 600, steps = 300;
    double share = 0.3;
    options.option("--samples", samples, "points to train on")->check(CLI::PositiveNumber);
    options.option("--steps", steps, "of training")->check(CLI::PositiveNumber);
    options.option("--wrong", share, "share of wrong labels")->check(CLI::Range(0.0, 0.5));

    return options.run(argc, argv, [&] {
        const auto train = datasets::moons(samples, 0.1, options.seed);
        const auto test = datasets::moons(2000, 0.1, options.seed + 1);
        const Variable labels = with_wrong_labels(train.y, share, options.seed);
        examine(labels, options.curves("losses"));
        price();

        Candidate usual = trained_with("log loss", log_loss, train, labels, test, options.seed, steps);
        Candidate own =
            trained_with("levelling log loss", levelling_log_loss, train, labels, test, options.seed, steps);
        fmt::print("{:.0f} % of {} labels wrong; accuracy on 2000 clean test points:\n", 100 * share, samples);
        std::vector<optim::Boundary> boundaries;
        for (Candidate* each : {&usual, &own}) {
            const auto around =
                optim::landscape([&] { return each->loss(each->net(train.x), labels); }, each->net.parameters());
            fmt::print("  {:<18}  {:.4f}   loss {:.4f}, sharpness {:.3g}\n", each->name, each->accuracy, around.loss(),
                       around.sharpness());
            around.draw(options.out / fmt::format("landscape-{}.png", each == &own ? "own" : "usual"), each->name);
            boundaries.push_back({fmt::format("{}: {:.1f} % right", each->name, 100 * each->accuracy),
                                  [each](const Variable& x) { return sigmoid(each->net(x)); }});
        }
        optim::draw_boundaries(train.x.array(), labels.array(), boundaries, options.out / "boundaries.png");
        fmt::print("verdict: the new loss is {}\n", own.accuracy > usual.accuracy   ? "better"
                                                    : own.accuracy < usual.accuracy ? "worse"
                                                                                    : "as good");
        return true;
    });
}
