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

/// K sums at a time, in independent chains of additions.
template <class T, std::size_t K>
class RunSums {
public:
    RunSums() {
        for (auto& chain : sums_)
            for (Batch<T>& sum : chain) sum = Batch<T>(T{0});
    }

    /// Adds what terms(position, size) gives for the batches of n elements: one batch for each sum, 0 in lanes past `size`.
    template <class F>
    void add(Index n, F&& terms) {
        Index i = 0;
        for (; i + chains * lanes<T> <= n; i += chains * lanes<T>) {
#pragma GCC unroll 4
            for (Index chain = 0; chain < chains; ++chain) add_to(chain, terms(i + chain * lanes<T>, lanes<T>));
        }
        Index chain = 0;
        for (; i + lanes<T> <= n; i += lanes<T>) add_to(chain++, terms(i, lanes<T>));
        if (i < n) add_to(chain, terms(i, n - i));
    }

    std::array<T, K> total() const {
        std::array<T, K> result;
        for (std::size_t k = 0; k < K; ++k)
            result[k] = xsimd::hadd((sums_[0][k] + sums_[1][k]) + (sums_[2][k] + sums_[3][k]));
        return result;
    }

    /// Adds one batch for each sum to one of the chains.
    void add_to(Index chain, const std::array<Batch<T>, K>& term) {
        for (std::size_t k = 0; k < K; ++k) sums_[chain][k] += term[k];
    }

private:
    static constexpr Index chains = 4;

    Batch<T> sums_[chains][K];
};

/// The K sums of a run. A long one is added up in blocks, so that rounding grows with their number only.
template <class T, std::size_t K, class F>
std::array<T, K> sums_of_run(Index n, F&& terms) {
    constexpr Index block = 1 << 12;
    std::array<T, K> total{};
    for (Index begin = 0; begin < n; begin += block) {
        RunSums<T, K> sums;
        sums.add(std::min(block, n - begin), [&](Index i, Index size) { return terms(begin + i, size); });
        const std::array<T, K> part = sums.total();
        for (std::size_t k = 0; k < K; ++k) total[k] += part[k];
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
