#include <boost/test/unit_test.hpp>

#include <xtape/autograd/check_grads.hpp>
#include <xtape/autograd/threads.hpp>

#include "window_reference.hpp"

/// Convolution, bias, ReLU and pooling in one operation, against the operations one after the other.
using namespace xtape;
using namespace xtape::window_reference;

namespace {

struct Case {
    Shape x, w;
    Pair stride = 1;
    Padding padding = valid;
    Pair dilation = 1;
    Index groups = 1;

    std::string name() const { return "x " + to_string(x) + " w " + to_string(w); }
    Variable full(const Variable& in, const Variable& kernel, const Variable& bias) const {
        return correlate2d(in, kernel, stride, padding, dilation, groups) + reshape(bias, {w[0], 1, 1});
    }
    Variable apart(const Variable& in, const Variable& kernel, const Variable& bias) const {
        return max_pool2d(relu(full(in, kernel, bias)), 2);
    }
    Variable block(const Variable& in, const Variable& kernel, const Variable& bias) const {
        return conv2d_relu_max_pool2d(in, kernel, bias, stride, padding, dilation, groups);
    }
};

/// Few channels and many, kernels of all sorts, rows longer and shorter than vectors, odd ones, one sample and many.
const std::vector<Case> cases{
    {{3, 1, 28, 28}, {128, 1, 5, 5}, 1, same},
    {{1, 1, 28, 28}, {5, 1, 5, 5}, 1, same},
    {{2, 1, 2, 2}, {1, 1, 1, 1}},
    {{2, 1, 7, 9}, {3, 1, 3, 3}, 1, same},
    {{2, 1, 11, 70}, {4, 1, 3, 5}, 1, Padding(0, 2, 3, 1)},
    {{2, 2, 9, 8}, {6, 2, 4, 2}, 1, 1},
    {{1, 3, 33, 37}, {9, 3, 3, 3}, 1, 1},
    {{1, 3, 64, 66}, {10, 3, 7, 7}, 1, same},
    {{1, 4, 150, 40}, {4, 4, 5, 5}, 1, valid},
    {{2, 3, 9, 9}, {4, 3, 3, 3}, 1, Padding(6, 5, 4, 5)},
    {{2, 3, 9, 9}, {4, 3, 8, 7}, 1, 3},
    {{2, 1, 20, 20}, {4, 1, 3, 3}, 2, 1},
    {{2, 2, 20, 20}, {4, 2, 3, 3}, 1, valid, 2},
    {{2, 2, 12, 13}, {4, 1, 3, 3}, 1, same, 1, 2},
    {{9, 32, 14, 14}, {24, 32, 3, 3}, 1, same},
    {{1, 16, 14, 14}, {20, 16, 3, 3}, 1, same},
    {{1, 16, 14, 15}, {70, 16, 3, 3}, 1, same},
    {{40, 5, 6, 5}, {7, 5, 3, 3}, 1, same},
    {{3, 8, 9, 11}, {6, 4, 3, 2}, Pair(2, 1), 1, 1, 2},
    {{17, 6, 10, 10}, {6, 6, 1, 1}},
};

/// Numbers without ties: float32 rounding changes no maximum of a few hundred products.
Variable uneven(const Shape& shape, unsigned seed, DType dtype) {
    std::mt19937 generator(seed);
    Values elements(static_cast<std::size_t>(shape.count()));
    for (double& v : elements) v = static_cast<double>(static_cast<int>(generator() % 2001) - 1000) / 1024;
    return variable(shape, elements, dtype);
}

struct Results {
    Values y, dx, dw, dbias;
};

template <class F>
Results results(const Case& c, DType dtype, F f) {
    const Parameter x = uneven(c.x, 1, dtype).array(), w = uneven(c.w, 2, dtype).array(),
                    bias = uneven({c.w[0]}, 3, dtype).array();
    const Variable y = f(x, w, bias);
    const auto gradients = pull(y, uneven(y.shape(), 4, dtype), {x, w, bias});
    return {values(y), values(gradients[0]), values(gradients[1]), values(gradients[2])};
}

Results of_block(const Case& c, DType dtype) {
    return results(c, dtype, [&](auto& x, auto& w, auto& b) { return c.block(x, w, b); });
}

double largest(const Values& v) { return distance(v, Values(v.size())); }

void check_close(const Values& got, const Values& want, double rounding, const std::string& what) {
    BOOST_TEST(distance(got, want) <= rounding * std::max(1.0, largest(want)), what);
}

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

}  // namespace

BOOST_AUTO_TEST_SUITE(window_block)

