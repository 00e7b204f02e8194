// One artificial neuron separates two clouds of points in 100 dimensions: a = sigmoid(X W + b), log loss, gradient
// descent.
#include <fmt/core.h>

#include "options.hpp"

using namespace xtape;

int main(int argc, char** argv) {
    Options options("Trains one neuron on two clouds of points and draws its learning curves.", "perceptron-output");
    Index samples = 100, features = 100, iterations = 3000;
    double rate = 0.001;
    options.option("--samples", samples, "points in all; a fifth of them is for the test")->check(CLI::PositiveNumber);
    options.option("--features", features, "dimensions")->check(CLI::PositiveNumber);
    options.option("--iterations", iterations, "of gradient descent")->check(CLI::PositiveNumber);
    options.option("--rate", rate, "learning rate")->check(CLI::NonNegativeNumber);

    return options.run(argc, argv, [&] {
        const auto data = datasets::blobs(samples, features, /*centers*/ 2, options.seed);
        const auto parts = datasets::stratified_split(data.labels, 0.2, options.seed);
        const auto train = select(data, parts.train), test = select(data, parts.validation);
        const Variable X = train.x, y = train.y;

        Parameter W = random::normal({features, 1}, 0, 1, random::generator());
        Parameter b = Array::filled({1}, float32, 0);
        const auto neuron = [&](const Variable& x) { return sigmoid(matmul(x, W) + b); };
        const auto cost = [](const Variable& a, const Variable& t) { return -mean(t * log(a) + (1 - t) * log(1 - a)); };

        optim::History history;
        for (Index i = 0; i < iterations; ++i) {
            Variable a = neuron(X), loss = cost(a, y), a_test = neuron(test.x);
            optim::Epoch epoch;
            epoch.number = i + 1;
            epoch.loss = loss.item();
            epoch.metric = nn::accuracy(a, y);
            epoch.validation_loss = cost(a_test, test.y).item();
            epoch.validation_metric = nn::accuracy(a_test, test.y);
            epoch.learning_rate = rate;
            history.epochs.push_back(epoch);

            auto [dW, db] = grad(loss, W, b);
            W -= rate * dW;
            b -= rate * db;
        }

        for (std::size_t i = 0; i < history.epochs.size(); i += std::max<std::size_t>(history.epochs.size() / 10, 1))
            fmt::print("iteration {:>4}  cost {:.6f}  accuracy {:.3f}  test cost {:.6f}  test accuracy {:.3f}\n", i + 1,
                       history.epochs[i].loss, history.epochs[i].metric, history.epochs[i].validation_loss,
                       history.epochs[i].validation_metric);
        history.write_csv(options.out / "history.csv");
        history.draw(options.out / "curves.svg");

        const double train_accuracy = nn::accuracy(neuron(X), y);
        fmt::print("train accuracy: {:.4f}\ntest accuracy: {:.4f}\n", train_accuracy,
                   nn::accuracy(neuron(test.x), test.y));
        return true;
    });
}
