#include "window_reference.hpp"

#include <boost/test/unit_test.hpp>

using namespace xtape;
using namespace xtape::window_reference;

namespace {

template <class Kind, class F>
void check_error(const std::string& expected, F f) {
    const auto says = [&](const Kind& error) {
        const std::string what = error.what();
        const std::string line = what.substr(0, what.find('\n'));
        BOOST_TEST(line == expected);
        BOOST_TEST(what.find("recorded at window_errors.cpp:") != std::string::npos);
        return true;
    };
    BOOST_CHECK_EXCEPTION(f(), Kind, says);
}

Variable zeros(const Shape& shape, DType dtype = float32) { return Array::filled(shape, dtype, 0); }

}  // namespace

BOOST_AUTO_TEST_SUITE(window_errors)

BOOST_AUTO_TEST_CASE(shapes_of_correlate2d) {
    const auto correlate = [](const Shape& x, const Shape& w, Index groups = 1) {
        return [=] { correlate2d(zeros(x), zeros(w), 1, valid, 1, groups); };
    };
    check_error<ShapeError>("correlate2d: x must have 4 axes (N, C, H, W), got (1, 28, 28): 3 != 4",
                            correlate({1, 28, 28}, {3, 1, 3, 3}));
    check_error<ShapeError>("correlate2d: w must have 4 axes (K, C / groups, h, w), got (3, 3): 2 != 4",
                            correlate({1, 1, 28, 28}, {3, 3}));
    check_error<ShapeError>("correlate2d: channels differ: x (1, 4, 5, 5) in 1 group and w (3, 2, 3, 3), 4 != 2",
                            correlate({1, 4, 5, 5}, {3, 2, 3, 3}));
    check_error<ShapeError>("correlate2d: channels differ: x (1, 4, 5, 5) in 2 groups and w (4, 4, 3, 3), 2 != 4",
                            correlate({1, 4, 5, 5}, {4, 4, 3, 3}, 2));
    check_error<ShapeError>("correlate2d: groups do not divide the channels of x: 5 % 2 != 0",
                            correlate({1, 5, 5, 5}, {4, 2, 3, 3}, 2));
    check_error<ShapeError>("correlate2d: groups do not divide the filters of w: 3 % 2 != 0",
                            correlate({1, 4, 5, 5}, {3, 2, 3, 3}, 2));
    check_error<ValueError>("correlate2d: groups must be between 1 and 2147483647, got 0",
                            correlate({1, 4, 5, 5}, {3, 4, 3, 3}, 0));
    check_error<ValueError>("correlate2d: kernel size must be at least 1, got (0, 3)",
                            correlate({1, 4, 5, 5}, {3, 4, 0, 3}));
    check_error<ShapeError>(
        "correlate2d: kernel larger than the padded image along its rows: 7 > 5 (kernel 7, dilation 1, "
        "image 5, padding 0 + 0)",
        correlate({1, 4, 5, 9}, {3, 4, 7, 3}));
}

BOOST_AUTO_TEST_CASE(options_of_correlate2d) {
    const Variable x = zeros({1, 1, 5, 6}), w = zeros({1, 1, 3, 3});
    check_error<ValueError>("correlate2d: stride must be at least 1, got (1, 0)",
                            [&] { correlate2d(x, w, Pair(1, 0)); });
    check_error<ValueError>("correlate2d: dilation must be at least 1, got (0, 0)",
                            [&] { correlate2d(x, w, 1, valid, 0); });
    check_error<ValueError>("correlate2d: padding must be at least 0, got (-1, -1)", [&] { correlate2d(x, w, 1, -1); });
    check_error<ValueError>("correlate2d: padding must be at least 0, got (0, -2)",
                            [&] { correlate2d(x, w, 1, Padding(0, 0, 0, -2)); });
    check_error<ShapeError>("correlate2d: kernel larger than the padded image along its columns: 9 > 7 (kernel 3, "
                            "dilation 4, image 6, padding 0 + 1)",
                            [&] { correlate2d(x, w, 1, Padding(0, 0, 0, 1), Pair(1, 4)); });
    const Index huge = Index{1} << 40;
    check_error<ValueError>("correlate2d: dilation must be at most 2147483647, got (1099511627776, 1099511627776)",
                            [&] { correlate2d(x, w, 1, valid, huge); });
    check_error<ValueError>("correlate2d: stride must be at most 2147483647, got (1099511627776, 1)",
                            [&] { correlate2d(x, w, Pair(huge, 1)); });
    BOOST_CHECK_THROW(correlate2d(x, w, 1, (Index{1} << 31) - 1), ShapeError);
    BOOST_CHECK_THROW(correlate2d(x, w, 1, Index{1} << 29), std::exception);
    BOOST_CHECK_THROW(correlate2d(x, zeros({1, 1, 3, 3}, float64)), DtypeError);
    check_error<ValueError>("convolve2d: stride must be at least 1, got (0, 0)", [&] { convolve2d(x, w, 0); });
}

