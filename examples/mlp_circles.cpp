// Three hidden layers of 16 neurons learn which of two circles a point lies on, and draw the border they find.
#include <fmt/core.h>

#include "options.hpp"

using namespace xtape;

int main(int argc, char** argv) {
    Options options("Trains a multilayer perceptron on two circles, one inside the other.", "mlp-output");
    Index samples = 1000, epochs = 60, batch = 32;
    double noise = 0.08, rate = 0.01;
    options.option("--samples", samples, "points in all; a quarter of them is held out")
        ->check(CLI::Range(8, 10000000));
    options.option("--noise", noise, "around the circles of radius 1 and 0.5")->check(CLI::NonNegativeNumber);
    options.option("--epochs", epochs, "of training")->check(CLI::PositiveNumber);
    options.option("--batch", batch, "points in a step")->check(CLI::PositiveNumber);
    options.option("--rate", rate, "highest learning rate of the cycle")->check(CLI::NonNegativeNumber);

    return options.run(argc, argv, [&] {
        const auto data = datasets::circles(samples, noise, /*factor*/ 0.5, options.seed);
        const auto parts = datasets::stratified_split(data.labels, 0.25, options.seed);
        const auto train = select(data, parts.train), held_out = select(data, parts.validation);

        nn::Sequential net{nn::Linear(2, 16),  sigmoid, nn::Linear(16, 16), sigmoid,
                           nn::Linear(16, 16), sigmoid, nn::Linear(16, 1),  sigmoid};
        std::cout << nn::summary(net, {1, 2});

        datasets::Loader batches = datasets::Loader(train.x, train.labels, batch).shuffle(options.seed);
        optim::Adam adam(net.parameters(), rate);
        optim::OneCycleLR schedule(rate, epochs * batches.size());
        Index step = 0;

        optim::FitOptions fit;
        fit.epochs = epochs;
        fit.unit = "points";
        fit.optimizer = &adam;
        fit.validate = [&] {
            Variable a = net(held_out.x);
            return optim::Score{nn::log_loss(a, held_out.y).item(), nn::accuracy(a, held_out.y), held_out.x.shape(0)};
        };
        optim::History history = optim::fit(fit, batches, [&](const datasets::Batch& points) {
            Variable y = take(train.y, points.positions);
            Variable a = net(points.x), loss = nn::log_loss(a, y);
            adam.learning_rate(schedule(step++));
            adam.zero_grad();
            loss.backward();
            adam.step();
            return optim::Score{loss.item(), nn::accuracy(a, y), points.size()};
        });

        const NoGrad constant;
        history.write_csv(options.out / "history.csv");
        history.draw(options.out / "curves.svg");
        const auto probability = [&](const Variable& points) { return net(points); };
        optim::draw_boundary(data.x.array(), data.y.array(), probability, options.out / "boundary.png", "inner circle");
        fmt::print("held-out accuracy: {:.4f}\n", nn::accuracy(net(held_out.x), held_out.y));
        return true;
    });
}
