#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include <xtape/autograd/kernels/vector.hpp>

/// Stores that go to memory past the caches: for outputs that are larger than these, which their reader would not find
/// there, and which need not be fetched to be overwritten.
namespace xtape::kernels {

inline constexpr Index all_cache_bytes = Index{1} << 25;  // about the last cache, which all cores share

/// Whether an output of this many elements is larger than the caches.
template <class T>
bool exceeds_caches(Index elements) {
    return elements * static_cast<Index>(sizeof(T)) > all_cache_bytes;
}

/// Whether store_past_caches may write here.
inline bool is_aligned(const void* to) { return reinterpret_cast<std::uintptr_t>(to) % vector_bytes == 0; }

/// store_vector to an aligned place, past the caches. Other threads see it after finish_past_caches().
template <class T>
void store_past_caches(T* to, const Vector<T>& value) {
#if defined(__AVX512F__)
    _mm512_stream_si512(reinterpret_cast<__m512i*>(to), reinterpret_cast<const __m512i&>(value));
#elif defined(__AVX__)
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to), reinterpret_cast<const __m256i&>(value));
#elif defined(__SSE2__)
    _mm_stream_si128(reinterpret_cast<__m128i*>(to), reinterpret_cast<const __m128i&>(value));
#else
    store_vector(to, value);
#endif
}

inline void finish_past_caches() {
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

}  // namespace xtape::kernels
