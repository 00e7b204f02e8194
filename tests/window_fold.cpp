#include "window_reference.hpp"

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/check_grads.hpp>
#include <xtape/autograd/threads.hpp>

using namespace xtape;
using namespace xtape::window_reference;

namespace {

Values columns_by_loops(const Shape& x, const Values& xs, const Layout& l) {
    const Pair outputs = l.outputs(x[2], x[3]);
    const Index length = outputs.rows * outputs.cols, taps = l.kernel.rows * l.kernel.cols;
    Values columns(static_cast<std::size_t>(x[0] * x[1] * taps * length));
    for (Index plane = 0; plane < x[0] * x[1]; ++plane)
        each_place(l, x[2], x[3], outputs, [&](Index i, Index j, Index r, Index c, Index h, Index w) {
            columns[static_cast<std::size_t>((plane * taps + r * l.kernel.cols + c) * length + i * outputs.cols + j)] =
                xs[static_cast<std::size_t>((plane * x[2] + h) * x[3] + w)];
        });
    return columns;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(window_fold)

BOOST_AUTO_TEST_CASE(unfold_by_hand) {
    const Variable x = variable({1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
    const Variable columns = unfold(x, 2);
    BOOST_TEST(to_string(columns.shape()) == "(1, 4, 4)");
    BOOST_TEST(values(columns) == (Values{1, 2, 4, 5, 2, 3, 5, 6, 4, 5, 7, 8, 5, 6, 8, 9}),
               boost::test_tools::per_element());
    // Folded back, every element counts once for each window that saw it.
    BOOST_TEST(values(fold(columns, 3, 2)) == (Values{1, 4, 3, 8, 20, 12, 7, 16, 9}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(every_option_against_plain_loops_and_its_adjoint) {
    for (Pair kernel : {Pair(1), Pair(2), Pair(3, 2), Pair(3)})
        for (Pair stride : {Pair(1), Pair(2, 1), Pair(3)})
            for (const Padding& padding : {Padding(valid), Padding(same), Padding(1, 0, 2, 1)})
                for (Pair dilation : {Pair(1), Pair(2)})
                    for (DType dtype : {float32, float64}) {
                        const Layout l{kernel, stride, padding, dilation};
                        const Shape shape{2, 3, 7, 9};
                        const Variable x = draw(shape, 1, dtype);
                        const Variable columns = unfold(x, kernel, stride, padding, dilation);
                        BOOST_TEST((values(columns) == columns_by_loops(shape, values(x), l)), l.name());
                        // <unfold(x), c> = <x, fold(c)>, exact: multiples of 2^-12, far from 2^24 of them
                        const Variable c = draw(columns.shape(), 2, dtype);
                        const Variable folded = fold(c, {7, 9}, kernel, stride, padding, dilation);
                        BOOST_TEST(to_string(folded.shape()) == to_string(shape));
                        BOOST_TEST(dot(values(columns), values(c)) == dot(values(x), values(folded)), l.name());
                    }
}

BOOST_AUTO_TEST_CASE(a_correlation_is_a_product_with_columns) {
    const Variable x = draw({2, 3, 6, 7}, 1), w = draw({4, 3, 3, 2}, 2);
    const Variable product = matmul(reshape(w, {4, 18}), unfold(x, Pair(3, 2), 2, 1));
    BOOST_TEST(distance(values(product), values(correlate2d(x, w, 2, 1))) < 1e-13);
}

BOOST_AUTO_TEST_CASE(gradients) {
    const auto cubed = [](const Variable& v) { return v * v * v; };
    check_grads([&](const Variable& x) { return cubed(unfold(x, Pair(2, 3), Pair(1, 2), 1)); }, draw({1, 2, 4, 5}, 1));
    check_grads([&](const Variable& c) { return cubed(fold(c, {4, 3}, 2)); }, draw({1, 8, 6}, 1));
}

BOOST_AUTO_TEST_CASE(same_bits_for_one_and_two_threads) {
    std::vector<Values> results[2];
    for (int run : {0, 1}) {
        set_threads(run + 1);
        const Variable columns = unfold(draw({20, 8, 30, 29}, 1, float32), 3, 2, 1);
        results[run] = {values(columns), values(fold(columns, {30, 29}, 3, 2, 1))};
    }
    set_threads(0);
    BOOST_TEST((results[0] == results[1]));
}

BOOST_AUTO_TEST_CASE(nothing_in_nothing_out) {
    BOOST_TEST(to_string(unfold(draw({0, 2, 4, 5}, 1), 2).shape()) == "(0, 8, 12)");
    BOOST_TEST(to_string(fold(draw({0, 8, 12}, 1), {4, 5}, 2).shape()) == "(0, 2, 4, 5)");
    BOOST_TEST(to_string(unfold(draw({2, 0, 4, 5}, 1), 2).shape()) == "(2, 0, 12)");
    BOOST_TEST(to_string(fold(draw({2, 0, 12}, 1), {4, 5}, 2).shape()) == "(2, 0, 4, 5)");
}

BOOST_AUTO_TEST_SUITE_END()
