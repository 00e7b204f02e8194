#include <cmath>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/threads.hpp>
#include <xtape/optim/clip.hpp>

#include "support/optim.hpp"

using namespace xtape;
using optim_test::array_of;

namespace {

void check_elements(const Array& array, std::initializer_list<double> wanted) {
    Index i = 0;
    for (double value : wanted) BOOST_TEST(std::abs(array.at(i++) - value) < 1e-6);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(optim_clip)

BOOST_AUTO_TEST_CASE(norm_of_parameters) {
    Parameter a(array_of({0, 0})), b(array_of({0})), c(array_of({0}));
    a.set_grad(array_of({3, -4}));
    b.set_grad(array_of({12}));  // sqrt(9 + 16 + 144) = 13; c has none
    BOOST_TEST(optim::gradient_norm({a, b, c}) == 13);
    BOOST_TEST(optim::clip_by_norm({a, b, c}, 20) == 13);
    check_elements(a.grad(), {3, -4});
    BOOST_TEST(optim::clip_by_norm({a, b, c}, 6.5) == 13);
    check_elements(a.grad(), {1.5, -2});
    check_elements(b.grad(), {6});
    BOOST_TEST(!c.grad());
    BOOST_TEST(std::abs(optim::gradient_norm({a, b, c}) - 6.5) < 1e-14);
}

BOOST_AUTO_TEST_CASE(norm_of_a_list) {
    const Array shared = array_of({6, 8}, float32);
    std::vector<Variable> gradients{Variable(shared), Variable(), Variable(array_of({0}, float32))};
    BOOST_TEST(optim::clip_by_norm(gradients, 5) == 10);
    check_elements(gradients[0].array(), {3, 4});
    check_elements(shared, {6, 8});  // others keep what they hold
    BOOST_TEST(!gradients[1]);
}

BOOST_AUTO_TEST_CASE(values) {
    Parameter a(array_of({0, 0, 0}));
    a.set_grad(array_of({0.2, -4, 7}));
    optim::clip_by_value({a}, 0.5);
    check_elements(a.grad(), {0.2, -0.5, 0.5});
    std::vector<Variable> gradients{Variable(array_of({-2, NAN, 1}, float32))};
    optim::clip_by_value(gradients, 1);
    BOOST_TEST(gradients[0].array().at(0) == -1);
    BOOST_TEST(std::isnan(gradients[0].array().at(1)));
}

BOOST_AUTO_TEST_CASE(large_and_any_number_of_threads) {
    const Index n = 5 * 16384 + 3;
    Array x = Array::uninitialized({n}, float32);
    long double wanted = 0;
    for (Index i = 0; i < n; ++i) {
        const float value = std::sin(static_cast<float>(i)) * 1e3f;
        x.mutable_data<float>()[i] = value;
        wanted += static_cast<long double>(value) * static_cast<long double>(value);
    }
    const std::vector<Variable> gradients{Variable(x)};
    set_threads(1);
    const double one = optim::global_norm(gradients);
    set_threads(2);
    const double two = optim::global_norm(gradients);
    set_threads(0);
    BOOST_TEST(one == two);
    BOOST_TEST(std::abs(one / static_cast<double>(std::sqrt(wanted)) - 1) < 1e-13);
}

BOOST_AUTO_TEST_CASE(not_finite) {
    Parameter a(array_of({0, 0}));
    a.set_grad(array_of({1, NAN}));
    BOOST_CHECK_THROW(optim::clip_by_norm({a}, 1), Error);
    BOOST_TEST(a.grad().at(0) == 1);
    a.set_grad(array_of({1, INFINITY}));
    BOOST_CHECK_THROW(optim::clip_by_norm({a}, 1), Error);
}

BOOST_AUTO_TEST_CASE(arguments_out_of_range) {
    Parameter a(array_of({0}));
    BOOST_CHECK_THROW(optim::clip_by_norm({a}, 0), ValueError);
    BOOST_CHECK_THROW(optim::clip_by_norm({a}, NAN), ValueError);
    BOOST_CHECK_THROW(optim::clip_by_value({a}, -1), ValueError);
}

BOOST_AUTO_TEST_SUITE_END()
