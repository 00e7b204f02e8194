#include <xtape/autograd/ops.hpp>

#include <array>

#include <fmt/format.h>

#include <cmath>

#include <xtape/autograd/kernels/exponential.hpp>
#include <xtape/autograd/kernels/functions.hpp>
#include <xtape/autograd/ops/binary.hpp>
#include <xtape/autograd/ops/recognise.hpp>
#include <xtape/autograd/ops/relu.hpp>
#include <xtape/autograd/ops/slopes.hpp>

/// Activations: element-wise functions that saturate or bend.
namespace xtape {

using kernels::exp_minus_abs;
using kernels::like;
using kernels::Logistic;

Variable tanh(Variable x, Where where) {
    return unary(
        "tanh", std::move(x), where, [](auto v) { return xsimd::tanh(v); },
        [](Variable g, const Variable& y) { return tanh_slope(std::move(g), y); });
}

namespace {

struct LogisticOfNegative {
    template <class B>
    B operator()(const B& v) const {
        const auto e = exp_minus_abs(v);
        return xsimd::select(v > like(v, 0), e, like(v, 1)) / (like(v, 1) + e);
    }
};

}  // namespace

Variable sigmoid(Variable x, Where where) {
    return unary_remembered(sigmoid_name, std::move(x), where, Logistic(),
                            [](Variable g, const Variable& s) { return sigmoid_slope(std::move(g), s); });
}

Variable sigmoid_in_place(Variable x, Where where) {
    static constexpr char name[] = "sigmoid";  // reads the same, but is not the address that is recognised
    return unary(name, std::move(x), where, Logistic(),
                 [](Variable g, const Variable& s) { return sigmoid_slope(std::move(g), s); });
}

Variable sigmoid_of_negative(Variable x, Where where) {
    return unary_remembered(sigmoid_of_negative_name, std::move(x), where, LogisticOfNegative(),
                            [](Variable g, const Variable& s) { return sigmoid_slope(std::move(g), s, -1); });
}

Variable sigmoid_beside(const Variable& complement, Variable x, Where where) {
    return unary_remembered(
        sigmoid_name, std::move(x), where, Logistic(),
        holding([complement](Variable g, const Variable& s) { return scaled_product(std::move(g), complement, s, 1); },
                complement));
}

Variable sigmoid_of_negative_beside(const Variable& complement, Variable x, Where where) {
    return unary_remembered(
        sigmoid_of_negative_name, std::move(x), where, LogisticOfNegative(),
        holding([complement](Variable g, const Variable& s) { return scaled_product(std::move(g), complement, s, -1); },
                complement));
}

Variable log_sigmoid(Variable x, Where where) {
    return unary_of_input(
        "log_sigmoid", std::move(x), where,
        [](auto v) { return xsimd::select(v < like(v, 0), v, like(v, 0)) - xsimd::log1p(exp_minus_abs(v)); },
        [](Variable g, const Variable& in) { return std::move(g) * sigmoid_of_negative(in, Where::here()); });
}

Variable sigmoid_cross_entropy(Variable z, Variable y, Where where) {
    if (z.shape() != y.shape())
        throw ShapeError(fmt::format("sigmoid_cross_entropy: shapes differ: z {} != y {}", to_string(z.shape()),
                                     to_string(y.shape())),
                         where);
    match_dtypes("sigmoid_cross_entropy", z, y, where);
    // One of both terms is 0 for labels of 0 and 1, so that a small loss keeps its digits.
    const auto loss = [](auto v, auto t) {
        return xsimd::log1p(exp_minus_abs(v)) + xsimd::select(v > like(v, 0), (like(t, 1) - t) * v, -(t * v));
    };
    return elementwise_keeping(
        "sigmoid_cross_entropy", where, loss, std::array{std::move(z), std::move(y)},
        [](Variable g, Arguments in) { return sigmoid_cross_entropy_slope(std::move(g), in[0], in[1]); },
        [](Variable g, Arguments in) { return scaled_product(std::move(g), in[0], -1); });
}

Variable huber_loss(Variable a, Variable b, double delta, Where where) {
    if (!(delta > 0)) throw ValueError(fmt::format("huber_loss: delta must be above 0: {}", delta), where);
    if (a.shape() != b.shape())
        throw ShapeError(
            fmt::format("huber_loss: shapes differ: a {} != b {}", to_string(a.shape()), to_string(b.shape())), where);
    match_dtypes("huber_loss", a, b, where);
    const auto loss = [delta](auto u, auto v) {
        const auto size = xsimd::abs(u - v), limit = like(u, delta);
        const auto limited = xsimd::select(size > limit, limit, size);  // c (e - c / 2) is both branches at once
        return limited * (size - like(u, 0.5) * limited);
    };
    return elementwise_keeping(
        "huber_loss", where, loss, std::array{std::move(a), std::move(b)},
        [delta](Variable g, Arguments in) { return huber_slope(std::move(g), in[0], in[1], delta); },
        [delta](Variable g, Arguments in) { return huber_slope(std::move(g), in[1], in[0], delta); });
}

Variable softplus(Variable x, Where where) {
    return unary_of_input("softplus", std::move(x), where, kernels::Softplus(),
                          [](Variable g, const Variable& in) { return std::move(g) * sigmoid(in); });
}

Variable relu(Variable x, Where where) {
    return unary("relu", std::move(x), where, kernels::Cheap{kernels::Relu()},
                 [](Variable g, const Variable& y) { return gate(std::move(g), y); });
}

Variable record_relu(Variable y, Where where) {
    auto dx = on(y, [](Variable g, const Variable& out) { return gate(std::move(g), out); });
    return record("relu", where, std::move(y).array(), std::move(dx));
}

Variable leaky_relu(Variable x, double slope, Where where) {
    return unary_of_input(
        "leaky_relu", std::move(x), where,
        [slope](auto v) { return xsimd::select(v > like(v, 0), v, v * like(v, slope)); },
        [slope](Variable g, const Variable& in) { return gate(std::move(g), in, slope); });
}

Variable elu(Variable x, double alpha, Where where) {
    auto dx =
        on(x, holding([x, alpha](Variable g, const Variable& y) { return elu_slope(std::move(g), x, y, alpha); }, x));
    const auto f = [alpha](auto v) { return xsimd::select(v > like(v, 0), v, like(v, alpha) * xsimd::expm1(v)); };
    const Shape& shape = x.shape();  // lives in the array's block
    Array y = result_of(shape, f, std::move(x).array());
    return record("elu", where, std::move(y), std::move(dx));
}

Variable gelu(Variable x, Where where) {
    return unary_of_input(
        "gelu", std::move(x), where,
        [](auto v) {
            const auto u = v * like(v, -M_SQRT1_2);
            if constexpr (std::is_same_v<typename decltype(v)::value_type, double>)
                return v * like(v, 0.5) * kernels::by_lane([](double t) { return std::erfc(t); }, u);
            else
                return v * like(v, 0.5) * xsimd::erfc(u);
        },
        [](Variable g, const Variable& in) {
            Variable cumulative = 0.5 * (1 + erf(M_SQRT1_2 * in));
            Variable density = exp(scaled_product(in, in, -0.5));
            return std::move(g) *
                   (std::move(cumulative) + scaled_product(in, std::move(density), 0.5 * M_2_SQRTPI * M_SQRT1_2));
        });
}

}  // namespace xtape
