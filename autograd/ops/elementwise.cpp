#include <xtape/autograd/ops.hpp>

#include <cmath>

#include <fmt/format.h>

#include <xtape/autograd/ops/binary.hpp>
#include <xtape/autograd/ops/recognise.hpp>

/// Element-wise functions of one operand. Activations have a file of their own.
namespace xtape {

using kernels::like;

Variable operator-(Operand x) {
    const Where where = x.where();
    return negative(x.is_scalar() ? Variable(x.scalar()) : std::move(x).variable(), where);
}

Variable negative(Variable x, Where where) {
    return unary(
        "negative", std::move(x), where, [](auto v) { return -v; }, [](const Variable& g) { return -g; });
}

Variable abs(Variable x, Where where) {
    return unary_of_input(
        "abs", std::move(x), where, [](auto v) { return xsimd::abs(v); },
        [](const Variable& g, const Variable& in) { return g * sign(in); });
}

namespace {

/// A step function: its derivative is 0 wherever it has one, so that its result is a constant.
template <class F>
Variable step(Variable x, const F& f) {
    return Variable(kernels::map(std::move(x).array(), f));
}

}  // namespace

Variable sign(Variable x, Where) {
    return step(std::move(x), [](auto v) {
        const auto zero = like(v, 0);
        return xsimd::select(v > zero, like(v, 1), xsimd::select(v < zero, like(v, -1), v));  // NaN stays NaN
    });
}

Variable heaviside(Variable x, Where) {
    return step(std::move(x), [](auto v) {
        const auto zero = like(v, 0);
        return xsimd::select(v > zero, like(v, 1), xsimd::select(v < zero, zero, v + like(v, 0.5)));
    });
}

Variable square(Variable x, Where where) {
    return unary_of_input(
        "square", std::move(x), where, [](auto v) { return v * v; },
        [](const Variable& g, const Variable& in) { return g * (2 * in); });
}

Variable sqrt(Variable x, Where where) {
    return unary(
        "sqrt", std::move(x), where, [](auto v) { return xsimd::sqrt(v); },
        [](const Variable& g, const Variable& y) { return 0.5 * g / y; });
}

Variable reciprocal(Variable x, Where where) {
    return unary(
        "reciprocal", std::move(x), where, [](auto v) { return like(v, 1) / v; },
        [](const Variable& g, const Variable& y) { return -(g * square(y)); });
}

Variable exp(Variable x, Where where) {
    return unary(
        "exp", std::move(x), where, [](auto v) { return xsimd::exp(v); },
        [](const Variable& g, const Variable& y) { return g * y; });
}

Variable expm1(Variable x, Where where) {
    return unary(
        "expm1", std::move(x), where, [](auto v) { return xsimd::expm1(v); },
        [](const Variable& g, const Variable& y) { return g * (y + 1); });
}

Variable log(Variable x, Where where) {
    if (auto stable = log_of_recognised(x, where)) return *std::move(stable);
    return unary_of_input(
        "log", std::move(x), where, [](auto v) { return xsimd::log(v); },
        [](const Variable& g, const Variable& in) { return g / in; });
}

Variable log1p(Variable x, Where where) {
    return unary_of_input(
        "log1p", std::move(x), where, [](auto v) { return xsimd::log1p(v); },
        [](const Variable& g, const Variable& in) { return g / (1 + in); });
}

Variable sin(Variable x, Where where) {
    return unary_of_input(
        "sin", std::move(x), where, [](auto v) { return xsimd::sin(v); },
        [](const Variable& g, const Variable& in) { return g * cos(in); });
}

Variable cos(Variable x, Where where) {
    return unary_of_input(
        "cos", std::move(x), where, [](auto v) { return xsimd::cos(v); },
        [](const Variable& g, const Variable& in) { return -(g * sin(in)); });
}

Variable erf(Variable x, Where where) {
    const auto error_function = [](auto v) {
        if constexpr (std::is_same_v<typename decltype(v)::value_type, double>)
            return kernels::by_lane([](double u) { return std::erf(u); }, v);  // xsimd's loses five bits
        else
            return xsimd::erf(v);
    };
    return unary_of_input("erf", std::move(x), where, error_function,
                          [](const Variable& g, const Variable& in) { return g * (M_2_SQRTPI * exp(-square(in))); });
}

Variable clip(Variable x, double low, double high, Where where) {
    if (!(low <= high)) throw ValueError(fmt::format("clip: low {} is above high {}", low, high), where);
    return unary_of_input(
        "clip", std::move(x), where,
        [low, high](auto v) {
            const auto above = xsimd::select(v < like(v, low), like(v, low), v);
            return xsimd::select(above > like(v, high), like(v, high), above);
        },
        [low, high](const Variable& g, const Variable& in) { return g * ((in >= low) * (in <= high)); });
}

Variable astype(Variable x, DType dtype, Where where) {
    if (x.dtype() == dtype) return x;
    const DType before = x.dtype();
    auto dx = on(x, [before](const Variable& g) { return astype(g, before); });
    return record("astype", where, x.array().astype(dtype), std::move(dx));
}

}  // namespace xtape