BOOST_AUTO_TEST_CASE(values_and_gradients_are_those_of_the_operations_one_after_the_other) {
    for (const Case& c : cases) {
        const Results want = results(c, float64, [&](auto& x, auto& w, auto& b) { return c.apart(x, w, b); });
        for (const DType dtype : {float64, float32}) {
            const double rounding = dtype == float64 ? 1e-13 : 4e-6;
            const Results got = of_block(c, dtype);
            const std::string name = c.name() + " in " + name_of(dtype);
            check_close(got.y, want.y, rounding, name + ": values");
            check_close(got.dx, want.dx, rounding, name + ": gradient in x");
            check_close(got.dw, want.dw, rounding, name + ": gradient in w");
            check_close(got.dbias, want.dbias, rounding, name + ": gradient in the bias");
        }
    }
}

BOOST_AUTO_TEST_CASE(without_recording_the_values_are_the_same) {
    for (const Case& c : cases) {
        const Variable x = uneven(c.x, 1, float32), w = uneven(c.w, 2, float32), bias = uneven({c.w[0]}, 3, float32);
        const Parameter recorded = x.array();
        BOOST_TEST(values(c.block(x, w, bias)) == values(c.block(recorded, w, bias)), boost::test_tools::per_element());
    }
}

BOOST_AUTO_TEST_CASE(a_convolution_with_bias_and_relu_is_that) {
    for (const Case& c : cases) {
        const Results sum = results(c, float64, [&](auto& x, auto& w, auto& b) { return c.full(x, w, b); });
        const Results gated = results(c, float64, [&](auto& x, auto& w, auto& b) { return relu(c.full(x, w, b)); });
        for (const DType dtype : {float64, float32}) {
            const double rounding = dtype == float64 ? 1e-13 : 4e-6;
            const Results got = results(c, dtype, [&](auto& x, auto& w, auto& b) {
                return conv2d(x, w, b, c.stride, c.padding, c.dilation, c.groups);
            });
            const Results got_gated = results(c, dtype, [&](auto& x, auto& w, auto& b) {
                return conv2d_relu(x, w, b, c.stride, c.padding, c.dilation, c.groups);
            });
            const auto compare = [&](const Results& a, const Results& b) {
                check_close(a.y, b.y, rounding, c.name());
                check_close(a.dx, b.dx, rounding, c.name());
                check_close(a.dw, b.dw, rounding, c.name());
                check_close(a.dbias, b.dbias, rounding, c.name());
            };
            compare(got, sum);
            compare(got_gated, gated);
        }
    }
}

BOOST_AUTO_TEST_CASE(the_first_of_equal_maxima_gets_the_gradient_and_what_relu_cuts_off_none) {
    for (const DType dtype : {float32, float64}) {
        // Windows: all equal; the last two equal; all negative; the maximum is 0.
        const Parameter x =
            variable({1, 1, 4, 4}, {2, 2, 1, 0, 2, 2, 3, 3, -1, -2, 0, -1, -3, -1, -2, 0}, dtype).array();
        const Parameter w = variable({1, 1, 1, 1}, {1}, dtype).array(), bias = variable({1}, {0}, dtype).array();
        const Variable y = conv2d_relu_max_pool2d(x, w, bias);
        BOOST_TEST(values(y) == (Values{2, 3, 0, 0}), boost::test_tools::per_element());
        const auto g = pull(y, variable({1, 1, 2, 2}, {1, 10, 100, 1000}, dtype), {x, w, bias});
        BOOST_TEST(values(g[0]) == (Values{1, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0}),
                   boost::test_tools::per_element());
        BOOST_TEST(values(g[1]) == (Values{32}), boost::test_tools::per_element());
        BOOST_TEST(values(g[2]) == (Values{11}), boost::test_tools::per_element());
    }
}

