#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/random.hpp>
#include <xtape/autograd/threads.hpp>

using namespace xtape;

namespace {

using Words = std::array<std::uint32_t, 4>;

struct Moments {
    double mean = 0, variance = 0, skewness = 0, kurtosis = 0;
};

Moments moments(const Array& x) {
    const auto n = static_cast<double>(x.size());
    Moments m;
    for (Index i = 0; i < x.size(); ++i) m.mean += x.at(i) / n;
    double third = 0, fourth = 0;
    for (Index i = 0; i < x.size(); ++i) {
        const double d = x.at(i) - m.mean;
        m.variance += d * d / n;
        third += d * d * d / n;
        fourth += d * d * d * d / n;
    }
    m.skewness = third / std::pow(m.variance, 1.5);
    m.kurtosis = fourth / (m.variance * m.variance);
    return m;
}

bool same_bits(const Array& a, const Array& b) {
    if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
    const auto bytes = static_cast<std::size_t>(a.size()) * size_of(a.dtype());
    return dispatch(a.dtype(), [&](auto tag) {
        using T = decltype(tag);
        return std::memcmp(a.data<T>(), b.data<T>(), bytes) == 0;
    });
}

/// The share of a block's pair of words as a number in [0, 1), by hand.
double share(std::uint32_t low, std::uint32_t high) {
    return std::ldexp(static_cast<double>((std::uint64_t{high} << 32 | low) >> 11), -53);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(random_numbers)

// The published vectors of Random123 (kat_vectors, philox4x32 10).
BOOST_AUTO_TEST_CASE(philox_known_answers) {
    const std::uint32_t ones = 0xffffffff;
    BOOST_TEST((random::philox4x32({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
    BOOST_TEST((random::philox4x32({ones, ones, ones, ones}, {ones, ones}) ==
                Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
    BOOST_TEST((random::philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
                Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

BOOST_AUTO_TEST_CASE(block_is_philox_of_position_stream_and_seed) {
    const Generator g(0x299f31d0a4093822, 0x0370734413198a2e);
    BOOST_TEST((g.block(0x85a308d3243f6a88) == Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
    BOOST_TEST((Generator(0).block(0) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
}

BOOST_AUTO_TEST_CASE(single_numbers_follow_the_stream) {
    Generator g(7);
    const Words first = g.block(0), second = g.block(1), third = g.block(2);
    BOOST_TEST(g.bits() == first[0]);
    BOOST_TEST(g.uniform() == share(second[0], second[1]));
    const double pi = std::acos(-1.0);
    const double expected =
        std::sqrt(-2 * std::log(1 - share(third[0], third[1]))) * std::cos(2 * pi * share(third[2], third[3]));
    BOOST_TEST(std::abs(g.normal() - expected) < 1e-14);
    BOOST_TEST(g.reserve(10) == 3u);
    BOOST_TEST(g.reserve(0) == 13u);
}

BOOST_AUTO_TEST_CASE(normal_is_box_and_muller) {
    Generator g(3);
    const Array x = random::normal({2001}, 0, 1, g, float64);
    const double pi = std::acos(-1.0);
    double worst = 0;
    for (Index i = 0; i < x.size(); ++i) {
        const Words words = Generator(3).block(static_cast<std::uint64_t>(i / 2));
        const double radius = std::sqrt(-2 * std::log(1 - share(words[0], words[1])));
        const double angle = 2 * pi * share(words[2], words[3]);
        worst = std::max(worst, std::abs(x.at(i) - radius * (i % 2 ? std::sin(angle) : std::cos(angle))));
    }
    BOOST_TEST(worst < 1e-14);
    BOOST_TEST(g.reserve(0) == 1001u);
}

BOOST_AUTO_TEST_CASE(same_bits_for_every_thread_count) {
    const int before = threads();
    for (DType dtype : {float32, float64}) {
        std::vector<std::vector<Array>> runs;
        for (int count : {1, 2}) {
            set_threads(count);
            Generator g(11);
            runs.push_back({random::uniform({100001}, -1, 2, g, dtype), random::normal({333, 301}, 1, 3, g, dtype),
                            random::bernoulli({70003}, 0.3, g, dtype)});
        }
        for (std::size_t i = 0; i < 3; ++i) BOOST_TEST(same_bits(runs[0][i], runs[1][i]));
    }
    set_threads(before);
}

BOOST_AUTO_TEST_CASE(one_fill_equals_the_stream_element_by_element) {
    Generator g(5);
    g.reserve(9);
    const Array x = random::uniform({50001}, 0, 1, g, float64);
    bool equal = true;
    for (Index i = 0; i < x.size(); ++i) {
        const Words words = Generator(5).block(9 + static_cast<std::uint64_t>(i / 2));
        equal = equal && x.at(i) == (i % 2 ? share(words[2], words[3]) : share(words[0], words[1]));
    }
    BOOST_TEST(equal);
}

BOOST_AUTO_TEST_CASE(moments_of_the_uniform) {
    Generator g(1);
    const Array x = random::uniform({1000, 1000}, -2, 4, g);
    const Moments m = moments(x);
    BOOST_TEST(std::abs(m.mean - 1) < 0.01);       // 5.8 standard errors
    BOOST_TEST(std::abs(m.variance - 3) < 0.015);  // 36 / 12
    BOOST_TEST(std::abs(m.kurtosis - 1.8) < 0.01);
    const auto [low, high] = std::minmax_element(x.data<float>(), x.data<float>() + x.size());
    BOOST_TEST(*low >= -2.0f);
    BOOST_TEST(*high < 4.0f);
}

BOOST_AUTO_TEST_CASE(moments_of_the_normal) {
    Generator g(2);
    const Moments m = moments(random::normal({1000, 1000}, 5, 2, g));
    BOOST_TEST(std::abs(m.mean - 5) < 0.01);
    BOOST_TEST(std::abs(m.variance - 4) < 0.03);
    BOOST_TEST(std::abs(m.skewness) < 0.015);
    BOOST_TEST(std::abs(m.kurtosis - 3) < 0.03);
}

BOOST_AUTO_TEST_CASE(bernoulli_has_its_share_of_ones) {
    Generator g(4), h(4);
    const Array x = random::bernoulli({1000000}, 0.2, g);
    BOOST_TEST(std::abs(moments(x).mean - 0.2) < 0.002);
    const Array same = random::bernoulli({1000000}, 0.2, h, float64);
    bool equal = true;
    for (Index i = 0; i < x.size(); ++i) equal = equal && x.at(i) == same.at(i) && (x.at(i) == 0 || x.at(i) == 1);
    BOOST_TEST(equal);
    BOOST_TEST(moments(random::bernoulli({1000}, 0, g)).mean == 0);
    BOOST_TEST(std::abs(moments(random::bernoulli({1000}, 1, g, float64)).mean - 1) < 1e-12);
    BOOST_TEST(random::bernoulli({}, 1, g).at(0) == 1);
}

BOOST_AUTO_TEST_CASE(float32_never_reaches_the_upper_bound) {
    // A double just below 1 rounds to 1 in float32: 2^-25 of them, so a narrow interval far from 0 shows it at once.
    Generator g(6);
    const Array x = random::uniform({10000}, 1, 1 + 0x1p-22, g);
    const auto [low, high] = std::minmax_element(x.data<float>(), x.data<float>() + x.size());
    BOOST_TEST(*low == 1.0f);
    BOOST_TEST(*high == 1.0f + 0x1p-23f);
}

BOOST_AUTO_TEST_CASE(below_is_without_bias) {
    Generator g(8);
    // 3 * 2^62 would be hit twice as often in its lower third by a remainder of 64 bits.
    const std::uint64_t large = std::uint64_t{3} << 62;
    int low = 0;
    for (int i = 0; i < 30000; ++i) {
        const std::uint64_t number = g.below(large);
        BOOST_REQUIRE(number < large);
        low += number < (std::uint64_t{1} << 62);
    }
    BOOST_TEST(std::abs(low - 10000) < 500);

    std::vector<int> count(7, 0);
    for (int i = 0; i < 70000; ++i) ++count[g.below(7)];
    for (int c : count) BOOST_TEST(std::abs(c - 10000) < 500);
    BOOST_TEST(g.below(1) == 0u);
}

BOOST_AUTO_TEST_CASE(permutation_is_one) {
    Generator g(9);
    std::vector<Index> order = random::permutation(1000, g);
    Index fixed = 0;
    for (Index i = 0; i < 1000; ++i) fixed += order[static_cast<std::size_t>(i)] == i;
    BOOST_TEST(fixed < 10);
    std::sort(order.begin(), order.end());
    for (Index i = 0; i < 1000; ++i) BOOST_REQUIRE(order[static_cast<std::size_t>(i)] == i);
    BOOST_TEST(random::permutation(0, g).empty());
    BOOST_TEST((random::permutation(1, g) == std::vector<Index>{0}));
}

BOOST_AUTO_TEST_CASE(all_permutations_are_equally_likely) {
    Generator g(10);
    std::vector<int> count(27, 0);
    for (int i = 0; i < 60000; ++i) {
        const std::vector<Index> p = random::permutation(3, g);
        ++count[static_cast<std::size_t>(9 * p[0] + 3 * p[1] + p[2])];
    }
    for (std::size_t code : {5, 7, 11, 15, 19, 21}) BOOST_TEST(std::abs(count[code] - 10000) < 500);
}

BOOST_AUTO_TEST_CASE(seeds_and_streams_differ) {
    BOOST_TEST((Generator(0).block(0) != Generator(1).block(0)));
    BOOST_TEST((Generator(0, 0).block(0) != Generator(0, 1).block(0)));
    Generator a(12), b(12);
    BOOST_TEST(a.uniform() == b.uniform());

    random::seed(77);
    const double first = random::generator().uniform();
    random::seed(77);
    BOOST_TEST(random::generator().uniform() == first);
    BOOST_TEST(Generator(77).uniform() == first);
    random::seed(0);
}

BOOST_AUTO_TEST_CASE(zero_sizes_and_rank_0) {
    Generator g(13);
    BOOST_TEST(random::normal({0, 3}, 0, 1, g).size() == 0);
    BOOST_TEST(g.reserve(0) == 0u);
    BOOST_TEST((random::uniform({}, 2, 3, g).at(0) >= 2));
    BOOST_TEST(random::uniform({3}, 2, 2, g).at(1) == 2);
    BOOST_TEST(random::normal({3}, 2, 0, g).at(1) == 2);
}

BOOST_AUTO_TEST_CASE(arguments_out_of_range) {
    Generator g;
    const double nan = std::nan("");
    BOOST_CHECK_THROW(g.below(0), ValueError);
    BOOST_CHECK_THROW(random::uniform({2}, 1, 0, g), ValueError);
    BOOST_CHECK_THROW(random::uniform({2}, nan, 0, g), ValueError);
    BOOST_CHECK_THROW(random::normal({2}, 0, -1, g), ValueError);
    BOOST_CHECK_THROW(random::normal({2}, nan, 1, g), ValueError);
    BOOST_CHECK_THROW(random::bernoulli({2}, -0.1, g), ValueError);
    BOOST_CHECK_THROW(random::bernoulli({2}, 1.1, g), ValueError);
    BOOST_CHECK_THROW(random::bernoulli({2}, nan, g), ValueError);
    BOOST_CHECK_THROW(random::permutation(-1, g), ValueError);
}

BOOST_AUTO_TEST_SUITE_END()
