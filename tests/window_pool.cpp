#include "window_reference.hpp"

#include <boost/test/unit_test.hpp>

#include <limits>

#include <xtape/autograd/check_grads.hpp>
#include <xtape/autograd/threads.hpp>

using namespace xtape;
using namespace xtape::window_reference;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

std::size_t position(Index i) { return static_cast<std::size_t>(i); }

/// For each output the positions in x that its window covers, in row-major order.
std::vector<std::vector<std::size_t>> windows_of(const Shape& x, const Layout& l, Pair outputs) {
    std::vector<std::vector<std::size_t>> result(position(x[0] * x[1] * outputs.rows * outputs.cols));
    for (Index plane = 0; plane < x[0] * x[1]; ++plane)
        each_place(l, x[2], x[3], outputs, [&](Index i, Index j, Index, Index, Index h, Index w) {
            result[position((plane * outputs.rows + i) * outputs.cols + j)].push_back(
                position((plane * x[2] + h) * x[3] + w));
        });
    return result;
}

void check(const Shape& shape, const Layout& l) {
    BOOST_TEST_CONTEXT("x " << to_string(shape) << " " << l.name()) {
        const Pair outputs = l.outputs(shape[2], shape[3]);
        const Shape expected_shape{shape[0], shape[1], outputs.rows, outputs.cols};
        const Variable image = draw(shape, 1), g = draw(expected_shape, 2);
        const Values xs = values(image), gs = values(g);
        Values most(gs.size()), to_most(xs.size()), mean(gs.size()), to_mean(xs.size());
        const double area = static_cast<double>(l.kernel.rows * l.kernel.cols);
        const auto windows = windows_of(shape, l, outputs);
        for (std::size_t o = 0; o < windows.size(); ++o) {
            std::size_t first = windows[o].front();
            for (std::size_t i : windows[o]) {
                if (xs[i] > xs[first]) first = i;
                mean[o] += xs[i] / area;
                to_mean[i] += gs[o] / area;
            }
            most[o] = xs[first];
            to_most[first] += gs[o];
        }
        for (DType dtype : {float64, float32}) {
            const double allowed = dtype == float64 ? 1e-13 : 2e-6;
            const Parameter x = image.array().astype(dtype);
            const Variable seed = g.array().astype(dtype);
            const Variable y = max_pool2d(x, l.kernel, l.stride, l.padding);
            BOOST_TEST(to_string(y.shape()) == to_string(expected_shape));
            BOOST_TEST((values(y) == most));
            BOOST_TEST((values(max_pool2d(x.variable().detach(), l.kernel, l.stride, l.padding)) == most));
            BOOST_TEST(distance(values(pull(y, seed, {x})[0]), to_most) <= allowed * 9);
            const Variable a = avg_pool2d(x, l.kernel, l.stride, l.padding);
            BOOST_TEST(distance(values(a), mean) <= allowed);
            BOOST_TEST(distance(values(pull(a, seed, {x})[0]), to_mean) <= allowed * 9);
        }
    }
}

Values maxima(const Values& x, Index width) {
    return values(max_pool2d(variable({1, 1, static_cast<Index>(x.size()) / width, width}, x), 2));
}

