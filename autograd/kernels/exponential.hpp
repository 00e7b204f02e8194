#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include <xtape/autograd/kernels/simd.hpp>

/// The exponential where it cannot overflow, which is where activations and losses take it.
namespace xtape::kernels {

/// e^v for v <= 0, within 1.1 ulp for float32; 0 where it would be less than the smallest normal number. NaN stays.
template <class B>
[[gnu::always_inline]] inline B exp_of_negative(const B& v) {
    using T = typename B::value_type;
    if constexpr (!std::is_same_v<T, float>) {
        return xsimd::exp(v);
    } else {
        // v = k log 2 + r. Adding `shift` rounds v / log 2 to the whole number k and leaves k + 127, which is the exponent of
        // 2^k, in the sum's lowest bits.
        constexpr float shift = 0x1.8p23f + 127, log2_high = 0x1.63p-1f, log2_low = -0x1.bd0106p-13f;
        const B sum = xsimd::fma(v, B(static_cast<float>(M_LOG2E)), B(shift)), k = sum - B(shift);
        const B r = xsimd::fnma(k, B(log2_low), xsimd::fnma(k, B(log2_high), v)), r2 = r * r;
        // 1 + r + r^2 P(r), P fitted to the least relative error, 3.1e-9, over |r| <= log(2) / 2.
        const B high = xsimd::fma(r, xsimd::fma(r, B(0x1.6a23dp-10f), B(0x1.123a2p-7f)), B(0x1.5558f2p-5f));
        const B low = xsimd::fma(r, B(0x1.555492p-3f), B(0x1.fffffcp-2f));
        const B power = xsimd::fma(r2, xsimd::fma(r2, high, low), r) + B(1);
        const auto exponent = xsimd::bitwise_cast<xsimd::batch<std::int32_t>>(sum) << 23;
        return xsimd::select(v < B(-0x1.5d589ep6f), B(0), power * xsimd::bitwise_cast<B>(exponent));
    }
}

/// e^-|v|, in (0, 1]: what the stable forms are built on.
template <class B>
[[gnu::always_inline]] inline B exp_minus_abs(const B& v) {
    return exp_of_negative(-xsimd::abs(v));
}

/// 1 / (1 + e^-v), to its last digits on both sides.
struct Logistic {
    template <class B>
    B operator()(const B& v) const {
        const auto e = exp_minus_abs(v);
        return xsimd::select(v < like(v, 0), e, like(v, 1)) / (like(v, 1) + e);
    }
};

}  // namespace xtape::kernels
