#include <xtape/autograd/random.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include <xtape/autograd/draws.hpp>
#include <xtape/autograd/error.hpp>
#include <xtape/autograd/kernels/parallel.hpp>

namespace xtape {
namespace {

using Block = std::array<std::uint32_t, 4>;

constexpr double half_pi = 1.57079632679489661923;
constexpr double ln_2 = 0.69314718055994530942;

// A multiple of what one block gives, so that no block is shared by two pieces.
constexpr Index grain = 1 << 14;

std::uint64_t join(std::uint32_t low, std::uint32_t high) { return std::uint64_t{high} << 32 | low; }

/// Number 0 or 1 of a block: uniform in [0, 1), 53 bits.
double unit(const Block& block, std::size_t which) {
    return static_cast<double>(join(block[2 * which], block[2 * which + 1]) >> 11) * 0x1p-53;
}

// The C library's log, sin and cos differ in the last bit between platforms and between CPUs of one platform. These use
// IEEE's exactly rounded operations only, every a b + c an explicit fma, and so give the same bits everywhere.

/// log(x) for 0 < x <= 1: 2 artanh((m - 1) / (m + 1)) + e log 2, with x = m 2^e and 1/sqrt(2) <= m < sqrt(2).
double portable_log(double x) {
    int e = 0;
    double m = std::frexp(x, &e);
    if (m < 0.70710678118654752440) {
        m *= 2;
        --e;
    }
    const double s = (m - 1) / (m + 1);
    const double square = s * s;
    double series = 0;
    for (int k = 23; k >= 1; k -= 2) series = std::fma(series, square, 1.0 / k);
    return std::fma(static_cast<double>(e), ln_2, 2 * s * series);
}

/// Cosine and sine of a full turn's share u, 0 <= u < 1.
std::pair<double, double> portable_cos_sin(double u) {
    const double quarter = std::floor(std::fma(4.0, u, 0.5));
    const double x = std::fma(4.0, u, -quarter) * half_pi;  // |x| <= pi / 4, Taylor's series end below 1e-17
    const double square = x * x;
    double cosine = 1;
    for (int k = 18; k >= 2; k -= 2) cosine = std::fma(cosine, square * (-1.0 / (k * (k - 1))), 1.0);
    double sine = 1;
    for (int k = 17; k >= 3; k -= 2) sine = std::fma(sine, square * (-1.0 / (k * (k - 1))), 1.0);
    sine *= x;
    switch (static_cast<int>(quarter) % 4) {
    case 0:
        return {cosine, sine};
    case 1:
        return {-sine, cosine};
    case 2:
        return {-cosine, -sine};
    default:
        return {sine, -cosine};
    }
}

/// Two independent standard normal numbers (Box and Muller, 1958).
std::pair<double, double> normal_pair(const Block& block) {
    const double radius = std::sqrt(-2 * portable_log(1 - unit(block, 0)));
    const auto [cosine, sine] = portable_cos_sin(unit(block, 1));
    return {radius * cosine, radius * sine};
}

/// Fills an array with what `draw(block)` gives: `PerBlock` elements for each position of the stream.
template <class T, std::size_t PerBlock, class Draw>
void fill(Array& array, Generator& generator, Draw draw) {
    constexpr Index per_block = PerBlock;
    static_assert(grain % per_block == 0);
    const Index n = array.size();
    const std::uint64_t first = generator.reserve(static_cast<std::uint64_t>((n + per_block - 1) / per_block));
    T* out = array.mutable_data<T>();
    kernels::parallel_for(n, grain, [&](Index begin, Index end) {
        for (Index i = begin; i < end; i += per_block) {
            const std::array<T, PerBlock> drawn =
                draw(generator.block(first + static_cast<std::uint64_t>(i / per_block)));
            const Index count = std::min(per_block, end - i);
            for (Index j = 0; j < count; ++j) out[i + j] = drawn[static_cast<std::size_t>(j)];
        }
    });
}

}  // namespace

std::uint32_t Generator::bits() { return block(reserve(1))[0]; }

double Generator::uniform() { return unit(block(reserve(1)), 0); }

double Generator::normal() { return normal_pair(block(reserve(1))).first; }

std::uint64_t Generator::below(std::uint64_t n) {
    if (n == 0) throw ValueError("below: n is 0, there is no number below it");
    // As many bits as n - 1 has, drawn again until they fall below n: at most two draws on average.
    std::uint64_t mask = n - 1;
    for (int shift = 1; shift < 64; shift *= 2) mask |= mask >> shift;
    for (;;) {
        const Block drawn = block(reserve(1));
        for (std::size_t half : {0, 2}) {
            const std::uint64_t number = join(drawn[half], drawn[half + 1]) & mask;
            if (number < n) return number;
        }
    }
}

std::uint64_t Generator::reserve(std::uint64_t count) {
    std::uint64_t first;
    if (detail::Draws::answer(position_, count, first)) position_ += count;
    return first;
}

Block Generator::block(std::uint64_t position) const {
    const auto low = [](std::uint64_t v) { return static_cast<std::uint32_t>(v); };
    const auto high = [](std::uint64_t v) { return static_cast<std::uint32_t>(v >> 32); };
    return random::philox4x32({low(position), high(position), low(stream_), high(stream_)}, {low(seed_), high(seed_)});
}

namespace random {

Block philox4x32(Block counter, std::array<std::uint32_t, 2> key) {
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
        const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
        counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
                   static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
        key[0] += 0x9E3779B9;
        key[1] += 0xBB67AE85;
    }
    return counter;
}

Generator& generator() {
    thread_local Generator instance;
    return instance;
}

void seed(std::uint64_t seed) { generator() = Generator(seed); }

Array uniform(const Shape& shape, double low, double high, Generator& generator, DType dtype) {
    if (!(low <= high) || !std::isfinite(low) || !std::isfinite(high))
        throw ValueError(fmt::format("uniform: bounds must be finite and in order: low {}, high {}", low, high));
    if (low == high) return Array::filled(shape, dtype, low);
    Array result = Array::uninitialized(shape, dtype);
    dispatch(dtype, [&](auto tag) {
        using T = decltype(tag);
        // Rounding may reach the upper bound, which does not belong to the interval.
        const T least = static_cast<T>(low);
        const T most = std::max(least, std::nextafter(static_cast<T>(high), std::numeric_limits<T>::lowest()));
        const auto place = [&](double u) {
            return std::clamp(static_cast<T>(std::fma(u, high, std::fma(-u, low, low))), least, most);
        };
        fill<T, 2>(result, generator, [&](const Block& block) {
            return std::array<T, 2>{place(unit(block, 0)), place(unit(block, 1))};
        });
    });
    return result;
}

Array normal(const Shape& shape, double mean, double deviation, Generator& generator, DType dtype) {
    if (!std::isfinite(mean) || !std::isfinite(deviation) || deviation < 0)
        throw ValueError(fmt::format("normal: needs a finite mean and a finite deviation >= 0: mean {}, deviation {}",
                                     mean, deviation));
    Array result = Array::uninitialized(shape, dtype);
    dispatch(dtype, [&](auto tag) {
        using T = decltype(tag);
        fill<T, 2>(result, generator, [&](const Block& block) {
            const auto [a, b] = normal_pair(block);
            return std::array<T, 2>{static_cast<T>(std::fma(deviation, a, mean)),
                                    static_cast<T>(std::fma(deviation, b, mean))};
        });
    });
    return result;
}

Array bernoulli(const Shape& shape, double p, Generator& generator, DType dtype) {
    if (!(p >= 0 && p <= 1)) throw ValueError(fmt::format("bernoulli: a probability is in [0, 1]: p {}", p));
    Array result = Array::uninitialized(shape, dtype);
    const auto limit = static_cast<std::uint64_t>(std::ldexp(p, 32));
    dispatch(dtype, [&](auto tag) {
        using T = decltype(tag);
        fill<T, 4>(result, generator, [limit](const Block& block) {
            std::array<T, 4> ones;
            for (std::size_t j = 0; j < 4; ++j) ones[j] = block[j] < limit ? T{1} : T{0};
            return ones;
        });
    });
    return result;
}

std::vector<Index> permutation(Index n, Generator& generator) {
    if (n < 0) throw ValueError(fmt::format("permutation: a count is not negative: n {}", n));
    std::vector<Index> order(static_cast<std::size_t>(n));
    std::iota(order.begin(), order.end(), Index{0});
    for (std::size_t left = order.size(); left > 1; --left) std::swap(order[left - 1], order[generator.below(left)]);
    return order;
}

}  // namespace random
}  // namespace xtape
