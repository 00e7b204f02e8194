#pragma once

#include <algorithm>
#include <cmath>

#include <xtape/autograd/kernels/runs.hpp>

/// Statistics of groups, by chunks that stay in the first-level cache.
namespace xtape::kernels {

/// A multiple of some power of two, about `unit`, near the mean: then x - centre is exact for most x. Otherwise many x would
/// lose the same last digits, and a sum over n of them that loss times n.
template <class T>
T centre_near(double mean, double unit) {
    if (!(unit > 0) || !std::isfinite(mean / unit)) return static_cast<T>(mean);
    const double step = std::ldexp(1.0, std::ilogb(unit));
    return static_cast<T>(std::nearbyint(mean / step) * step);
}

/// The same for some numbers of which only the mean is known.
template <class T>
T centre_near(double mean) {
    return centre_near<T>(mean, std::abs(mean) * 0x1p-12);
}

/// Count, mean and sum of squared deviations of some numbers.
struct Moment {
    double count;
    double mean;
    double deviations;

    double variance() const { return deviations / count; }
};

/// The moment of numbers from what their sum and sum of squares are around a centre near their mean.
inline Moment moment_around(double centre, double count, double sum, double squares) {
    const double rest = sum * (1 / count), deviations = squares - rest * sum;
    return {count, centre + rest, deviations < 0 ? 0 : deviations};  // a NaN stays
}

/// The moment of all numbers of `parts` parts, `stride` apart in memory.
inline Moment joined(const Moment* first, Index parts, Index stride = 1) {
    if (parts == 1) return *first;
    Moment all{};
    for (Index k = 0; k < parts; ++k) {
        all.count += first[k * stride].count;
        all.mean += first[k * stride].count * first[k * stride].mean;
    }
    all.mean /= all.count;
    for (Index k = 0; k < parts; ++k) {
        const Moment& part = first[k * stride];
        const double distance = part.mean - all.mean;
        all.deviations += part.deviations + part.count * distance * distance;
    }
    return all;
}

/// The numbers of one channel of x (samples, channels, length): a run of `length` in each sample, cut into chunks.
class ChannelChunks {
public:
    /// Runs longer than a chunk should be are cut too, unless they are to stay whole.
    ChannelChunks(Index samples, Index channels, Index length, bool whole_runs = false)
        : samples_(samples),
          channels_(channels),
          length_(length),
          samples_per_chunk_(std::max<Index>(1, largest / std::max<Index>(1, length))),
          pieces_per_run_(whole_runs ? 1 : std::max<Index>(1, (length + largest - 1) / largest)) {}

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
    const auto n = static_cast<double>(count);
    const T centre = centre_near<T>(static_cast<double>(sum.total()[0]) * (1 / n));
    RunSums<T, 2> around;
    chunks.each_run(channel, chunk, [&](Index offset, Index size_of_run) {
        around.add(size_of_run, [&](Index i, Index size) {
            const Batch<T> distance = load(x + offset + i, size, centre) - Batch<T>(centre);
            return std::array{distance, distance * distance};
        });
    });
    return moment_around(centre, n, around.total()[0], around.total()[1]);
}

/// How a group with these statistics is normalised: ((x - centre) - rest) * inverse. The centre is near the mean, the rest is
/// what lies between.
template <class T>
struct Normalizer {
    Normalizer(double mean, double variance, double eps)
        : inverse(1 / std::sqrt(variance + eps)),
          centre(centre_near<T>(mean, std::sqrt(variance + eps) * 0x1p-6)),
          rest(mean - centre) {}

    double inverse;  ///< of the deviation
    T centre;
    double rest;
};

}  // namespace xtape::kernels
