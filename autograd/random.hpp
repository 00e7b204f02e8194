#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <xtape/autograd/array.hpp>

namespace xtape {

/// A seeded stream of random numbers (Philox4x32-10, Salmon et al., SC 2011): number i of a stream is a function of
/// seed, stream and i alone, so that arrays are filled in parallel with the same values for every thread count and
/// platform.
class Generator {
public:
    /// Generators of equal seed and different stream are independent of each other: one for each epoch, say.
    explicit Generator(std::uint64_t seed = 0, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}

    /// The next 32 random bits.
    std::uint32_t bits();
    /// Uniform in [0, 1), 53 bits.
    double uniform();
    /// Standard normal.
    double normal();
    /// Uniform in {0, ..., n - 1}, without bias. Throws ValueError for n = 0.
    std::uint64_t below(std::uint64_t n);

    /// Skips `count` positions and returns the first of them: the caller then owns that part of the stream.
    std::uint64_t reserve(std::uint64_t count);
    /// Four numbers of 32 bits at a position of the stream.
    std::array<std::uint32_t, 4> block(std::uint64_t position) const;

    std::uint64_t seed() const { return seed_; }
    std::uint64_t stream() const { return stream_; }

private:
    std::uint64_t seed_;
    std::uint64_t stream_;
    std::uint64_t position_ = 0;
};

namespace random {

/// The bare Philox4x32-10 function of counter and key.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

/// The generator of this thread, used where none is passed; starts from seed 0.
Generator& generator();
/// Restarts this thread's generator.
void seed(std::uint64_t seed);

/// Uniform in [low, high); low itself when both are equal. Throws ValueError unless low <= high, both finite.
Array uniform(const Shape& shape, double low, double high, Generator& generator, DType dtype = float32);
/// Normal with the given mean and standard deviation (Box and Muller, 1958). Throws ValueError unless both are finite
/// and deviation >= 0.
Array normal(const Shape& shape, double mean, double deviation, Generator& generator, DType dtype = float32);
/// 1 with probability p, else 0; the same ones for both dtypes. Throws ValueError unless 0 <= p <= 1.
Array bernoulli(const Shape& shape, double p, Generator& generator, DType dtype = float32);
/// 0 ... n - 1 in random order (Fisher and Yates). Throws ValueError for n < 0.
std::vector<Index> permutation(Index n, Generator& generator);

}  // namespace random
}  // namespace xtape
