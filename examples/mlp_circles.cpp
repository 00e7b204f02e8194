// Layers of sigmoids, three of 16 neurons by default, learn which of two circles a point lies on, and show how the border
// between them forms.
#include <cmath>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "options.hpp"

using namespace xtape;

constexpr double inner_radius = 0.5;

/// W[k] A[k-1] + B[k] and the sigmoid, layer after layer, to one output.
nn::Sequential network(const std::vector<Index>& hidden) {
    nn::Sequential net;
    Index inputs = 2;
    for (Index neurons : hidden) {
        net.push_back(nn::Linear(inputs, neurons));
        net.push_back(sigmoid);
        inputs = neurons;
    }
    net.push_back(nn::Linear(inputs, 1));
    net.push_back(sigmoid);
    return net;
}

/// Density of the distance from the centre of a point on a circle with normal noise (Rice's distribution).
double density(double distance, double radius, double noise) {
    const double x = distance * radius / (noise * noise), gap = (distance - radius) / noise;
    // e^-x I_0(x), by the first terms of its series in 1 / x where I_0 would overflow
    const double scaled = x < 500 ? std::exp(-x) * std::cyl_bessel_i(0, x) : (1 + 0.125 / x) / std::sqrt(2 * M_PI * x);
    return distance / (noise * noise) * std::exp(-gap * gap / 2) * scaled;
}

/// What no classifier can beat: at every distance the likelier circle is right. Integrated over all distances.
double best_accuracy(double noise) {
    if (noise < 0.02) return 1;  // the circles are 25 deviations apart and more
    const double step = noise / 200, end = 1 + 10 * noise;
    double sum = 0;
    for (double r = step / 2; r < end; r += step)
        sum += std::max(density(r, 1, noise), density(r, inner_radius, noise)) / 2 * step;
    return sum;
}

int main(int argc, char** argv) {
    Options options("Trains a multilayer perceptron on two circles, one inside the other.", "mlp-output");
    Index samples = 1000, epochs = 60, batch = 32, tested = 2000;
    std::vector<Index> hidden{16, 16, 16};
    double noise = 0.08, rate = 0.01;
    options.option("--hidden", hidden, "neurons of each hidden layer")->check(CLI::PositiveNumber);
    options.option("--samples", samples, "points to train on")->check(CLI::Range(2, 10000000));
    options.option("--test", tested, "points to test on, of the same circles")->check(CLI::PositiveNumber);
    options.option("--noise", noise, "around the circles of radius 1 and 0.5")->check(CLI::NonNegativeNumber);
    options.option("--epochs", epochs, "of training")->check(CLI::PositiveNumber);
    options.option("--batch", batch, "points in a step")->check(CLI::PositiveNumber);
    options.option("--rate", rate, "highest learning rate of the cycle")->check(CLI::NonNegativeNumber);

    return options.run(argc, argv, [&] {
        const auto train = datasets::circles(samples, noise, inner_radius, options.seed);
        const auto test = datasets::circles(tested, noise, inner_radius, options.seed + 1);
        nn::Sequential net = network(hidden);
        std::cout << nn::summary(net, {1, 2});

        datasets::Loader batches = datasets::Loader(train.x, train.labels, batch).shuffle(options.seed);
        optim::Adam adam(net.parameters(), rate);
        optim::OneCycleLR schedule(rate, epochs * batches.size());
        Index step = 0;

        std::vector<optim::Boundary> boundaries;
        const auto keep_boundary = [&](const std::string& title) {  // a copy of a module is independent of it
            boundaries.push_back({title, [then = net](const Variable& x) mutable { return then(x); }});
        };
        double next_loss = 1;  // at which the next one is kept

        optim::FitOptions fit;
        fit.epochs = epochs;
        fit.unit = "points";
        fit.held_out = "test";
        fit.optimizer = &adam;
        fit.validate = [&] {
            Variable a = net(test.x);
            return optim::Score{nn::log_loss(a, test.y).item(), nn::accuracy(a, test.y), tested};
        };
        optim::History history = optim::fit(fit, batches, [&](const datasets::Batch& points) {
            Variable y = take(train.y, points.positions);
            Variable a = net(points.x), loss = nn::log_loss(a, y);
            if (loss.item() < next_loss) {
                keep_boundary(fmt::format("step {}, loss {:.2f}", step, loss.item()));
                next_loss = std::min(loss.item(), 0.6) - 0.1;
            }
            adam.learning_rate(schedule(step++));
            adam.zero_grad();
            loss.backward();
            adam.step();
            return optim::Score{loss.item(), nn::accuracy(a, y), points.size()};
        });

        history.best = 0;  // the test chooses nothing: what counts is the last epoch
        keep_boundary(fmt::format("step {}, loss {:.2f}", step, history.epochs.back().loss));
        const NoGrad constant;
        const std::string name = fmt::format("hidden layers ({})", fmt::join(hidden, ", "));
        history.write_csv(options.out / "history.csv");
        history.draw(options.curves("curves"), name);
        const Array points = train.x.array(), labels = train.y.array();
        optim::draw_boundaries(points, labels, boundaries, options.out / "forming.png", name);
        optim::draw_boundary(points, labels, boundaries.back().probability, options.out / "boundary.png", name);
        fmt::print("best possible accuracy at this noise: {:.4f}\n", best_accuracy(noise));
        fmt::print("held-out accuracy: {:.4f}\n", nn::accuracy(net(test.x), test.y));
        return true;
    });
}