BOOST_AUTO_TEST_CASE(the_bias_is_added_before_the_maximum_is_taken) {
    // 1 + 2^30 and 2 + 2^30 are the same float: the first wins, as it does when all is done one after the other.
    const Parameter x = variable({1, 1, 2, 2}, {1, 2, 0, 2}, float32).array();
    const Parameter w = variable({1, 1, 1, 1}, {1}, float32).array();
    const Variable y = conv2d_relu_max_pool2d(x, w, variable({1}, {1073741824}, float32));
    const Values dx = values(pull(y, variable({1, 1, 1, 1}, {1}, float32), {x})[0]);
    BOOST_TEST(dx == (Values{1, 0, 0, 0}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(nan_comes_through_and_passes_no_gradient) {
    const std::vector<Case> few_and_many{
        {{1, 1, 6, 20}, {2, 1, 3, 3}}, {{1, 6, 6, 20}, {2, 6, 1, 1}}, {{9, 6, 6, 20}, {2, 6, 1, 1}}};
    for (const DType dtype : {float32, float64}) {
        for (const Case& c : few_and_many) {
            Values elements = values(uneven(c.x, 1, dtype));
            elements[2 * 20 + 4] = nan_value;
            const Parameter x = variable(c.x, elements, dtype).array();
            const Variable w = uneven(c.w, 2, dtype), bias = uneven({2}, 3, dtype);
            const Variable y = c.block(x, w, bias), apart = c.apart(x, w, bias);
            const Values got = values(y), want = values(apart);
            for (std::size_t i = 0; i < got.size(); ++i) BOOST_TEST(std::isnan(got[i]) == std::isnan(want[i]));
            const Variable g = draw(y.shape(), 1, dtype);
            BOOST_TEST(distance(values(pull(y, g, {x})[0]), values(pull(apart, g, {x})[0])) < 1e-5);
        }
    }
}

BOOST_AUTO_TEST_CASE(every_face_is_differentiated_right_to_second_order) {
    const auto squared = [](const Variable& x, const Variable& w, const Variable& bias) {
        return [=](const Variable& v, int which) {
            const Variable y =
                conv2d_relu_max_pool2d(which == 0 ? v : x, which == 1 ? v : w, which == 2 ? v : bias, 1, 1);
            return y * y * y;
        };
    };
    const Variable x = uneven({2, 2, 4, 5}, 1, float64), w = uneven({3, 2, 3, 3}, 2, float64),
                   b = uneven({3}, 3, float64);
    const auto f = squared(x, w, b);
    check_grads([&](const Variable& v) { return f(v, 0); }, x);
    check_grads([&](const Variable& v) { return f(v, 1); }, w);
    check_grads([&](const Variable& v) { return f(v, 2); }, b);
}

BOOST_AUTO_TEST_CASE(third_order_is_that_of_the_operations_one_after_the_other) {
    // Through the rules of the rules' rules: sums of cubes are enough for every face to be met again.
    const Case c{{2, 3, 6, 6}, {4, 3, 3, 3}, 1, same};
    Values got[2];
    for (const int which : {0, 1}) {
        const Parameter x = uneven(c.x, 1, float64).array(), w = uneven(c.w, 2, float64).array(),
                        bias = uneven({c.w[0]}, 3, float64).array();
        const Variable y = which ? c.block(x, w, bias) : c.apart(x, w, bias);
        auto [dx, dw, db] = grad(sum(y * y * y), x, w, bias, create_graph);
        auto [dxx, dxw, dxb] = grad(sum(dx * dx) + sum(dw * dw * dw) + sum(db * db), x, w, bias, create_graph);
        auto [all_x, all_w, all_b] = grad(sum(dxx * dxx) + sum(dxw * dxw) + sum(dxb * dxb), x, w, bias);
        for (const Variable& g : {all_x, all_w, all_b})
            for (const double v : values(g)) got[which].push_back(v);
    }
    check_close(got[1], got[0], 1e-12, "third order");
}

BOOST_AUTO_TEST_CASE(same_bits_for_one_two_and_four_threads) {
    for (const Case& c : cases) {
        set_threads(1);
        const Results alone = of_block(c, float32);
        for (const int count : {2, 4}) {
            set_threads(count);
            const Results shared = of_block(c, float32);
            BOOST_TEST(
                (shared.y == alone.y && shared.dx == alone.dx && shared.dw == alone.dw && shared.dbias == alone.dbias),
                c.name());
        }
        set_threads(0);
    }
}

BOOST_AUTO_TEST_CASE(nothing_in_nothing_out) {
    for (const Case& c : {Case{{0, 1, 6, 6}, {3, 1, 3, 3}}, Case{{0, 9, 6, 6}, {3, 9, 3, 3}, 1, same},
                          Case{{2, 1, 6, 6}, {0, 1, 3, 3}}, Case{{2, 0, 6, 6}, {3, 0, 3, 3}}}) {
        const Results got = of_block(c, float32);
        const Results want = results(c, float32, [&](auto& x, auto& w, auto& b) { return c.apart(x, w, b); });
        BOOST_TEST((got.y == want.y && got.dx == want.dx && got.dw == want.dw && got.dbias == want.dbias), c.name());
    }
}

BOOST_AUTO_TEST_CASE(what_is_wrong_is_said) {
    const Variable x = draw({1, 1, 4, 4}, 1), w = draw({2, 1, 3, 3}, 2), bias = draw({2}, 3);
    BOOST_CHECK_EXCEPTION(conv2d(x, w, draw({3}, 3)), ShapeError, [](const ShapeError& e) {
        return std::string(e.what()).find("conv2d: the bias must be (2,), one number for each filter: (3,)") == 0;
    });
    BOOST_CHECK_THROW(conv2d_relu(x, w, draw({1, 2}, 3)), ShapeError);
    BOOST_CHECK_THROW(conv2d_relu_max_pool2d(x, w, draw({}, 3)), ShapeError);
    BOOST_CHECK_THROW(conv2d_relu_max_pool2d(x, draw({2, 1, 4, 4}, 2), bias), ShapeError);  // one output: no window
    BOOST_CHECK_THROW(conv2d_relu_max_pool2d(x, w, draw({2}, 3, float32)), DtypeError);
    BOOST_CHECK_THROW(conv2d_relu_max_pool2d(x, w, bias, 0), ValueError);
}

BOOST_AUTO_TEST_SUITE_END()
