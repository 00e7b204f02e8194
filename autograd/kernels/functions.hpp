#pragma once

#include <cmath>
#include <type_traits>

#include <xtape/autograd/kernels/exponential.hpp>
#include <xtape/autograd/kernels/simd.hpp>

/// Element-wise functions that are more than one call of xsimd, over batches of both element types: for operations on arrays
/// and for formulas.
namespace xtape::kernels {

/// 1 where the test holds, else 0.
template <class B>
B truth(const xsimd::batch_bool<typename B::value_type>& test) {
    return xsimd::select(test, B(1), B(0));
}

/// -1, 0 or 1; NaN stays.
struct Sign {
    template <class B>
    B operator()(const B& v) const {
        const B zero(0);
        return xsimd::select(v > zero, B(1), xsimd::select(v < zero, B(-1), v));
    }
};

/// A function of angles: large ones go to the C library one by one, for xsimd reduces them by shifts of negative numbers, which
/// are undefined.
template <class B, class Vectorised, class Exact>
B trigonometric(const B& v, const Vectorised& vectorised, const Exact& exact) {
    const auto large = xsimd::abs(v) > like(v, 0x1p19);
    if (!xsimd::any(large)) return vectorised(v);
    return xsimd::select(large, by_lane(exact, v), vectorised(xsimd::select(large, like(v, 0), v)));
}

struct Sine {
    template <class B>
    B operator()(const B& v) const {
        return trigonometric(
            v, [](const B& u) { return xsimd::sin(u); }, [](auto u) { return std::sin(u); });
    }
};

struct Cosine {
    template <class B>
    B operator()(const B& v) const {
        return trigonometric(
            v, [](const B& u) { return xsimd::cos(u); }, [](auto u) { return std::cos(u); });
    }
};

struct ErrorFunction {
    template <class B>
    B operator()(const B& v) const {
        if constexpr (std::is_same_v<typename B::value_type, double>)
            return by_lane([](double u) { return std::erf(u); }, v);  // xsimd's loses five bits
        else
            return xsimd::erf(v);
    }
};

/// The C library's power, which unlike xsimd's is exact to the last bits and knows all signs and zeros.
struct Power {
    template <class B>
    B operator()(const B& x, const B& exponent) const {
        return by_lane([](auto base, auto to) { return std::pow(base, to); }, x, exponent);
    }
};

/// The larger of both; NaN wins, as in NumPy.
struct Maximum {
    template <class B>
    B operator()(const B& x, const B& y) const {
        return xsimd::select(x > y || xsimd::isnan(x), x, y);
    }
};

struct Minimum {
    template <class B>
    B operator()(const B& x, const B& y) const {
        return xsimd::select(x < y || xsimd::isnan(x), x, y);
    }
};

/// log(1 + e^v), finite for every finite v.
struct Softplus {
    template <class B>
    B operator()(const B& v) const {
        return xsimd::select(v < B(0), B(0), v) + xsimd::log1p(exp_minus_abs(v));
    }
};

struct Relu {
    template <class B>
    B operator()(const B& v) const {
        return xsimd::select(v <= B(0), B(0), v);
    }
};

}  // namespace xtape::kernels
