#include "support/counting.hpp"

#include <algorithm>
#include <cmath>

#include <xtape/autograd/xtensor.hpp>

using namespace xtape;
using namespace xtape::testing;

namespace {

/// Numbers in [low, high) of 16 bits each, exact in float32, without a pattern that sums could profit from.
Variable scattered(const Shape& shape, DType dtype, double low = -1, double high = 1) {
    Array array = Array::uninitialized(shape, dtype);
    std::uint32_t state = 12345;
    dispatch(dtype, [&](auto tag) {
        using T = decltype(tag);
        for (Index i = 0; i < array.size(); ++i) {
            state = state * 1664525 + 1013904223;
            array.mutable_data<T>()[i] = static_cast<T>(low + (high - low) * (state >> 16) / 65536);
        }
    });
    return array;
}

/// The elements that go into each output, in order.
std::vector<Values> groups(const Variable& x, const Shape& axes) {
    const Shape kept = shapes::reduced(x.shape(), axes, true);
    std::vector<Values> result(static_cast<std::size_t>(kept.count()));
    for (Index i = 0; i < x.size(); ++i) {
        Position at = position(i, x.shape());
        for (const Index axis : axes) at[static_cast<std::size_t>(axis)] = 0;
        result[static_cast<std::size_t>(element(at, kept))].push_back(x.array().at(i));
    }
    return result;
}

double sum_of(const Values& v) { return std::accumulate(v.begin(), v.end(), 0.0); }
double mean_of(const Values& v) { return sum_of(v) / static_cast<double>(v.size()); }
double norm_of(const Values& v) { return std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0)); }
double variance_of(const Values& v, double ddof) {
    const double mean = mean_of(v);
    double squares = 0;
    for (const double e : v) squares += (e - mean) * (e - mean);
    return squares / (static_cast<double>(v.size()) - ddof);
}
double logsumexp_of(const Values& v) {
    double total = 0;
    for (const double e : v) total += std::exp(e);
    return std::log(total);
}

struct Reduction {
    const char* name;
    Variable (*call)(const Variable&, const Axes&, bool);
    double (*of)(const Values&);
    bool of_nothing;
};

const std::vector<Reduction> reductions{
    {"sum", [](const Variable& x, const Axes& a, bool k) { return sum(x, a, k); }, sum_of, true},
    {"mean", [](const Variable& x, const Axes& a, bool k) { return mean(x, a, k); }, mean_of, false},
    {"prod", [](const Variable& x, const Axes& a, bool k) { return prod(x * 0.01 + 1, a, k); },
     [](const Values& v) {
         return std::accumulate(v.begin(), v.end(), 1.0, [](double p, double e) { return p * (e * 0.01 + 1); });
     },
     true},
    {"max", [](const Variable& x, const Axes& a, bool k) { return max(x, a, k); },
     [](const Values& v) { return *std::max_element(v.begin(), v.end()); }, false},
    {"min", [](const Variable& x, const Axes& a, bool k) { return min(x, a, k); },
     [](const Values& v) { return *std::min_element(v.begin(), v.end()); }, false},
    {"var", [](const Variable& x, const Axes& a, bool k) { return var(x, a, k); },
     [](const Values& v) { return variance_of(v, 0); }, false},
    {"std", [](const Variable& x, const Axes& a, bool k) { return xtape::std(x, a, k); },
     [](const Values& v) { return std::sqrt(variance_of(v, 0)); }, false},
    {"norm", [](const Variable& x, const Axes& a, bool k) { return norm(x, a, k); }, norm_of, true},
    {"logsumexp", [](const Variable& x, const Axes& a, bool k) { return logsumexp(x, a, k); }, logsumexp_of, true},
};

struct Case {
    Shape shape;
    Axes axes;
};

const std::vector<Case> small_cases{
    {{}, {}},
    {{1}, {}},
    {{7}, 0},
    {{7}, -1},
    {{1, 1}, 0},
    {{3, 1, 4}, 1},
    {{0, 3}, 1},
    {{3, 0, 2}, 0},
    {{3, 0, 2}, {0, 2}},
    {{2, 3, 4, 5}, {}},
    {{2, 3, 4, 5}, {0, 2, 3}},
    {{2, 3, 4, 5}, 1},
    {{2, 3, 4, 5}, {0, 3}},
    {{2, 3, 4, 5}, {-1, -3}},
    {{2, 3, 4, 5}, {-2, 0}},
    {{2, 3, 4, 5}, {2, 1}},
    {{2, 1, 3, 1}, {1, 2}},
    {{2, 2, 2, 2, 2, 2, 2, 2}, {0, 2, 4, 6}},
    {{2, 2, 2, 2, 2, 2, 2, 2}, {1, 3, 5, 7}},
    {{5, 8}, 1},
    {{5, 9}, 1},
    {{5, 31}, 1},
    {{5, 32}, 1},
    {{4, 63}, {0}},
    {{7, 33}, 0},
    {{102, 16}, 0},
    {{1, 3, 5, 1}, 1},
    {{3, 67}, {}},
    {{16}, {}},
};

