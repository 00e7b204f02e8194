#pragma once

#include <algorithm>
#include <cstring>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include <xsimd/xsimd.hpp>

#include <xtape/autograd/kernels/vector.hpp>

/// xsimd batches, whole and partial.
namespace xtape::kernels {

template <class T>
using Batch = xsimd::batch<T>;

template <class T>
inline constexpr Index lanes = static_cast<Index>(Batch<T>::size);

/// The same numbers as the compiler's vector.
template <class T>
Vector<T> as_vector(const Batch<T>& batch) {
    static_assert(sizeof(batch) == sizeof(Vector<T>));
    Vector<T> v;
    std::memcpy(&v, &batch, sizeof v);
    return v;
}

template <class T>
Batch<T> as_batch(const Vector<T>& v) {
    static_assert(sizeof(Batch<T>) == sizeof v);
    Batch<T> batch;
    std::memcpy(static_cast<void*>(&batch), &v, sizeof v);
    return batch;
}

/// The first `n` lanes from memory, the others `fill`. A partial batch goes through the same instructions as a whole one, so
/// that an element's bits do not depend on where a piece of work ends.
template <class T>
Batch<T> load_partial(const T* from, Index n, T fill = T(1)) {
#if defined(__AVX512F__)  // xsimd has no masked loads and stores
    const Batch<T> rest(fill);
    if constexpr (sizeof(T) == 4)
        return Batch<T>(_mm512_mask_loadu_ps(rest, static_cast<__mmask16>((1U << n) - 1), from));
    else
        return Batch<T>(_mm512_mask_loadu_pd(rest, static_cast<__mmask8>((1U << n) - 1), from));
#else
    alignas(64) T buffer[lanes<T>];
    for (Index lane = 0; lane < lanes<T>; ++lane) buffer[lane] = lane < n ? from[lane] : fill;
    return Batch<T>::load_aligned(buffer);
#endif
}

template <class T>
void store_partial(T* to, Batch<T> value, Index n) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1U << n) - 1), value);
    else
        _mm512_mask_storeu_pd(to, static_cast<__mmask8>((1U << n) - 1), value);
#else
    alignas(64) T buffer[lanes<T>];
    value.store_aligned(buffer);
    std::copy_n(buffer, std::min(n, lanes<T>), to);  // n is not more; g++ 12 does not see it and warns
#endif
}

/// f of each lane by itself: for functions that only the C library computes well.
template <class F, class B, class... Bs>
B by_lane(const F& f, const B& first, const Bs&... others) {
    using T = typename B::value_type;
    constexpr std::size_t operands = 1 + sizeof...(Bs);
    alignas(64) T buffer[operands][lanes<T>];
    std::size_t k = 0;
    first.store_aligned(buffer[k++]);
    (others.store_aligned(buffer[k++]), ...);
    for (Index i = 0; i < lanes<T>; ++i) {
        if constexpr (operands == 1)
            buffer[0][i] = f(buffer[0][i]);
        else
            buffer[0][i] = f(buffer[0][i], buffer[1][i]);
    }
    return B::load_aligned(buffer[0]);
}

/// `value` in every lane of a batch of v's type.
template <class B>
B like(const B&, double value) {
    return B(static_cast<typename B::value_type>(value));
}

}  // namespace xtape::kernels
