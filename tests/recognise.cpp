#include <cmath>
#include <limits>

#include <boost/test/unit_test.hpp>

#include <xtape/nn/loss.hpp>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/storage.hpp>
#include <xtape/autograd/tape.hpp>
#include <xtape/autograd/xtensor.hpp>

/// Stable forms: a gradient at the recognised operation itself is the one that the formula as written has, and what a
/// constant's array remembers does no harm. Exactness is shown by problem_logarithms.cpp.
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

BOOST_AUTO_TEST_CASE(gradient_at_the_recognised_exponential) {
    const Parameter z = logits();
    const Variable e = exp(z), s = 1 + e;
    check(grad(sum(log(s)), s), [](double x) { return 1 / (1 + std::exp(x)); });
    check(grad(sum(log(s)), e), [](double x) { return 1 / (1 + std::exp(x)); });
    check(grad(sum(log1p(e)), e), [](double x) { return 1 / (1 + std::exp(x)); });
    check(grad(sum(square(s)), e), [](double x) { return 2 * (1 + std::exp(x)); });
    check(grad(sum(square(s)), z), [](double x) { return 2 * (1 + std::exp(x)) * std::exp(x); });
    const Variable a = 1 / s;
    check(grad(sum(square(a)), s), [](double x) { return -2 / std::pow(1 + std::exp(x), 3); });
    check(grad(sum(log(a)), a), [](double x) { return 1 + std::exp(x); });
    check(grad(sum(log(a)), e), [](double x) { return -1 / (1 + std::exp(x)); });
    check(grad(sum(log(s)) + sum(e), e), [](double x) { return 1 + 1 / (1 + std::exp(x)); });
    check(grad(sum(log(s)) + sum(e), z), [](double x) { return std::exp(x) + logistic(x); });
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

BOOST_AUTO_TEST_CASE(what_is_remembered_stays_a_constant) {
    const Variable z = logits().variable().detach(), a = sigmoid(z), e = exp(z), p = softmax(z), b = 1 - a, s = e + 1;
    for (const Variable& x : {a, e, p, b, s, log(a), log(b), log(p), log(s), log1p(e), 1 / s}) {
        BOOST_TEST(!x.requires_grad());
        BOOST_TEST(Tape(x).size() == 0u);
        BOOST_CHECK_THROW(sum(x).backward(), TapeError);
        BOOST_CHECK_THROW(grad(sum(x), x), TapeError);
    }
    const Parameter w = logits();
    check(grad(sum(w * log(a)), w), [](double x) { return std::log(logistic(x)); });
}

/// Targets that are learned, of a prediction that is not.
BOOST_AUTO_TEST_CASE(a_constant_that_is_recognised_wants_no_gradient) {
    const Variable z(Array::filled({3}, float64, 2)), a = sigmoid(z);
    const Parameter y(Array::filled({3}, float64, 0.25));
    nn::log_loss(a, y, nn::Reduction::sum).backward();
    for (Index i = 0; i < 3; ++i) BOOST_TEST(std::abs(y.grad().at(i) + 2) < 1e-12);  // log(1 - a) - log(a) = -z
}

/// Overwritten elements are no longer what the array remembers.
BOOST_AUTO_TEST_CASE(writing_forgets) {
    const Variable z = logits().variable().detach();
    const auto compare = [](const Variable& y, auto expected) {
        for (Index i = 0; i < 3; ++i)
            BOOST_TEST(y.array().at(i) == expected(points[i]), boost::test_tools::tolerance(1e-14));
    };
    Variable e = exp(z);
    const double* buffer = e.array().data<double>();
    const Variable doubled = std::move(e) * 2;
    BOOST_TEST(doubled.array().data<double>() == buffer);  // worked in the same buffer
    compare(log(doubled + 1), [](double x) { return std::log(2 * std::exp(x) + 1); });

    Variable a = sigmoid(z);
    compare(log(abs(negative(std::move(a)))), [](double x) { return std::log(logistic(x)); });

    Parameter w(sigmoid(z));
    w -= 0.05;
    compare(log(w), [](double x) { return std::log(logistic(x) - 0.05); });
    compare(log(w.variable().detach()), [](double x) { return std::log(logistic(x) - 0.05); });
}

/// The argument lives as long as what remembers it, and nothing else does: neither a graph nor a long chain.
BOOST_AUTO_TEST_CASE(what_is_remembered_takes_little_memory) {
    const Shape shape{(1 << 18) - 64};  // a block of 1 MB
    constexpr std::size_t megabyte = 1 << 20, some = 1 << 16;
    const auto live = [] { return storage::stats().live_bytes; };
    const std::size_t before = live();
    {
        const Parameter w = Array::filled(shape, float32, 0.5);
        const NoGrad constant;
        Variable a = sigmoid(2 * (3 * w.variable() + 1));
        BOOST_TEST(live() - before < 3 * megabyte + some);  // w, the sigmoid and its argument
        for (int i = 0; i < 100; ++i) a = sigmoid(a);
        BOOST_TEST(live() - before < 7 * megabyte + some);  // four arguments at most
        for (int i = 0; i < 100; ++i) a = log(1 + exp(a));
        BOOST_TEST(live() - before < 7 * megabyte + some);
    }
    BOOST_TEST(live() == before);
}

BOOST_AUTO_TEST_CASE(sigmoid_within_an_exponential) {  // functions of functions are remembered as well
    const NoGrad constant;
    const Variable u = xt::xarray<double>{5, 10};
    const Variable rate = exp(u), a = sigmoid(rate);
    for (Index i = 0; i < 2; ++i)
        BOOST_TEST(log(1 - a).array().at(i) == -std::exp(u.array().at(i)), boost::test_tools::tolerance(1e-15));
}

BOOST_AUTO_TEST_CASE(no_more_than_is_documented) {
    const Parameter z = xt::xarray<double>{-1e4, 1e4};
    const double inf = std::numeric_limits<double>::infinity();
    BOOST_TEST(log(reshape(sigmoid(z), {2, 1})).array().at(0) == -inf);
    BOOST_TEST(log(sigmoid(z).detach()).array().at(0) == -inf);
    BOOST_TEST(log(2 + exp(z)).array().at(1) == inf);
    BOOST_TEST(std::isnan((exp(z) / (1 + exp(z))).array().at(1)));
    const Variable a = sigmoid(z);
    sum(a).backward();
    BOOST_TEST(log(a).array().at(0) == -inf);  // the tape was freed
}

BOOST_AUTO_TEST_SUITE_END()
