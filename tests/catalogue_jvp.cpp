#include "catalogue.hpp"

#include <cmath>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/casts.hpp>
#include <xtape/autograd/checkpoint.hpp>
#include <xtape/autograd/transforms.hpp>

/// Every operation of the catalogue under the transforms: how it moves by jvp, by differences and by vjp; and in a checkpoint.
using namespace xtape;
using catalogue::Sample;

namespace {

Variable uneven(const Shape& shape, std::uint64_t stream) {
    Generator generator(11, stream);
    return Variable(random::uniform(shape, -1, 1, generator, float64));
}

double inner(const Variable& a, const Variable& b) {
    double total = 0;
    for (Index i = 0; i < a.size(); ++i) total += a.array().at(i) * b.array().at(i);
    return total;
}

double largest(const Variable& a) {
    double most = 0;
    for (Index i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a.array().at(i)));
    return most;
}

/// By the fourth-order central difference.
Variable by_differences(const Sample& sample, const std::vector<Variable>& tangents) {
    const NoGrad constant;
    const auto at = [&](double step) {
        std::vector<Variable> xs;
        for (std::size_t k = 0; k < tangents.size(); ++k) xs.push_back(sample.inputs[k] + step * tangents[k]);
        return sample.call(xs);
    };
    const auto central = [&](double h) { return (at(h) - at(-h)) / (2 * h); };
    return (4 * central(5e-5) - central(1e-4)) / 3;
}

void check_movement(const Sample& sample) {
    std::vector<Variable> tangents;
    for (const Variable& x : sample.inputs) tangents.push_back(uneven(x.shape(), tangents.size()));
    const auto [y, dy] = jvp(sample.call, sample.inputs, tangents);
    const Variable numeric = by_differences(sample, tangents);
    BOOST_REQUIRE_MESSAGE(dy.shape() == y.shape(), sample.name());
    // rounding of the differences: 16 eps |y| / step
    const double tolerance = 1e-6 * std::max(1.0, largest(numeric)) + 4e-11 * largest(y);
    BOOST_TEST(largest(dy - numeric) <= tolerance, sample.name() << ": " << largest(dy - numeric));

    std::vector<Variable> leaves;
    for (const Variable& x : sample.inputs) leaves.push_back(Parameter(x).variable());
    const Variable seed = uneven(y.shape(), 100);
    const auto gradients = vjp(sample.call(leaves), leaves).second(seed);
    double pulled = 0, scale = 0;
    for (std::size_t k = 0; k < tangents.size(); ++k) {
        pulled += inner(gradients[k], tangents[k]);
        scale += inner(abs(gradients[k]), abs(tangents[k]));
    }
    BOOST_TEST(std::abs(inner(seed, dy) - pulled) <= 1e-10 * (1 + scale), sample.name());
}

void check_checkpoint(const Sample& sample) {
    std::vector<Variable> leaves;
    for (const Variable& x : sample.inputs) leaves.push_back(Parameter(x).variable());
    const Variable plain = sample.call(leaves);
    // what it is called with is captured, so that no argument is copied into a list
    const Variable again = checkpoint([&] { return sample.call(leaves); });
    if (!plain.requires_grad()) return;
    const Variable seed = astype(uneven(plain.shape(), 100), plain.dtype());
    const auto expected = vjp(plain, leaves).second(seed), got = vjp(again, leaves).second(seed);
    bool same = true;
    for (Index i = 0; i < plain.size(); ++i) same &= again.array().at(i) == plain.array().at(i);
    for (std::size_t k = 0; k < leaves.size(); ++k)
        for (Index i = 0; i < leaves[k].size(); ++i) same &= got[k].array().at(i) == expected[k].array().at(i);
    BOOST_TEST(same, sample.name());
}

void check_all(const catalogue::Samples& samples) {
    for (const Sample& sample : samples) {
        if (sample.large) continue;
        std::vector<Variable> leaves;
        for (const Variable& x : sample.inputs) leaves.push_back(Parameter(x).variable());
        const Variable y = sample.call(leaves);
        if (!y.requires_grad()) continue;  // comparisons
        check_checkpoint(sample);
        if (y.dtype() == float64) check_movement(sample);  // else differences drown in rounding
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(catalogue_jvp)

BOOST_AUTO_TEST_CASE(elementwise) { check_all(catalogue::elementwise()); }
BOOST_AUTO_TEST_CASE(arithmetic) { check_all(catalogue::arithmetic()); }
BOOST_AUTO_TEST_CASE(reductions) { check_all(catalogue::reductions()); }
BOOST_AUTO_TEST_CASE(movement) { check_all(catalogue::movement()); }
BOOST_AUTO_TEST_CASE(linear_algebra) { check_all(catalogue::linear_algebra()); }
BOOST_AUTO_TEST_CASE(indexing) { check_all(catalogue::indexing()); }
BOOST_AUTO_TEST_CASE(normalization) { check_all(catalogue::normalization()); }
BOOST_AUTO_TEST_CASE(windows) { check_all(catalogue::windows()); }

BOOST_AUTO_TEST_SUITE_END()