BOOST_AUTO_TEST_CASE(conv_transpose2d_names_what_is_wrong) {
    const Variable x = zeros({1, 4, 5, 6}), w = zeros({4, 2, 3, 3});
    check_error<ShapeError>(
        "conv_transpose2d: channels of x differ from filters of w: x (1, 4, 5, 6) and w (2, 4, 3, 3), "
        "4 != 2",
        [&] {
            conv_transpose2d(x, zeros({2, 4, 3, 3}));
        });
    check_error<ShapeError>("conv_transpose2d: groups do not divide the channels of x: 4 % 3 != 0",
                            [&] { conv_transpose2d(x, w, 1, valid, 0, 1, 3); });
    check_error<ValueError>(
        "conv_transpose2d: output_padding must be smaller than stride or dilation along the columns: 2 "
        ">= max(2, 1)",
        [&] { conv_transpose2d(x, w, 2, valid, Pair(1, 2)); });
    check_error<ValueError>("conv_transpose2d: output_padding must be at least 0, got (-1, -1)",
                            [&] { conv_transpose2d(x, w, 2, valid, -1); });
    check_error<ValueError>("conv_transpose2d: output_padding must be 0 with same padding, got (1, 1)",
                            [&] { conv_transpose2d(x, w, 2, same, 1); });
    check_error<ShapeError>("conv_transpose2d: nothing is left along the rows: (5 - 1) * 1 + 3 - 4 - 4 + 0 = -1 < 1",
                            [&] { conv_transpose2d(x, w, 1, 4); });
    check_error<ValueError>("conv_transpose2d: stride must be at least 1, got (0, 0)",
                            [&] { conv_transpose2d(x, w, 0); });
}

BOOST_AUTO_TEST_CASE(pooling_names_what_is_wrong) {
    const Variable x = zeros({1, 2, 5, 6});
    check_error<ShapeError>("max_pool2d: x must have 4 axes (N, C, H, W), got (5, 6): 2 != 4", [] {
        max_pool2d(zeros({5, 6}), 2);
    });
    check_error<ShapeError>(
        "max_pool2d: kernel larger than the padded image along its rows: 6 > 5 (kernel 6, dilation 1, "
        "image 5, padding 0 + 0)",
        [&] { max_pool2d(x, 6); });
    check_error<ValueError>("max_pool2d: padding must be smaller than the kernel along the columns: 3 >= 2",
                            [&] { max_pool2d(x, 2, 1, Pair(1, 3)); });
    check_error<ValueError>("avg_pool2d: stride must be at least 1, got (0, 1)", [&] { avg_pool2d(x, 2, Pair(0, 1)); });
    check_error<ValueError>("avg_pool2d: kernel size must be at least 1, got (0, 0)", [&] { avg_pool2d(x, 0); });
    check_error<ShapeError>("max_pool2d: windows over nothing but padding: image (0, 4)", [] {
        max_pool2d(zeros({1, 1, 0, 4}), 2, 1, 1);
    });
}

BOOST_AUTO_TEST_CASE(columns_that_do_not_fit) {
    check_error<ShapeError>("unfold: x must have 4 axes (N, C, H, W), got (4, 5): 2 != 4", [] {
        unfold(zeros({4, 5}), 2);
    });
    check_error<ShapeError>(
        "unfold: kernel larger than the padded image along its columns: 7 > 5 (kernel 3, dilation 3, "
        "image 5, padding 0 + 0)",
        [] {
            unfold(zeros({1, 1, 7, 5}), 3, 1, valid, 3);
        });
    check_error<ShapeError>("fold: columns must have 3 axes (N, C h w, L), got (4, 5): 2 != 3", [] {
        fold(zeros({4, 5}), 3, 2);
    });
    check_error<ShapeError>("fold: columns (1, 6, 4) do not hold whole windows of (2, 2): 6 % 4 != 0", [] {
        fold(zeros({1, 6, 4}), 3, 2);
    });
    check_error<ShapeError>("fold: number of windows differs: columns (1, 8, 5), 5 != 2 x 2 = 4 for images of (3, 3)",
                            [] {
                                fold(zeros({1, 8, 5}), 3, 2);
                            });
    check_error<ValueError>("fold: size must be at least 0, got (-3, -3)", [] { fold(zeros({1, 8, 4}), -3, 2); });
}

BOOST_AUTO_TEST_SUITE_END()
