// libtorch's side of the rows that a C++ user meets: no interpreter between the operations.
#include <memory>

#include <torch/torch.h>

#include "../serve.hpp"

namespace bench {
namespace {

using torch::Tensor;

Tensor tensor(std::uint32_t seed, torch::IntArrayRef shape, double scale = 1) {
    const Tensor result = torch::empty(shape);
    const auto values = numbers(seed, static_cast<std::size_t>(result.numel()), scale);
    std::copy(values.begin(), values.end(), result.data_ptr<float>());
    return result;
}

Tensor bits(std::uint32_t seed, torch::IntArrayRef shape) {
    const Tensor result = torch::empty(shape);
    const auto values = labels(seed, static_cast<std::size_t>(result.numel()), 2);
    std::transform(values.begin(), values.end(), result.data_ptr<float>(), [](auto bit) { return bit ? 1.f : 0.f; });
    return result;
}

void output(const std::string& name, const Tensor& values) {
    const Tensor dense = values.detach().contiguous();
    bench::output(name, dense.data_ptr<float>(), static_cast<std::size_t>(dense.numel()));
}

constexpr double rate = 1e-6;

/// In place and without an optimiser's loop: the fastest way to write it.
void descend(std::vector<Tensor>& parameters) {
    const torch::NoGradGuard constant;
    for (Tensor& parameter : parameters) {
        parameter.sub_(parameter.grad(), rate);
        parameter.mutable_grad().reset();
    }
}

/// The stable loss is one operation here, and a matrix times a vector is faster than a matrix of one column.
Run perceptron_step() {
    const Tensor X = tensor(1, {1000, 4096}), y = bits(2, {1000});
    std::vector<Tensor> parameters{tensor(3, {4096}, 0.02).requires_grad_(), torch::zeros({1}).requires_grad_()};
    return silent_after_first([=](bool print) mutable {
        const Tensor z = torch::mv(X, parameters[0]) + parameters[1];
        const Tensor loss = torch::binary_cross_entropy_with_logits(z, y);
        loss.backward();
        if (print) output("loss", loss), output("dW", parameters[0].grad()), output("db", parameters[1].grad());
        descend(parameters);
    });
}

Run circles_step() {
    std::vector<Tensor> parameters;
    std::uint32_t seed = 100;
    const std::vector<std::int64_t> sizes{2, 16, 16, 16, 1};
    for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
        parameters.push_back(tensor(++seed, {sizes[i], sizes[i + 1]}).requires_grad_());
        parameters.push_back(tensor(++seed, {sizes[i + 1]}).requires_grad_());
    }
    const Tensor x = tensor(1, {100, 2}), y = bits(2, {100, 1});
    return silent_after_first([=](bool print) mutable {
        Tensor h = x;
        for (std::size_t i = 0; i < 6; i += 2) h = torch::sigmoid(torch::addmm(parameters[i + 1], h, parameters[i]));
        const Tensor z = torch::addmm(parameters[7], h, parameters[6]);
        const Tensor loss = torch::binary_cross_entropy_with_logits(z, y);
        loss.backward();
        if (print) {
            output("loss", loss);
            output("first_gradient", parameters.front().grad());
            output("last_gradient", parameters.back().grad());
        }
        descend(parameters);
    });
}

Run scalar_chain() {
    Tensor x = torch::full({}, 0.999f).requires_grad_();
    const Tensor factor = torch::full({}, 1.0001f);
    return silent_after_first([=](bool print) mutable {
        Tensor y = x;
        for (int i = 0; i < 500; ++i) {
            y = y * factor;
            y = y + 0.001;
            y = y * x;
            y = y - factor;
        }
        x.mutable_grad().reset();
        y.backward();
        if (print) output("y", y), output("gradient", x.grad());
    });
}

/// Of logits, or of probabilities between 0.1 and 0.9.
Run focal(bool of_logits) {
    Tensor x = (of_logits ? tensor(1, {1000000}, 4) : tensor(1, {1000000}, 0.4) + 0.5).requires_grad_();
    const Tensor t = bits(2, {1000000});
    return silent_after_first([=](bool print) mutable {
        x.mutable_grad().reset();
        const Tensor p = of_logits ? torch::sigmoid(x) : x;
        const Tensor q = t * p + (1 - t) * (1 - p);
        const Tensor loss = torch::mean(-torch::square(1 - q) * torch::log(q));
        loss.backward();
        if (print) output("loss", loss), output("gradient", x.grad());
    });
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
    using namespace bench;
    return serve(argc, argv,
                 {{"s2_step", [](const std::string&) { return perceptron_step(); }},
                  {"s3_step", [](const std::string&) { return circles_step(); }},
                  {"scalar_chain", [](const std::string&) { return scalar_chain(); }},
                  {"focal_plain", [](const std::string&) { return focal(true); }},
                  {"focal_elementwise", [](const std::string& which) { return focal(which == "1000000 logits"); }}},
                 [](int count) { torch::set_num_threads(count); });
}
