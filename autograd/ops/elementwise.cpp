#include <xtape/autograd/ops.hpp>

#include <cmath>

#include <fmt/format.h>

#include <xtape/autograd/kernels/functions.hpp>
#include <xtape/autograd/kernels/logarithm.hpp>
#include <xtape/autograd/ops/binary.hpp>
#include <xtape/autograd/ops/recognise.hpp>
#include <xtape/autograd/ops/slopes.hpp>

/// Element-wise functions of one operand. Activations have a file of their own.
namespace xtape {

using kernels::Cheap;
using kernels::like;

Variable operator-(Operand x) {
    const Where where = x.where();
    return negative(x.is_scalar() ? Variable(x.scalar()) : std::move(x).variable(), where);
}

Variable negative(Variable x, Where where) {
    return unary("negative", std::move(x), where, Cheap{[](auto v) { return -v; }},
                 [](Variable g) { return -std::move(g); });
}

Variable abs(Variable x, Where where) {
    return unary_of_input(
        "abs", std::move(x), where, [](auto v) { return xsimd::abs(v); },
        [](Variable g, const Variable& in) { return std::move(g) * sign(in); });
}

namespace {

/// A step function: its derivative is 0 wherever it has one, so that its result is a constant.
template <class F>
Variable step(Variable x, const F& f) {
    const Shape& shape = x.shape();  // lives in the array's block
    return Variable(result_of(shape, f, std::move(x).array()));
}

}  // namespace

Variable sign(Variable x, Where) { return step(std::move(x), kernels::Sign()); }

Variable heaviside(Variable x, Where) {
    return step(std::move(x), [](auto v) {
        const auto zero = like(v, 0);
        return xsimd::select(v > zero, like(v, 1), xsimd::select(v < zero, zero, v + like(v, 0.5)));
    });
}

Variable square(Variable x, Where where) {
    return unary_of_input("square", std::move(x), where, Cheap{[](auto v) { return v * v; }},
                          [](Variable g, const Variable& in) { return scaled_product(std::move(g), in, 2); });
}

Variable sqrt(Variable x, Where where) {
    return unary(
        "sqrt", std::move(x), where, [](auto v) { return xsimd::sqrt(v); },
        [](Variable g, const Variable& y) { return 0.5 * std::move(g) / y; });
}

Variable reciprocal(Variable x, Where where) {
    return unary(
        "reciprocal", std::move(x), where, [](auto v) { return like(v, 1) / v; },
        [](Variable g, const Variable& y) { return scaled_product(std::move(g) * y, y, -1); });
}

Variable exp(Variable x, Where where) {
    return unary_remembered(
        exp_name, std::move(x), where, [](auto v) { return xsimd::exp(v); },
        [](Variable g, const Variable& y) { return std::move(g) * y; });
}

Variable expm1(Variable x, Where where) {
    return unary(
        "expm1", std::move(x), where, [](auto v) { return xsimd::expm1(v); },
        [](Variable g, const Variable& y) { return std::move(g) * (y + 1); });
}

Variable log(Variable x, Where where) {
    if (auto stable = log_of_recognised(x, where)) return *std::move(stable);
    return unary_of_input("log", std::move(x), where, kernels::Logarithm(),
                          [](Variable g, const Variable& in) { return std::move(g) / in; });
}

Variable log1p(Variable x, Where where) {
    if (auto stable = log1p_of_recognised(x, where)) return *std::move(stable);
    return unary_of_input(
        "log1p", std::move(x), where, [](auto v) { return xsimd::log1p(v); },
        [](Variable g, const Variable& in) { return std::move(g) / (1 + in); });
}

Variable sin(Variable x, Where where) {
    return unary_of_input("sin", std::move(x), where, kernels::Sine(),
                          [](Variable g, const Variable& in) { return std::move(g) * cos(in); });
}

Variable cos(Variable x, Where where) {
    return unary_of_input("cos", std::move(x), where, kernels::Cosine(),
                          [](Variable g, const Variable& in) { return scaled_product(std::move(g), sin(in), -1); });
}

Variable erf(Variable x, Where where) {
    return unary_of_input("erf", std::move(x), where, kernels::ErrorFunction(), [](Variable g, const Variable& in) {
        return scaled_product(std::move(g), exp(scaled_product(in, in, -1)), M_2_SQRTPI);
    });
}

Variable clip(Variable x, double low, double high, Where where) {
    if (!(low <= high)) throw ValueError(fmt::format("clip: low {} is above high {}", low, high), where);
    return unary_of_input(
        "clip", std::move(x), where,
        [low, high](auto v) {
            const auto above = xsimd::select(v < like(v, low), like(v, low), v);
            return xsimd::select(above > like(v, high), like(v, high), above);
        },
        [low, high](Variable g, const Variable& in) {
            return std::move(g) * step(in, [low, high](auto v) {
                       return xsimd::select(v >= like(v, low) && v <= like(v, high), like(v, 1), like(v, 0));
                   });
        });
}

Variable astype(Variable x, DType dtype, Where where) {
    if (x.dtype() == dtype) return x;
    const DType before = x.dtype();
    auto dx = on(x, [before](const Variable& g) { return astype(g, before); });
    return record("astype", where, x.array().astype(dtype), std::move(dx));
}

}  // namespace xtape
