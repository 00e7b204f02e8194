#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include <xtape/autograd/kernels/vector.hpp>

/// Passes over arrays that are larger than the caches.
namespace xtape::kernels {

/// How many bytes the machine's caches hold.
struct CacheBytes {
    Index near;  ///< a core's own
    Index all;   ///< with what a program may hope to have of the one that all cores share
};
const CacheBytes& cache_bytes();

/// Whether this many elements are more than a core's own caches hold.
template <class T>
bool exceeds_near_caches(Index elements) {
    return elements * static_cast<Index>(sizeof(T)) > cache_bytes().near;
}

/// Whether an output of this many elements is larger than the caches: then its reader would not find it there, and it need
/// not be fetched to be overwritten.
template <class T>
bool exceeds_caches(Index elements) {
    return elements * static_cast<Index>(sizeof(T)) > cache_bytes().all;
}

/// Whether a core passes over far memory better in several places that take turns than in one. Intel's do, for they ask for
/// lines ahead up to the end of a page only; AMD's are slower so.
bool gains_by_turns();

/// Items [0, n) in the order in which they are best passed over: in four strips, which may take turns.
class Strips {
public:
    static constexpr Index most = 4;

    Strips(Index n, bool in_turn) : n_(n), count_(in_turn && n >= 2 * most ? most : 1) {}

    Index count() const { return count_; }
    Index first(Index strip) const { return n_ * strip / count_; }

    /// Calls f(item, strip); within a strip in ascending order.
    template <class F>
    void each(F&& f) const {
        Index next[most], end[most];
        for (Index strip = 0; strip < count_; ++strip) {
            next[strip] = first(strip);
            end[strip] = first(strip + 1);
        }
        for (Index turn = (n_ + count_ - 1) / count_; turn > 0; --turn)
            for (Index strip = 0; strip < count_; ++strip)
                if (next[strip] < end[strip]) f(next[strip]++, strip);
    }

private:
    Index n_, count_;
};

/// What a strip goes on by at each turn, and how far ahead of itself it asks for elements: 16 lines of the cache, about as
/// many as a core can wait for.
template <class T>
inline constexpr Index strip_elements = static_cast<Index>(1024 / sizeof(T));

/// How far ahead elements of runs that are combined are asked for: where places take turns, by what a strip goes on. AMD's
/// cores look ahead in a long run best by themselves (0), but see too late what short ones need, for so many instructions go
/// with each.
template <class T>
Index ahead_of_runs(bool short_runs) {
    constexpr Index far_bytes = 12 * 1024;
    return gains_by_turns() ? strip_elements<T> : short_runs ? far_bytes / static_cast<Index>(sizeof(T)) : 0;
}

/// How far ahead runs side by side are asked for, which are as many as there are lanes.
template <class T>
inline constexpr Index adjacent_ahead = static_cast<Index>(6 * 1024 / sizeof(T));

/// Has the line of the cache with first[i] fetched, which will be needed soon if it is in the array at all.
template <class T>
void ask_for(const T* first, Index i) {
    const auto place = reinterpret_cast<std::uintptr_t>(first) + static_cast<std::uintptr_t>(i) * sizeof(T);
    __builtin_prefetch(reinterpret_cast<const void*>(place));
}

/// The same for all lines of the n elements from first[i] on.
template <class T>
void ask_for(const T* first, Index i, Index n) {
    constexpr Index line = static_cast<Index>(64 / sizeof(T));
    for (Index k = 0; k < n; k += line) ask_for(first, i + k);
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
