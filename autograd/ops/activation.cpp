#include <xtape/autograd/ops.hpp>

#include <cmath>

#include <xtape/autograd/ops/binary.hpp>
#include <xtape/autograd/ops/recognise.hpp>
#include <xtape/autograd/ops/relu.hpp>

/// Activations: element-wise functions that saturate or bend.
namespace xtape {

using kernels::like;

namespace {

/// e^-|v|, in (0, 1]: what the stable forms are built on.
template <class B>
B exp_minus_abs(const B& v) {
    return xsimd::exp(-xsimd::abs(v));
}

/// g where y > 0, else 0: the rule of relu in one pass.
Variable gate(const Variable& g, const Variable& y) {
    auto dg = on(g, [y = y.detach()](const Variable& h) { return gate(h, y); });
    Array out = kernels::map_broadcast(
        g.shape(), [](auto v, auto u) { return xsimd::select(u > like(u, 0), v, like(v, 0)); }, g.array(), y.array());
    return record("relu_gradient", Where::here(), std::move(out), std::move(dg));
}

}  // namespace

Variable tanh(Variable x, Where where) {
    return unary(
        "tanh", std::move(x), where, [](auto v) { return xsimd::tanh(v); },
        [](const Variable& g, const Variable& y) { return g * (1 - square(y)); });
}

Variable sigmoid(Variable x, Where where) {
    return unary_keeping(  // for recognise.hpp
        sigmoid_name, std::move(x), where,
        [](auto v) {
            const auto e = exp_minus_abs(v);
            return xsimd::select(v < like(v, 0), e, like(v, 1)) / (like(v, 1) + e);
        },
        [](const Variable& g, const Variable& s) { return g * (s - square(s)); });
}

Variable log_sigmoid(Variable x, Where where) {
    return unary_of_input(
        "log_sigmoid", std::move(x), where,
        [](auto v) { return xsimd::select(v < like(v, 0), v, like(v, 0)) - xsimd::log1p(exp_minus_abs(v)); },
        [](const Variable& g, const Variable& in) { return g * sigmoid(-in); });
}

Variable softplus(Variable x, Where where) {
    return unary_of_input(
        "softplus", std::move(x), where,
        [](auto v) { return xsimd::select(v < like(v, 0), like(v, 0), v) + xsimd::log1p(exp_minus_abs(v)); },
        [](const Variable& g, const Variable& in) { return g * sigmoid(in); });
}

Variable relu(Variable x, Where where) {
    return unary(
        "relu", std::move(x), where, [](auto v) { return xsimd::select(v <= like(v, 0), like(v, 0), v); }, gate);
}

Variable record_relu(Variable y, Where where) {
    auto dx = on(y, gate);
    return record("relu", where, std::move(y).array(), std::move(dx));
}

Variable leaky_relu(Variable x, double slope, Where where) {
    return unary_of_input(
        "leaky_relu", std::move(x), where,
        [slope](auto v) { return xsimd::select(v > like(v, 0), v, v * like(v, slope)); },
        [slope](const Variable& g, const Variable& in) { return g * xtape::where(in > 0, 1.0, slope); });
}

Variable elu(Variable x, double alpha, Where where) {
    auto dx =
        on(x, [x, alpha](const Variable& g, const Variable& y) { return g * xtape::where(x > 0, 1.0, y + alpha); });
    Array y = kernels::map(std::move(x).array(), [alpha](auto v) {
        return xsimd::select(v > like(v, 0), v, like(v, alpha) * xsimd::expm1(v));
    });
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
        [](const Variable& g, const Variable& in) {
            const Variable cumulative = 0.5 * (1 + erf(M_SQRT1_2 * in));
            const Variable density = (0.5 * M_2_SQRTPI * M_SQRT1_2) * exp(-0.5 * square(in));
            return g * (cumulative + in * density);
        });
}

}  // namespace xtape
