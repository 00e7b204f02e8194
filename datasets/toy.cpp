#include <xtape/datasets/toy.hpp>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <xtape/autograd/random.hpp>
#include <xtape/datasets/image_set.hpp>

namespace xtape::datasets {
namespace {

constexpr double pi = 3.14159265358979323846;

/// Of its own: a Loader with the same seed would undo a permutation that is drawn from the same numbers as its own, and hand out
/// one class after the other.
Generator generator_of(std::uint64_t seed) { return Generator(seed, std::uint64_t{1} << 63); }

void require_count(const char* name, const char* what, Index count, Index least = 0) {
    if (count < least) throw ValueError(fmt::format("{}: {} must be at least {}: {}", name, what, least, count));
}

void require_noise(const char* name, const char* what, double noise) {
    if (!(noise >= 0 && std::isfinite(noise)))
        throw ValueError(fmt::format("{}: {} must be finite and at least 0: {}", name, what, noise));
}

/// A set under construction: its points are written in the order of a permutation, so that the classes are mixed.
class Builder {
public:
    Builder(Index samples, Index features, Generator& generator)
        : generator_(generator),
          order_(random::permutation(samples, generator)),
          x_(Array::uninitialized({samples, features}, float32)),
          y_(Array::uninitialized({samples, 1}, float32)),
          labels_(IntArray::from_shape({static_cast<std::size_t>(samples)})) {}

    /// Adds a point with normal noise on every coordinate.
    void add(const std::vector<double>& point, Index label, double noise) {
        const Index row = order_[next_++];
        float* x = x_.mutable_data<float>() + row * x_.shape(1);
        for (double coordinate : point) *x++ = static_cast<float>(std::fma(noise, generator_.normal(), coordinate));
        y_.mutable_data<float>()[row] = static_cast<float>(label);
        labels_.flat(static_cast<std::size_t>(row)) = label;
    }

    Toy finish() && { return {std::move(x_), std::move(y_), std::move(labels_)}; }

private:
    Generator& generator_;
    std::vector<Index> order_;
    std::size_t next_ = 0;
    Array x_, y_;
    IntArray labels_;
};

/// Point i of n at equal distances over [0, length]; without the end, so that a closed circle has no point twice.
double step(Index i, Index n, double length, bool with_end) {
    const Index parts = with_end ? std::max<Index>(n - 1, 1) : n;
    return length * (static_cast<double>(i) / static_cast<double>(parts));
}

}  // namespace

Toy blobs(Index samples, Index features, Index centers, std::uint64_t seed, double deviation) {
    require_count("blobs", "samples", samples);
    require_count("blobs", "features", features);
    require_count("blobs", "centers", centers, 1);
    require_noise("blobs", "deviation", deviation);
    Generator generator = generator_of(seed);
    const Array drawn = random::uniform({centers, features}, -10, 10, generator, float64);
    std::vector<std::vector<double>> center;
    for (Index c = 0; c < centers; ++c)
        center.emplace_back(drawn.data<double>() + c * features, drawn.data<double>() + (c + 1) * features);
    Builder builder(samples, features, generator);
    for (Index i = 0; i < samples; ++i)
        builder.add(center[static_cast<std::size_t>(i % centers)], i % centers, deviation);
    return std::move(builder).finish();
}

Toy circles(Index samples, double noise, double factor, std::uint64_t seed) {
    require_count("circles", "samples", samples);
    require_noise("circles", "noise", noise);
    if (!(factor >= 0 && factor < 1)) throw ValueError(fmt::format("circles: factor must be in [0, 1): {}", factor));
    Generator generator = generator_of(seed);
    Builder builder(samples, 2, generator);
    const Index outer = samples / 2, inner = samples - outer;
    const auto add = [&](Index count, double radius, Index label) {
        for (Index i = 0; i < count; ++i) {
            const double angle = step(i, count, 2 * pi, false);
            builder.add({radius * std::cos(angle), radius * std::sin(angle)}, label, noise);
        }
    };
    add(outer, 1, 0);
    add(inner, factor, 1);
    return std::move(builder).finish();
}

Toy moons(Index samples, double noise, std::uint64_t seed) {
    require_count("moons", "samples", samples);
    require_noise("moons", "noise", noise);
    Generator generator = generator_of(seed);
    Builder builder(samples, 2, generator);
    const Index upper = samples / 2, lower = samples - upper;
    for (Index i = 0; i < upper; ++i) {
        const double angle = step(i, upper, pi, true);
        builder.add({std::cos(angle), std::sin(angle)}, 0, noise);
    }
    for (Index i = 0; i < lower; ++i) {
        const double angle = step(i, lower, pi, true);
        builder.add({1 - std::cos(angle), 0.5 - std::sin(angle)}, 1, noise);
    }
    return std::move(builder).finish();
}

Toy select(const Toy& toy, const IntArray& positions) {
    return {take(toy.x, positions), take(toy.y, positions), select(toy.labels, positions)};
}

}  // namespace xtape::datasets
