#include <cmath>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/tape.hpp>
#include <xtape/autograd/xtensor.hpp>

/// Stable forms: what is recognised is exact where it matters, and a gradient at the recognised operation itself is the one
/// that the formula as written has.
using namespace xtape;

namespace {

const double points[] = {-1.5, 0.25, 2};

Parameter logits() { return xt::xarray<double>{points[0], points[1], points[2]}; }

double logistic(double z) { return 1 / (1 + std::exp(-z)); }

/// Compares a gradient with a function of the points.
template <class F>
void check(const Variable& gradient, F expected) {
    BOOST_TEST_REQUIRE(gradient.size() == 3);
    for (Index i = 0; i < 3; ++i)
        BOOST_TEST(gradient.array().at(i) == expected(points[i]), boost::test_tools::tolerance(1e-14));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(recognise)

BOOST_AUTO_TEST_CASE(extremes_are_finite_and_exact) {
    const Parameter z = xt::xarray<double>{-1e4, 1e4};
    const Variable a = sigmoid(z), good = log(a), bad = log(1 - a);
    BOOST_TEST(good.array().at(0) == -1e4);
    BOOST_TEST(good.array().at(1) == 0);
    BOOST_TEST(bad.array().at(0) == 0);
    BOOST_TEST(bad.array().at(1) == -1e4);
    const Variable slope = grad(sum(good + bad), z);
    BOOST_TEST(slope.array().at(0) == 1);
    BOOST_TEST(slope.array().at(1) == -1);
}

BOOST_AUTO_TEST_CASE(gradient_at_the_recognised_sigmoid) {
    const Parameter z = logits();
    const Variable a = sigmoid(z);
    check(grad(sum(log(a)), a), [](double x) { return 1 / logistic(x); });
    check(grad(sum(1 - a), a), [](double) { return -1; });
    check(grad(sum(log(1 - a)), a), [](double x) { return -1 / (1 - logistic(x)); });
    check(grad(sum(log(a)) + sum(square(a)), a), [](double x) { return 1 / logistic(x) + 2 * logistic(x); });
    const Variable complement = 1 - a;
    check(grad(sum(log(complement)), complement), [](double x) { return 1 / (1 - logistic(x)); });
}

BOOST_AUTO_TEST_CASE(gradients_at_both_ends_of_the_way_around) {
    const Parameter z = logits();
    const Variable a = sigmoid(z), y = xt::xarray<double>{1, 0, 1};
    const Variable loss = -sum(y * log(a) + (1 - y) * log(1 - a));
    const auto [dz, da] = grad(loss, z, a);
    const double labels[] = {1, 0, 1};
    for (Index i = 0; i < 3; ++i) {
        const double p = logistic(points[i]), t = labels[i];
        BOOST_TEST(dz.array().at(i) == p - t, boost::test_tools::tolerance(1e-14));
        BOOST_TEST(da.array().at(i) == -t / p + (1 - t) / (1 - p),
                   boost::test_tools::tolerance(1e-14));  // F10, corrected
    }
}

BOOST_AUTO_TEST_CASE(gradient_at_the_recognised_softmax) {
    const Parameter z = logits();
    const Variable p = softmax(z);
    const double total = std::exp(points[0]) + std::exp(points[1]) + std::exp(points[2]);
    check(grad(sum(log(p)), p), [total](double x) { return total / std::exp(x); });
}

BOOST_AUTO_TEST_CASE(the_way_around_can_be_differentiated_again) {
    const Parameter z = logits();
    const Variable a = sigmoid(z);
    const Variable slope = grad(sum(log(a)), a, create_graph);  // 1 / a
    check(grad(sum(slope), a), [](double x) { return -1 / (logistic(x) * logistic(x)); });
}

BOOST_AUTO_TEST_SUITE_END()
