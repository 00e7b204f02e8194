#pragma once

#include <array>
#include <cstddef>
#include <limits>

#include <xtape/autograd/kernels/simd.hpp>

/// Passes over one run of contiguous elements, batch by batch. A position and a size name a batch; the size is less than a
/// whole batch for the last one only.
namespace xtape::kernels {

/// Calls f(position, size) for the batches of n elements.
template <class T, class F>
void each_batch(Index n, F&& f) {
    Index i = 0;
    for (; i + lanes<T> <= n; i += lanes<T>) f(i, lanes<T>);
    if (i < n) f(i, n - i);
}

/// Lanes past `size` are `fill`.
template <class T>
Batch<T> load(const T* from, Index size, T fill = T{0}) {
    return size == lanes<T> ? Batch<T>::load_unaligned(from) : load_partial(from, size, fill);
}

template <class T>
void store(T* to, const Batch<T>& value, Index size) {
    if (size == lanes<T>)
        value.store_unaligned(to);
    else
        store_partial(to, value, size);
}

template <class T>
T sum_of_lanes(const Batch<T>& batch) {
    alignas(64) T lane[lanes<T>];
    batch.store_aligned(lane);
    for (Index half = lanes<T> / 2; half > 0; half /= 2)
        for (Index i = 0; i < half; ++i) lane[i] += lane[i + half];
    return lane[0];
}

/// The K sums over n elements of what terms(position, size) gives: one batch for each sum, 0 in lanes past `size`. Long runs
/// are added up in blocks, so that rounding grows with their number only.
template <class T, std::size_t K, class F>
std::array<T, K> sums_of_run(Index n, F&& terms) {
    constexpr Index block = 1 << 12, abreast = 4;  // independent chains of additions
    std::array<T, K> total{};
    for (Index begin = 0; begin < n; begin += block) {
        const Index end = std::min(n, begin + block);
        Batch<T> sum[abreast][K];
        for (auto& chain : sum)
            for (Batch<T>& s : chain) s = Batch<T>(T{0});
        const auto add = [&](Index chain, Index i, Index size) {
            const std::array<Batch<T>, K> term = terms(i, size);
            for (std::size_t k = 0; k < K; ++k) sum[chain][k] += term[k];
        };
        Index i = begin;
        for (; i + abreast * lanes<T> <= end; i += abreast * lanes<T>) {
#pragma GCC unroll 4
            for (Index chain = 0; chain < abreast; ++chain) add(chain, i + chain * lanes<T>, lanes<T>);
        }
        for (; i + lanes<T> <= end; i += lanes<T>) add(0, i, lanes<T>);
        if (i < end) add(1, i, end - i);
        for (std::size_t k = 0; k < K; ++k) total[k] += sum_of_lanes((sum[0][k] + sum[1][k]) + (sum[2][k] + sum[3][k]));
    }
    return total;
}

/// The largest of n elements; -inf of none. Whether a NaN counts is left open.
template <class T>
T largest_of_run(const T* x, Index n) {
    constexpr T lowest = -std::numeric_limits<T>::infinity();
    Batch<T> top[4] = {Batch<T>(lowest), Batch<T>(lowest), Batch<T>(lowest), Batch<T>(lowest)};
    Index i = 0;
    for (; i + 4 * lanes<T> <= n; i += 4 * lanes<T>) {
#pragma GCC unroll 4
        for (Index k = 0; k < 4; ++k) top[k] = xsimd::max(load(x + i + k * lanes<T>, lanes<T>), top[k]);
    }
    each_batch<T>(n - i, [&](Index j, Index size) { top[0] = xsimd::max(load(x + i + j, size, lowest), top[0]); });
    alignas(64) T lane[lanes<T>];
    xsimd::max(xsimd::max(top[0], top[1]), xsimd::max(top[2], top[3])).store_aligned(lane);
    return *std::max_element(lane, lane + lanes<T>);
}

}  // namespace xtape::kernels
