#include <xtape/autograd/kernels/finite.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>

#include <xtape/autograd/kernels/map.hpp>
#include <xtape/autograd/kernels/runs.hpp>

namespace xtape::kernels {

namespace {

constexpr Index block = 4096;  // elements between two looks at the sum

/// Whether all are finite: x - x is 0 for finite x and NaN for all others, and a sum of them stays NaN.
template <class T>
bool all_finite(const T* x, Index n) {
    RunSums<T, 1> sums;
    sums.add(n, [&](Index i, Index size) {
        const Batch<T> v = load(x + i, size);
        return std::array<Batch<T>, 1>{v - v};
    });
    return sums.total()[0] == T{0};
}

}  // namespace

Index first_non_finite(const Array& x) {
    const Index n = x.size();
    std::atomic<Index> first{n};
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T* const data = x.data<T>();
        parallel_for(n, map_grain, [&](Index begin, Index end) {
            for (Index i = begin; i < end && i < first.load(std::memory_order_relaxed); i += block) {
                const Index count = std::min(block, end - i);
                if (all_finite(data + i, count)) continue;
                Index at = i;
                while (std::isfinite(data[at])) ++at;
                Index known = first.load();
                while (at < known && !first.compare_exchange_weak(known, at)) {}
                return;
            }
        });
    });
    return first < n ? first.load() : Index{-1};
}

}  // namespace xtape::kernels
