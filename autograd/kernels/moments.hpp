#pragma once

#include <algorithm>
#include <cmath>

#include <xtape/autograd/kernels/runs.hpp>

/// Statistics of groups, by chunks that stay in the first-level cache.
namespace xtape::kernels {

/// Count, mean and sum of squared deviations of some numbers.
struct Moment {
    double count;
    double mean;
    double deviations;

    /// Takes in the numbers of another (Chan, Golub and LeVeque, 1979).
    void join(const Moment& other) {
        const double total = count + other.count, distance = other.mean - mean;
        const double share = total > 0 ? other.count / total : 0;
        mean += distance * share;
        deviations += other.deviations + distance * distance * count * share;
        count = total;
    }
};

/// The numbers of one channel of x (samples, channels, length): a run of `length` in each sample, cut into chunks.
class ChannelChunks {
public:
    ChannelChunks(Index samples, Index channels, Index length)
        : samples_(samples),
          channels_(channels),
          length_(length),
          samples_per_chunk_(std::max<Index>(1, largest / std::max<Index>(1, length))),
          pieces_per_run_(std::max<Index>(1, (length + largest - 1) / largest)) {}

    Index count() const { return (samples_ + samples_per_chunk_ - 1) / samples_per_chunk_ * pieces_per_run_; }

    /// Calls run(offset, size) for the contiguous runs of one chunk of a channel.
    template <class F>
    void each_run(Index channel, Index chunk, const F& run) const {
        const Index first = chunk / pieces_per_run_ * samples_per_chunk_, begin = chunk % pieces_per_run_ * largest;
        const Index size = pieces_per_run_ == 1 ? length_ : std::min(largest, length_ - begin);
        for (Index i = first; i < std::min(samples_, first + samples_per_chunk_); ++i)
            run((i * channels_ + channel) * length_ + begin, size);
    }

private:
    static constexpr Index largest = 1 << 12;

    Index samples_, channels_, length_, samples_per_chunk_, pieces_per_run_;
};

/// The moment of a chunk of x.
template <class T>
Moment moment_of(const T* x, const ChannelChunks& chunks, Index channel, Index chunk) {
    Index count = 0;
    RunSums<T, 1> sum;
    chunks.each_run(channel, chunk, [&](Index offset, Index n) {
        count += n;
        sum.add(n, [&](Index i, Index size) { return std::array{load(x + offset + i, size)}; });
    });
    const double n = static_cast<double>(count);
    const T centre = static_cast<T>(static_cast<double>(sum.total()[0]) / n);
    RunSums<T, 2> around;
    chunks.each_run(channel, chunk, [&](Index offset, Index size_of_run) {
        around.add(size_of_run, [&](Index i, Index size) {
            const Batch<T> distance = load(x + offset + i, size, centre) - Batch<T>(centre);
            return std::array{distance, distance * distance};
        });
    });
    const double rest = around.total()[0], squares = around.total()[1], deviations = squares - rest * rest / n;
    return {n, centre + rest / n, deviations < 0 ? 0 : deviations};  // a NaN stays
}

/// How a group with these moments is normalised: (x - centre) * scale + shift. The centre is rounded to T, what that loses is
/// in the shift.
template <class T>
struct Normalizer {
    Normalizer(double mean, double variance, double eps)
        : inverse(1 / std::sqrt(variance + eps)), centre(static_cast<T>(mean)), rest(mean - centre) {}

    double inverse;  ///< of the deviation
    T centre;
    double rest;
};

}  // namespace xtape::kernels