/// Every way of sharing the work: many and few outputs, long and short runs, chunks that do not divide.
const std::vector<Case> large_cases{
    {{70001}, {}},
    {{3, 40001}, 1},
    {{3, 40001}, 0},
    {{20011, 3}, 0},
    {{20011, 3}, 1},
    {{3000, 17}, 1},
    {{3000, 17}, 0},
    {{3003, 64}, 0},
    {{7003, 4}, 0},
    {{70, 5003}, 0},
    {{3, 5, 67, 71}, {0, 2, 3}},
    {{3, 5, 67, 71}, 1},
    {{3, 5, 67, 71}, {1, 3}},
    {{500, 4, 3}, 1},
    {{2, 9000, 2, 3}, {1, 3}},
    {{2, 9000, 2, 3}, {0, 2}},
    {{40, 33, 130}, {0, 2}},
};

bool close(const Variable& y, const Values& expected, double tolerance) {
    const Values got = values(y);
    return std::equal(got.begin(), got.end(), expected.begin(), expected.end(), [&](double a, double b) {
        return a == b || std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b)) || (std::isnan(a) && std::isnan(b));
    });
}

void check_reductions(const Case& c, DType dtype) {
    const Variable x = scattered(c.shape, dtype);
    const Shape axes = shapes::axes("test", c.axes, c.shape.rank(), Where::here());
    const std::vector<Values> parts = groups(x, axes);
    const bool empty = std::any_of(parts.begin(), parts.end(), [](const Values& v) { return v.empty(); });
    for (const Reduction& reduction : reductions) {
        if (empty && !reduction.of_nothing) continue;
        Values expected;
        for (const Values& part : parts) expected.push_back(reduction.of(part));
        // Each factor of a product brings a rounding of its own.
        const double roundings = reduction.name == std::string("prod") ? 30 : 1;
        const std::string label = std::string(reduction.name) + " of " + to_string(c.shape) + " over " +
                                  to_string(axes) + " in " + name_of(dtype);
        for (const bool keepdims : {false, true}) {
            const Variable y = reduction.call(x, c.axes, keepdims);
            BOOST_TEST(to_string(y.shape()) == to_string(shapes::reduced(c.shape, axes, keepdims)), label);
            BOOST_TEST(close(y, expected, roundings * (dtype == float32 ? 3e-6 : 1e-13)), label);
        }
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_reduction)

BOOST_AUTO_TEST_CASE(values_are_those_of_plain_loops) {
    for (const DType dtype : {float32, float64}) {
        for (const Case& c : small_cases) check_reductions(c, dtype);
        for (const Case& c : large_cases) check_reductions(c, dtype);
    }
}

BOOST_AUTO_TEST_CASE(same_bits_for_one_and_two_threads) {
    check_threads([] {
        std::vector<Variable> results;
        for (const Case& c : large_cases)
            for (const Reduction& reduction : reductions)
                results.push_back(reduction.call(scattered(c.shape, float32), c.axes, false));
        return results;
    });
}

BOOST_AUTO_TEST_CASE(a_run_gives_the_same_wherever_it_stands) {
    // As many as a batch has lanes are combined together; those that are left, and what may be read past their end, otherwise.
    for (const DType dtype : {float32, float64}) {
        for (Index length = 1; length < 290; ++length) {
            const Variable run = scattered({length}, dtype), x = broadcast_to(run, {37, length});
            for (const Reduction& reduction : reductions) {
                const Variable y = reduction.call(x, 1, false);
                const Values got = values(y), expected(37, reduction.of(values(run)));
                const std::string label =
                    reduction.name + (" of 37 runs of " + std::to_string(length)) + " in " + name_of(dtype);
                BOOST_TEST((got == Values(37, got[0])), label);
                BOOST_TEST(close(y, expected, dtype == float32 ? 3e-6 : 1e-13), label);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_long_float32_sum_keeps_its_digits) {
    // 0.1 rounded to float32, ten million times: a plain float32 loop gives 1087937.
    for (const Shape& shape : {Shape{10'000'000, 1}, Shape{1, 10'000'000}, Shape{10'000'000 / 80, 80}}) {
        const Variable x = Array::filled(shape, float32, 0.1);
        for (const Variable& whole : {sum(x), sum(sum(x, 0)), sum(sum(x, 1))})
            BOOST_TEST(std::abs(whole.item() / 1e7 - double{0.1f}) <= 2e-7);
        BOOST_TEST(std::abs(mean(x).item() - double{0.1f}) <= 2e-7);
    }
    // Mean 10000, deviation 1: E[x^2] - E[x]^2 in float32 would give anything.
    const Variable far = scattered({100'000}, float32, -1.7320508, 1.7320508) + 10000.0;
    BOOST_TEST(std::abs(var(far).item() - variance_of(values(far), 0)) <= 1e-5);
}

BOOST_AUTO_TEST_CASE(argmax_is_that_of_plain_loops) {
    for (const Case& c : std::vector<Case>{{{70001}, 0}, {{300, 517}, 0}, {{300, 517}, 1}, {{7, 900, 11}, 1}}) {
        const Variable y = scattered(c.shape, float32);
        const std::vector<Values> parts = groups(y, c.axes.list);
        std::vector<Index> expected;
        for (const Values& v : parts) expected.push_back(std::max_element(v.begin(), v.end()) - v.begin());
        const IntArray places = argmax(y, c.axes.list[0]);
        BOOST_TEST((std::vector<Index>(places.begin(), places.end()) == expected), "argmax of " + to_string(c.shape));
    }
}

BOOST_AUTO_TEST_SUITE_END()
