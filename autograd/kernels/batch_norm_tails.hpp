#pragma once

#include <xtape/autograd/kernels/channel_norm.hpp>
#include <xtape/autograd/kernels/max_pool_2x2.hpp>

/// What follows batch normalisation in the same pass: nothing, ReLU, or ReLU and 2 x 2 maxima. A tail takes the normalised
/// numbers of a run as they are made, and says what gradient reaches them.
namespace xtape::kernels {

/// A run of one channel, seen through its normalisation.
template <class T>
class NormalizedRun {
public:
    NormalizedRun(const T* x, const ChannelNorm<T>& norm)
        : x_(x), centre_(norm.centre), scale_(norm.scale), shift_(norm.shift) {}

    /// x - centre.
    Batch<T> distance(Index i, Index size) const { return load(x_ + i, size) - centre_; }
    /// (x - centre) scale + shift.
    Batch<T> operator()(Index i, Index size) const { return xsimd::fma(distance(i, size), scale_, shift_); }

private:
    const T* x_;
    Batch<T> centre_, scale_, shift_;
};

/// The two sums that a gradient needs: of the slopes g that reach the normalised numbers, and of g (x - centre).
template <class T>
using SlopeSums = RunSums<T, 2>;

/// Nothing or ReLU. With ReLU the gradient passes where the normalised number is > 0, which is found out anew.
template <class T, bool relu>
struct RunTail {
    static constexpr bool whole_runs = false;
    T* y;
    const T* g;

    void take(Index offset, Index n, const NormalizedRun<T>& run) const {
        const Batch<T> zero(T(0));
        each_batch<T>(n, [&](Index i, Index size) {
            const Batch<T> v = run(i, size);
            store(y + offset + i, relu ? xsimd::select(v <= zero, zero, v) : v, size);
        });
    }

    void sum(Index offset, Index n, const NormalizedRun<T>& run, SlopeSums<T>& sums) const {
        sums.add(n, [&](Index i, Index size) {
            const Batch<T> slope = passed(offset, i, size, run);
            return std::array{slope, slope * run.distance(i, size)};
        });
    }

    /// Calls f(position, slope, size) for the batches of a run.
    template <class F>
    void each_slope(Index offset, Index n, const NormalizedRun<T>& run, const F& f) const {
        each_batch<T>(n, [&](Index i, Index size) { f(i, passed(offset, i, size, run), size); });
    }

private:
    Batch<T> passed(Index offset, Index i, Index size, const NormalizedRun<T>& run) const {
        const Batch<T> slope = load(g + offset + i, size);
        if constexpr (relu) return xsimd::select(run(i, size) > Batch<T>(T(0)), slope, Batch<T>(T(0)));
        return slope;
    }
};

/// Runs are planes of images; y, g and the codes have a number for each window. The codes are those of max_pool_2x2.hpp.
template <class T>
struct PoolTail {
    static constexpr bool whole_runs = true;
    T* y;
    const T* g;
    std::uint8_t* codes;
    const Windows* windows;

    void take(Index offset, Index n, const NormalizedRun<T>& run) const {
        const Scratch<T> plane(n);
        each_batch<T>(n, [&](Index i, Index size) { store(plane.data() + i, run(i, size), size); });
        const Index pooled = offset / n * windows->output_size();
        max_plane_2x2<true>(plane.data(), *windows, y + pooled, codes ? codes + pooled : nullptr);
    }

    void sum(Index offset, Index n, const NormalizedRun<T>& run, SlopeSums<T>& sums) const {
        each_vector(offset, n, [&](Index row, Index i, const Vector<T>& spread, Index size) {
            const Batch<T> slope = as_batch<T>(spread);
            sums.add_to(row, std::array{slope, slope * run.distance(i, size)});
        });
    }

    template <class F>
    void each_slope(Index offset, Index n, const NormalizedRun<T>&, const F& f) const {
        each_vector(offset, n,
                    [&](Index, Index i, const Vector<T>& spread, Index size) { f(i, as_batch<T>(spread), size); });
    }

private:
    template <class F>
    void each_vector(Index offset, Index n, const F& f) const {
        const Index pooled = offset / n * windows->output_size();
        each_spread_2x2(g + pooled, codes + pooled, *windows, f);
    }
};

}  // namespace xtape::kernels
