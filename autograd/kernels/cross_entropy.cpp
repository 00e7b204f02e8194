#include <xtape/autograd/kernels/cross_entropy.hpp>

#include <algorithm>
#include <cmath>

#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/autograd/kernels/runs.hpp>

namespace xtape::kernels {

namespace {

/// Calls row(i) for each of the rows of z.
template <class F>
void each_row(const Array& z, const F& row) {
    const Index grain = std::max<Index>(1, (1 << 14) / std::max<Index>(1, z.shape(1)));
    parallel_for(z.shape(0), grain, [&](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) row(i);
    });
}

}  // namespace

CrossEntropy cross_entropy(const Array& z, const std::int64_t* labels, double smoothing) {
    const Shape rows{z.shape(0)};
    const auto numbers = [&] { return Array::uninitialized(rows, z.dtype()); };
    CrossEntropy y{numbers(), numbers(), numbers()};
    dispatch(z.dtype(), [&](auto tag) {
        using T = decltype(tag);
        constexpr T lowest = -std::numeric_limits<T>::infinity();
        const Index classes = z.shape(1);
        const T share = static_cast<T>(smoothing / static_cast<double>(classes)), rest = static_cast<T>(1 - smoothing);
        T *const losses = y.losses.mutable_data<T>(), *const maxima = y.maxima.mutable_data<T>();
        T* const exponentials = y.exponentials.mutable_data<T>();
        each_row(z, [&](Index i) {
            const T* const row = z.data<T>() + i * classes;
            const T top = largest_of_run(row, classes);
            const Batch<T> maximum(top);
            const T sum = sums_of_run<T, 1>(classes, [&](Index j, Index size) {
                return std::array{xsimd::exp(load(row + j, size, lowest) - maximum)};
            })[0];
            // Relative to the maximum, so that logits far from 0 cost no digits.
            T loss = std::log(sum) - rest * (row[labels[i]] - top);
            if (share != 0)
                loss -= share * sums_of_run<T, 1>(classes, [&](Index j, Index size) {
                            return std::array{load(row + j, size, top) - maximum};
                        })[0];
            losses[i] = loss;
            maxima[i] = top;
            exponentials[i] = sum;
        });
    });
    return y;
}

Array cross_entropy_gradient(const Array& g, const Array& z, const CrossEntropy& y, const std::int64_t* labels,
                             double smoothing) {
    Array dz = Array::uninitialized(z.shape(), z.dtype());
    dispatch(z.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const Index classes = z.shape(1);
        const T share = static_cast<T>(smoothing / static_cast<double>(classes)), rest = static_cast<T>(1 - smoothing);
        const T* const slopes = g.data<T>();
        T* const out = dz.mutable_data<T>();
        each_row(z, [&](Index i) {
            const T *const from = z.data<T>() + i * classes, slope = slopes[i];
            T* const to = out + i * classes;
            const Batch<T> maximum(y.maxima.data<T>()[i]), everywhere(slope * share);
            const Batch<T> scale(slope / y.exponentials.data<T>()[i]);
            each_batch<T>(classes, [&](Index j, Index size) {
                const Batch<T> e = xsimd::exp(load(from + j, size) - maximum);
                store(to + j, xsimd::fms(e, scale, everywhere), size);
            });
            to[labels[i]] -= slope * rest;
        });
    });
    return dz;
}

}  // namespace xtape::kernels
