#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include <xtape/autograd/shape.hpp>

/// One register of numbers, as the compiler's vector extension has it: for kernels that place values in registers
/// themselves. Element-wise functions use xsimd's batches (simd.hpp).
namespace xtape::kernels {

#if defined(__AVX512F__)
inline constexpr std::size_t vector_bytes = 64;
inline constexpr Index vector_registers = 32;
#elif defined(__AVX__)
inline constexpr std::size_t vector_bytes = 32;
inline constexpr Index vector_registers = 16;
#else
inline constexpr std::size_t vector_bytes = 16;
inline constexpr Index vector_registers = 16;
#endif

namespace detail {

template <class T>
struct VectorOf {
    typedef T Type __attribute__((vector_size(vector_bytes)));
};

}  // namespace detail

template <class T>
using Vector = typename detail::VectorOf<T>::Type;

/// Numbers in a Vector<T>.
template <class T>
inline constexpr Index vector_lanes = static_cast<Index>(vector_bytes / sizeof(T));

template <class T>
Vector<T> load_vector(const T* from) {
    Vector<T> v;
    std::memcpy(&v, from, sizeof v);
    return v;
}

template <class T>
void store_vector(T* to, const Vector<T>& v) {
    std::memcpy(to, &v, sizeof v);
}

/// The first `count` lanes from memory, the others 0; count is at most vector_lanes<T>.
template <class T>
Vector<T> load_vector(const T* from, Index count) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        return reinterpret_cast<Vector<T>>(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1U << count) - 1), from));
    else
        return reinterpret_cast<Vector<T>>(_mm512_maskz_loadu_pd(static_cast<__mmask8>((1U << count) - 1), from));
#else
    Vector<T> v{};
    std::memcpy(&v, from, static_cast<std::size_t>(count) * sizeof(T));
    return v;
#endif
}

/// The first `count` lanes to memory; count is at most vector_lanes<T>.
template <class T>
void store_vector(T* to, const Vector<T>& v, Index count) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1U << count) - 1), reinterpret_cast<__m512>(v));
    else
        _mm512_mask_storeu_pd(to, static_cast<__mmask8>((1U << count) - 1), reinterpret_cast<__m512d>(v));
#else
    std::memcpy(to, &v, static_cast<std::size_t>(count) * sizeof(T));
#endif
}

/// An integer for each lane of a Vector<T>: what comparing two of them gives.
template <class T>
using VectorMask = decltype(Vector<T>{} == Vector<T>{});

/// A byte for each lane of a Vector<T>. g++ 12 converts vectors of bytes one by one, but loops over them as it should.
template <class T>
VectorMask<T> load_bytes(const std::uint8_t* from) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        return reinterpret_cast<VectorMask<T>>(
            _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
    else
        return reinterpret_cast<VectorMask<T>>(
            _mm512_cvtepu8_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
#else
    VectorMask<T> v;
    for (Index lane = 0; lane < vector_lanes<T>; ++lane) v[lane] = from[lane];
    return v;
#endif
}

/// The first `count` bytes only, 0 in the other lanes; count is at most vector_lanes<T>.
template <class T>
VectorMask<T> load_bytes(const std::uint8_t* from, Index count) {
    if (count == vector_lanes<T>) return load_bytes<T>(from);
#if defined(__AVX512BW__) && defined(__AVX512VL__)
    const __m128i bytes = _mm_maskz_loadu_epi8(static_cast<__mmask16>((1U << count) - 1), from);
    if constexpr (sizeof(T) == 4)
        return reinterpret_cast<VectorMask<T>>(_mm512_cvtepu8_epi32(bytes));
    else
        return reinterpret_cast<VectorMask<T>>(_mm512_cvtepu8_epi64(bytes));
#else
    VectorMask<T> v;
    for (Index lane = 0; lane < vector_lanes<T>; ++lane) v[lane] = lane < count ? from[lane] : 0;
    return v;
#endif
}

/// The first `count` lanes as bytes.
template <class T>
void store_bytes(std::uint8_t* to, const VectorMask<T>& v, Index count) {
#if defined(__AVX512BW__) && defined(__AVX512VL__)
    const auto lanes = static_cast<__mmask16>((1U << count) - 1);
    if constexpr (sizeof(T) == 4)
        _mm512_mask_cvtepi32_storeu_epi8(to, lanes, reinterpret_cast<__m512i>(v));
    else
        _mm512_mask_cvtepi64_storeu_epi8(to, static_cast<__mmask8>(lanes), reinterpret_cast<__m512i>(v));
#else
    typedef std::uint8_t Bytes __attribute__((vector_size(vector_bytes / sizeof(T))));
    const Bytes bytes = __builtin_convertvector(v, Bytes);
    std::memcpy(to, &bytes, static_cast<std::size_t>(count));
#endif
}

/// `value` in every lane. The subtraction is folded away, for x - 0 is x whatever x is; x + 0 would be a real addition.
template <class T>
Vector<T> broadcast_vector(T value) {
    return value - Vector<T>{};
}

}  // namespace xtape::kernels
