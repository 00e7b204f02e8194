// Small models and single numbers, where the cost is that of recording.
#include <memory>

#include "rows.hpp"

using namespace xtape;

namespace bench {
namespace {

constexpr double rate = 1e-6;  // nothing changes while it is timed

/// The document's section 2, written as in the README.
Run perceptron_step() {
    const Index samples = 1000, features = 4096;
    const Variable X = array(1, {samples, features}), y = bits(2, {samples, 1});
    const auto W = std::make_shared<Parameter>(array(3, {features, 1}, 0.02));
    const auto b = std::make_shared<Parameter>(Array::filled({1}, float32, 0));
    return silent_after_first([=](bool print) {
        Variable a = sigmoid(matmul(X, *W) + *b);
        Variable loss = -mean(y * log(a) + (1 - y) * log(1 - a));
        auto [dW, db] = grad(loss, *W, *b);
        *W -= rate * dW;
        *b -= rate * db;
        if (print) output("loss", loss.array()), output("dW", dW.array()), output("db", db.array());
    });
}

/// The document's section 3.
Run circles_step() {
    nn::Sequential model{nn::Linear(2, 16),  sigmoid, nn::Linear(16, 16), sigmoid,
                         nn::Linear(16, 16), sigmoid, nn::Linear(16, 1),  sigmoid};
    std::uint32_t seed = 100;
    for (auto& parameter : model.parameters()) parameter.assign(array(++seed, parameter.shape()));
    const auto net = std::make_shared<nn::Sequential>(std::move(model));
    const auto sgd = std::make_shared<optim::SGD>(net->parameters(), rate);
    const Variable x = array(1, {100, 2}), y = bits(2, {100, 1});
    return silent_after_first([=](bool print) {
        Variable loss = nn::log_loss((*net)(x), y);
        sgd->zero_grad();
        loss.backward();
        sgd->step();
        if (!print) return;
        output("loss", loss.array());
        output("first_gradient", net->parameters().front().grad());
        output("last_gradient", net->parameters().back().grad());
    });
}

Run scalar_chain() {
    const auto x = std::make_shared<Parameter>(Array::scalar(0.999, float32));
    const Variable factor(1.0001);
    return silent_after_first([=](bool print) {
        Variable y = *x;
        for (int i = 0; i < 500; ++i) {
            y = y * factor;
            y = y + 0.001;
            y = y * *x;
            y = y - factor;
        }
        x->zero_grad();
        y.backward();
        if (print) output("y", y.array()), output("gradient", x->grad());
    });
}

}  // namespace

void add_perceptrons(Rows& rows) {
    rows["s2_step"] = [](const std::string&) { return perceptron_step(); };
    rows["s3_step"] = [](const std::string&) { return circles_step(); };
    rows["scalar_chain"] = [](const std::string&) { return scalar_chain(); };
}

}  // namespace bench