Values gradient(const Shape& shape, const Values& x, Pair kernel, Pair stride, const Padding& padding = valid) {
    const Parameter parameter = variable(shape, x).array();
    const Variable y = max_pool2d(parameter, kernel, stride, padding);
    Values counting(static_cast<std::size_t>(y.size()));
    for (std::size_t i = 0; i < counting.size(); ++i) counting[i] = static_cast<double>(i + 1);
    return values(pull(y, variable(y.shape(), counting), {parameter})[0]);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(window_pool)

BOOST_AUTO_TEST_CASE(two_by_two_at_every_width) {
    for (Index width = 2; width <= 40; ++width)
        for (Index height : {2, 3, 8}) check({2, 2, height, width}, {2, 2});
    check({1, 1, 28, 28}, {2, 2});
    check({2, 1, 7, 7}, {2, 2, same});
    check({2, 1, 9, 20}, {2, 2, 1});
}

BOOST_AUTO_TEST_CASE(every_option_against_plain_loops) {
    for (Pair kernel : {Pair(1), Pair(2), Pair(3), Pair(3, 2), Pair(1, 4), Pair(5)})
        for (Pair stride : {Pair(1), Pair(2), Pair(3, 1), Pair(2, 4)})
            for (Pair size : {Pair(9, 11), Pair(6, 22), Pair(5, 5)}) {
                check({2, 3, size.rows, size.cols}, {kernel, stride});
                check({2, 3, size.rows, size.cols}, {kernel, stride, same});
                if (kernel.rows > 1 && kernel.cols > 1)
                    check({2, 3, size.rows, size.cols}, {kernel, stride, Padding(1, 0, kernel.cols - 1, 1)});
            }
}

// Beyond 255 elements the places need more than one byte each.
BOOST_AUTO_TEST_CASE(large_windows) {
    check({2, 1, 40, 41}, {Pair(15, 17), 3});
    check({2, 1, 40, 41}, {16, 5, Padding(3, 0, 15, 2)});
    check({1, 2, 33, 20}, {Pair(33, 20), 1});
}

BOOST_AUTO_TEST_CASE(F22_the_pooling_of_the_worked_example) {
    const Values pooled = maxima({0, 0, 0, 0, 0, 2, 50, 20, 0, 20, 18, 20, 0, 20, 20, 20}, 4);
    BOOST_TEST(pooled == (Values{2, 50, 20, 20}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(F16_the_gradient_goes_to_the_first_maximum) {
    // Ties in every window: left and right, upper and lower, the diagonal against the row order, all four.
    const Values x{5, 5, 1, 7, 0, 3, 2, 2, 0, 1, 0, 7, 3, 0, 2, 2};
    BOOST_TEST(gradient({1, 1, 2, 8}, x, 2, 2) == (Values{1, 0, 0, 2, 0, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(overlapping_windows_add_up) {
    const Values x{1, 2, 3, 4, 9, 5, 6, 7, 8};
    BOOST_TEST(gradient({1, 1, 3, 3}, x, 2, 1) == (Values{0, 0, 0, 0, 1 + 2 + 3 + 4, 0, 0, 0, 0}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(padding_is_never_the_maximum) {
    const Values x{-3, -1, -2, -4};
    BOOST_TEST(values(max_pool2d(variable({1, 1, 2, 2}, x), 2, 1, 1)) == (Values{-3, -1, -1, -2, -1, -1, -2, -2, -4}),
               boost::test_tools::per_element());
    BOOST_TEST(gradient({1, 1, 2, 2}, x, 2, 1, 1) == (Values{1, 2 + 3 + 5 + 6, 4 + 7 + 8, 9}),
               boost::test_tools::per_element());
    // Not even among -inf: the first place of the image is the first maximum.
    const Values nothing(4, -infinity);
    BOOST_TEST(gradient({1, 1, 2, 2}, nothing, 2, 1, 1) == (Values{1 + 2 + 4 + 5, 3 + 6, 7 + 8, 9}),
               boost::test_tools::per_element());
    BOOST_TEST(gradient({1, 1, 2, 2}, nothing, 2, 2) == (Values{1, 0, 0, 0}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(nan_comes_through) {
    for (std::size_t place = 0; place < 4; ++place) {
        Values x(32, 1);  // two rows of 16: one vector of windows
        x[(place / 2) * 16 + place % 2] = not_a_number;
        const Values y = maxima(x, 16);
        BOOST_TEST(std::isnan(y[0]));
        for (std::size_t i = 1; i < y.size(); ++i) BOOST_TEST(y[i] == 1);
        const Values few{x[0], x[1], x[16], x[17]};
        BOOST_TEST(std::isnan(maxima(few, 2)[0]));
        BOOST_TEST(std::isnan(values(max_pool2d(variable({1, 1, 2, 2}, few), 2, 1, 1))[4]));
        Values want(4);
        want[place] = 1;
        BOOST_TEST(gradient({1, 1, 2, 2}, few, 2, 2) == want, boost::test_tools::per_element());
    }
    BOOST_TEST(gradient({1, 1, 2, 2}, {2, not_a_number, not_a_number, 3}, 2, 2) == (Values{0, 1, 0, 0}),
               boost::test_tools::per_element());
    BOOST_TEST(gradient({1, 1, 2, 3}, {2, not_a_number, 1, 3, not_a_number, 1}, Pair(2, 3), 1) ==
                   (Values{0, 1, 0, 0, 0, 0}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(stride_is_the_kernel_unless_given) {
    const Variable x = draw({1, 1, 9, 10}, 1);
    BOOST_TEST(to_string(max_pool2d(x, Pair(3, 2)).shape()) == "(1, 1, 3, 5)");
    BOOST_TEST(to_string(avg_pool2d(x, Pair(3, 2)).shape()) == "(1, 1, 3, 5)");
}

BOOST_AUTO_TEST_CASE(scatter_and_gather_are_adjoint_to_any_order) {
    GradCheckOptions options;
    const auto cubed_maxima = [](const Variable& x) {
        const Variable y = max_pool2d(x, 3, 2, 1);
        return y * y * y;
    };
    Values apart(50);
    for (std::size_t i = 0; i < apart.size(); ++i) apart[i] = static_cast<double>((i * 37) % 50) / 16 - 1;
    check_grads(cubed_maxima, variable({1, 2, 5, 5}, apart), options);
    const auto cubed_means = [](const Variable& x) {
        const Variable y = avg_pool2d(x, Pair(3, 2), Pair(2, 1), 1);
        return y * y * y;
    };
    check_grads(cubed_means, draw({1, 2, 5, 6}, 1), options);
}

BOOST_AUTO_TEST_CASE(same_bits_for_one_and_two_threads) {
    for (const Layout& l : {Layout{2, 2}, Layout{3, 2, 1}, Layout{Pair(3, 2), 1, same}})
        for (DType dtype : {float32, float64}) {
            std::vector<Values> results[2];
            for (int run : {0, 1}) {
                set_threads(run + 1);
                const Parameter x = draw({40, 5, 30, 29}, 1, dtype).array();
                const Variable y = max_pool2d(x, l.kernel, l.stride, l.padding);
                const Variable a = avg_pool2d(x, l.kernel, l.stride, l.padding);
                const Variable g = draw(y.shape(), 2, dtype);
                results[run] = {values(y), values(pull(y, g, {x})[0]), values(a), values(pull(a, g, {x})[0])};
            }
            set_threads(0);
            BOOST_TEST((results[0] == results[1]), l.name());
        }
}

BOOST_AUTO_TEST_CASE(nothing_in_nothing_out) {
    for (const Shape& shape : {Shape{0, 2, 4, 6}, Shape{2, 0, 4, 6}}) {
        const Parameter x = draw(shape, 1).array();
        for (const Variable& y : {max_pool2d(x, 2), avg_pool2d(x, 2), max_pool2d(x, 3, 1)})
            BOOST_TEST(to_string(pull(y, draw(y.shape(), 2), {x})[0].shape()) == to_string(shape));
    }
    BOOST_TEST(to_string(max_pool2d(draw({2, 3, 0, 4}, 1), 2, 2, same).shape()) == "(2, 3, 0, 2)");
    BOOST_TEST(to_string(avg_pool2d(draw({2, 3, 4, 0}, 1), 2, 2, same).shape()) == "(2, 3, 2, 0)");
}

BOOST_AUTO_TEST_SUITE_END()
