// One artificial neuron. First the formal one, whose output jumps from 0 to 1 and which nothing but thought can set; then
// the perceptron a = sigmoid(X W + b), which learns by gradient descent to separate two clouds of points in 100
// dimensions.
#include <fmt/core.h>

#include "options.hpp"

using namespace xtape;

/// y = 0 if z < 0 else 1, with z = sum_i w_i x_i + w_0.
Variable formal_neuron(const Variable& x, const Variable& w, const Variable& w0) { return matmul(x, w) + w0 >= 0; }

/// AND of two inputs by weights that were thought out, and why such a neuron does not learn.
void show_formal_neuron() {
    const Variable x(xt::xtensor<float, 2>{{0, 0}, {0, 1}, {1, 0}, {1, 1}});
    const Variable truth(xt::xtensor<float, 2>{{0}, {0}, {0}, {1}});
    Parameter w = Array::filled({2, 1}, float32, 1), w0 = Array::filled({1}, float32, -2);
    const Variable z = matmul(x, w) + w0, y = formal_neuron(x, w, w0), H = heaviside(z);
    fmt::print("formal neuron, w = (1, 1), w_0 = -2: the logical AND\n  x_1 x_2     z     y  H(z)\n");
    for (Index i = 0; i < 4; ++i)
        fmt::print("  {:>3g} {:>3g}  {:>4g}  {:>4g}  {:>4g}\n", x.array().at(2 * i), x.array().at(2 * i + 1),
                   z.array().at(i), y.array().at(i), H.array().at(i));
    auto [dw, dw0] = grad(nn::mse(H, truth), w, w0);
    fmt::print("gradient of its cost: ({:g}, {:g}, {:g}), for a step is flat; the sigmoid is not\n\n", dw.array().at(0),
               dw.array().at(1), dw0.array().at(0));
}

int main(int argc, char** argv) {
    Options options("Trains one neuron on two clouds of points and draws its learning curves.", "perceptron-output");
    Index samples = 100, features = 100, iterations = 3000;
    double rate = 0.001;
    options.option("--samples", samples, "points in all; a fifth of them is for the test")
        ->check(CLI::Range(5, 10000000));
    options.option("--features", features, "dimensions")->check(CLI::PositiveNumber);
    options.option("--iterations", iterations, "of gradient descent")->check(CLI::PositiveNumber);
    options.option("--rate", rate, "learning rate")->check(CLI::NonNegativeNumber);

    return options.run(argc, argv, [&] {
        show_formal_neuron();

        const auto data = datasets::blobs(samples, features, /*centers*/ 2, options.seed);
        const auto parts = datasets::stratified_split(data.labels, 0.2, options.seed);
        const auto train = select(data, parts.train), test = select(data, parts.validation);
        const Variable X = train.x, y = train.y;
        fmt::print("dim X: {}\ndim y: {}\n", to_string(X.shape()), to_string(y.shape()));

        Parameter W = random::normal({features, 1}, 0, 1, random::generator());
        Parameter b = random::normal({1}, 0, 1, random::generator());
        const auto neuron = [&](const Variable& x) { return sigmoid(matmul(x, W) + b); };
        const auto cost = [](const Variable& a, const Variable& t) { return -mean(t * log(a) + (1 - t) * log(1 - a)); };

        optim::History history;
        history.period = "iteration";
        history.held_out = "test";
        for (Index i = 0; i < iterations; ++i) {
            Variable a = neuron(X), loss = cost(a, y), a_test = neuron(test.x);
            history.add({loss.item(), nn::accuracy(a, y)}, {cost(a_test, test.y).item(), nn::accuracy(a_test, test.y)},
                        rate);
            auto [dW, db] = grad(loss, W, b);
            W -= rate * dW;
            b -= rate * db;
        }

        std::cout << history.text();
        history.write_csv(options.out / "history.csv");
        history.draw(options.curves("curves"),
                     fmt::format("perceptron, {} points in {} dimensions", samples, features));
        fmt::print("with the threshold in place of the sigmoid, same weights: test accuracy {:.4f}\n",
                   nn::accuracy(formal_neuron(test.x, W, b), test.y));
        fmt::print("train accuracy: {:.4f}\ntest accuracy: {:.4f}\n", nn::accuracy(neuron(X), y),
                   nn::accuracy(neuron(test.x), test.y));
        return true;
    });
}
