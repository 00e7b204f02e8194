#include "window_reference.hpp"

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/check_grads.hpp>
#include <xtape/autograd/threads.hpp>

using namespace xtape;
using namespace xtape::window_reference;

namespace {

struct Case {
    Shape x, w;
    Pair stride = 1;
    Padding padding = valid;
    Pair dilation = 1;
    Index groups = 1;

    Layout layout() const { return {{w[2], w[3]}, stride, padding, dilation}; }
    Pair outputs() const { return layout().outputs(x[2], x[3]); }
    Shape y() const { return {x[0], w[0], outputs().rows, outputs().cols}; }
    std::string name() const {
        return "x " + to_string(x) + " w " + to_string(w) + " " + layout().name() + " groups " + std::to_string(groups);
    }
    Variable call(const Variable& image, const Variable& kernel) const {
        return correlate2d(image, kernel, stride, padding, dilation, groups);
    }
};

struct Faces {
    Values y, dx, dw;
};

Faces expected(const Case& c, const Variable& x, const Variable& w, const Variable& g) {
    const Values xs = values(x), ws = values(w), gs = values(g);
    Faces faces{Values(gs.size()), Values(xs.size()), Values(ws.size())};
    each_product(c.layout(), c.x, c.w, c.groups, c.outputs(), [&](std::size_t i, std::size_t k, std::size_t o) {
        faces.y[o] += xs[i] * ws[k];
        faces.dx[i] += gs[o] * ws[k];
        faces.dw[k] += gs[o] * xs[i];
    });
    return faces;
}

void check(const Case& c) {
    BOOST_TEST_CONTEXT(c.name()) {
        const Variable image = draw(c.x, 1), kernel = draw(c.w, 2), g = draw(c.y(), 3);
        const Faces want = expected(c, image, kernel, g);
        for (DType dtype : {float64, float32}) {
            // Sums of up to 10^4 products of at most 1, those of float32 in units of 2^-24.
            const double allowed = dtype == float64 ? 1e-11 : 2e-3;
            const Parameter x = image.array().astype(dtype), w = kernel.array().astype(dtype);
            const Variable y = c.call(x, w);
            BOOST_TEST(to_string(y.shape()) == to_string(c.y()));
            const auto gradients = pull(y, g.array().astype(dtype), {x, w});
            BOOST_TEST(distance(values(y), want.y) <= allowed);
            BOOST_TEST(distance(values(gradients[0]), want.dx) <= allowed);
            BOOST_TEST(distance(values(gradients[1]), want.dw) <= allowed);
        }
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(window_convolution)

BOOST_AUTO_TEST_CASE(every_option_against_plain_loops) {
    const Padding paddings[] = {valid, same, 1, Pair(2, 1), Padding(1, 0, 2, 3)};
    const Pair kernels[] = {{1, 1}, {2, 2}, {3, 3}, {3, 2}, {1, 4}, {5, 5}};
    for (Pair kernel : kernels)
        for (const Padding& padding : paddings)
            for (Pair stride : {Pair(1), Pair(2), Pair(1, 3)})
                for (Pair dilation : {Pair(1), Pair(2, 1), Pair(1, 2)})
                    for (Index groups : {1, 2})
                        check({{2, 4, 9, 11},
                               {6, 4 / groups, kernel.rows, kernel.cols},
                               stride,
                               padding,
                               dilation,
                               groups});
}

BOOST_AUTO_TEST_CASE(depthwise) {
    check({{2, 5, 6, 7}, {5, 1, 3, 3}, 1, same, 1, 5});
    check({{2, 5, 6, 7}, {10, 1, 3, 2}, 2, 1, 1, 5});
}

BOOST_AUTO_TEST_CASE(rows_as_short_as_one_and_two_vectors) {
    for (Index width : {1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 130, 300})
        for (const Padding& padding : {Padding(same), Padding(1)}) {
            check({{1, 2, 4, width}, {2, 2, 3, 3}, 1, padding});
            check({{1, 2, 4, width}, {2, 2, 2, 2}, 2, padding});
        }
}

BOOST_AUTO_TEST_CASE(kernels_that_reach_far_outside) {
    check({{1, 2, 2, 3}, {2, 2, 5, 7}, 1, same});
    check({{1, 2, 2, 3}, {2, 2, 2, 2}, 1, 6});
    check({{1, 2, 2, 3}, {2, 2, 2, 2}, 3, 6, 4});
    check({{1, 1, 3, 3}, {1, 1, 1, 1}, 2, 3});
    check({{1, 1, 3, 3}, {1, 1, 1, 1}, 5, same});
}

// More filters, channels and rows than one matrix product takes, and sums over several parts.
BOOST_AUTO_TEST_CASE(every_kind_of_block) {
    check({{2, 20, 24, 24}, {70, 20, 3, 3}, 1, same});
    check({{2, 20, 25, 23}, {70, 20, 3, 3}, 2, 1});
    check({{1, 70, 24, 24}, {20, 70, 3, 3}, 1, valid});
    check({{40, 3, 9, 8}, {5, 3, 3, 3}, 1, 1});
    check({{3, 24, 17, 16}, {40, 24, 1, 1}});
    check({{3, 40, 17, 16}, {24, 40, 1, 1}});
    check({{2, 12, 17, 16}, {18, 6, 1, 1}, 2, valid, 1, 2});
    check({{1, 1, 70, 70}, {2, 1, 40, 40}, 1, valid});
}

BOOST_AUTO_TEST_CASE(convolution_turns_the_kernel) {
    const Variable x = variable({1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9}), k = variable({1, 1, 2, 2}, {1, 2, 3, 4});
    // scipy.signal.convolve2d(x, k, 'valid'): 4 x[i][j] + 3 x[i][j+1] + 2 x[i+1][j] + 1 x[i+1][j+1]
    BOOST_TEST(values(convolve2d(x, k)) == (Values{23, 33, 53, 63}), boost::test_tools::per_element());
    BOOST_TEST(values(correlate2d(x, k)) == (Values{37, 47, 67, 77}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(F22_the_filter_of_the_worked_example_gives_134) {
    const Variable window = variable({1, 1, 3, 3}, {0, 0, 0, 0, 2, 50, 0, 20, 18});
    const Variable filter = variable({1, 1, 3, 3}, {-1, 2, 2, 2, 6, 2, 2, 2, -1});
    BOOST_TEST(correlate2d(window, filter).item() == 134);
}

BOOST_AUTO_TEST_CASE(F14_kernel_gradient_is_a_valid_correlation) {
    const Parameter x = draw({1, 2, 5, 6}, 1).array(), w = draw({3, 2, 2, 3}, 2).array();
    const Variable y = correlate2d(x, w), g = draw(y.shape(), 3);
    const Values dw = values(pull(y, g, {w})[0]), xs = values(x), gs = values(g);
    // dK[i, j] = correlate2d(x[j], g[i], valid), g being 4 x 4
    for (Index i = 0; i < 3; ++i)
        for (Index j = 0; j < 2; ++j)
            for (Index r = 0; r < 2; ++r)
                for (Index c = 0; c < 3; ++c) {
                    double sum = 0;
                    for (Index p = 0; p < 4; ++p)
                        for (Index q = 0; q < 4; ++q)
                            sum += xs[static_cast<std::size_t>((j * 5 + r + p) * 6 + c + q)] *
                                   gs[static_cast<std::size_t>((i * 4 + p) * 4 + q)];
                    BOOST_TEST(std::abs(dw[static_cast<std::size_t>(((i * 2 + j) * 2 + r) * 3 + c)] - sum) < 1e-13);
                }
}

BOOST_AUTO_TEST_CASE(F15_input_gradient_is_a_full_convolution) {
    const Parameter x = draw({1, 1, 4, 4}, 1).array();
    const Variable w = draw({1, 1, 3, 3}, 2), g = draw({1, 1, 2, 2}, 3);
    const Values dx = values(pull(correlate2d(x, w), g, {x})[0]);
    const Padding full = 2;
    BOOST_TEST(distance(dx, values(convolve2d(g, w, 1, full))) < 1e-14);
    // The document's version leaves the kernel as it is, and is wrong.
    BOOST_TEST(distance(dx, values(correlate2d(g, w, 1, full))) > 0.1);
    // By differences: y is linear in x, so a step of 1 is exact.
    const Values gs = values(g), ys = values(correlate2d(x, w));
    for (std::size_t i = 0; i < 16; ++i) {
        Values moved = values(x);
        moved[i] += 1;
        const Values after = values(correlate2d(variable({1, 1, 4, 4}, moved), w));
        BOOST_TEST(std::abs(dot(gs, after) - dot(gs, ys) - dx[i]) < 1e-13);
    }
}

BOOST_AUTO_TEST_CASE(transposed_is_the_adjoint) {
    struct Transposed {
        Shape x, w;
        Pair stride;
        Padding padding;
        Pair output_padding;
        Pair dilation;
        Index groups;
        Pair size;
    };
    const Transposed cases[] = {
        {{2, 3, 4, 5}, {3, 2, 3, 3}, 1, valid, 0, 1, 1, {6, 7}},
        {{2, 3, 4, 5}, {3, 2, 3, 2}, 2, 1, 1, 1, 1, {8, 9}},
        {{2, 4, 4, 5}, {4, 2, 3, 3}, Pair(3, 2), Padding(1, 0, 0, 2), Pair(2, 0), 1, 2, {13, 9}},
        {{1, 4, 3, 3}, {4, 1, 2, 2}, 1, valid, 1, 2, 4, {6, 6}},
        {{1, 2, 3, 4}, {2, 3, 3, 3}, 2, same, 0, 1, 1, {6, 8}},
        {{1, 2, 3, 4}, {2, 3, 1, 1}, 3, same, 0, 1, 1, {9, 12}},
    };
    for (const Transposed& t : cases) {
        const Parameter x = draw(t.x, 1).array(), w = draw(t.w, 2).array();
        const Variable y = conv_transpose2d(x, w, t.stride, t.padding, t.output_padding, t.dilation, t.groups);
        const Shape shape{t.x[0], t.w[1] * t.groups, t.size.rows, t.size.cols};
        BOOST_TEST(to_string(y.shape()) == to_string(shape));
        // Every product x w belongs to one place of the result, as in correlate2d from the result to x.
        const Layout layout{{t.w[2], t.w[3]}, t.stride, t.padding, t.dilation};
        const Variable g = draw(shape, 3);
        Values ys(static_cast<std::size_t>(shape.count())), dx(static_cast<std::size_t>(x.size()));
        const Values xs = values(x), ws = values(w), gs = values(g);
        each_product(layout, shape, t.w, t.groups, {t.x[2], t.x[3]}, [&](std::size_t i, std::size_t k, std::size_t o) {
            ys[i] += xs[o] * ws[k];
            dx[o] += gs[i] * ws[k];
        });
        BOOST_TEST(distance(values(y), ys) < 1e-12);
        BOOST_TEST(distance(values(pull(y, g, {x})[0]), dx) < 1e-12);
        check_grads(
            [&](const Variable& a, const Variable& b) {
                return conv_transpose2d(a, b, t.stride, t.padding, t.output_padding, t.dilation, t.groups);
            },
            Variable(x), Variable(w));
    }
}

BOOST_AUTO_TEST_CASE(third_order) {
    const Parameter x = draw({1, 1, 3, 3}, 1).array(), w = draw({1, 1, 2, 2}, 2).array();
    const Variable y = correlate2d(x, w);
    // sum(y^3) is of third order in x: differentiated four times in one direction it vanishes.
    Variable derivative = sum(y * y * y);
    const Variable direction = draw({1, 1, 3, 3}, 4);
    double last = 0;
    for (int order = 1; order <= 3; ++order) {
        derivative = sum(grad(derivative, x, create_graph) * direction);
        last = derivative.item();
    }
    // d^3/dt^3 sum((y + t v)^3) = 6 sum(v^3), v = correlate2d(direction, w)
    double expected_value = 0;
    for (double v : values(correlate2d(direction, w))) expected_value += 6 * v * v * v;
    BOOST_TEST(std::abs(last - expected_value) < 1e-12);
    BOOST_TEST(std::abs(dot(values(grad(derivative, x)), values(direction))) < 1e-12);
}

BOOST_AUTO_TEST_CASE(same_bits_for_one_and_two_threads) {
    const Case cases[] = {
        {{33, 6, 14, 14}, {20, 6, 3, 3}, 1, same},    {{1, 16, 40, 41}, {70, 16, 3, 3}, 1, same},
        {{9, 12, 29, 30}, {16, 6, 3, 3}, 2, 1, 1, 2}, {{20, 24, 13, 14}, {30, 24, 1, 1}},
        {{40, 1, 28, 28}, {32, 1, 3, 3}, 1, same},
    };
    for (const Case& c : cases)
        for (DType dtype : {float32, float64}) {
            std::vector<Values> results[2];
            for (int run : {0, 1}) {
                set_threads(run + 1);
                const Parameter x = draw(c.x, 1, dtype).array(), w = draw(c.w, 2, dtype).array();
                const Variable y = c.call(x, w);
                const auto gradients = pull(y, draw(c.y(), 3, dtype), {x, w});
                results[run] = {values(y), values(gradients[0]), values(gradients[1])};
            }
            set_threads(0);
            BOOST_TEST((results[0] == results[1]), c.name());
        }
}

BOOST_AUTO_TEST_CASE(nothing_in_nothing_out) {
    const auto shapes_of = [](const Shape& xs, const Shape& ws) {
        const Parameter x = draw(xs, 1).array(), w = draw(ws, 2).array();
        const Variable y = correlate2d(x, w, 1, 1);
        const auto gradients = pull(y, draw(y.shape(), 3), {x, w});
        for (const Variable& v : {y, gradients[0], gradients[1]})
            for (double element : values(v)) BOOST_TEST(element == 0);
        return to_string(y.shape());
    };
    BOOST_TEST(shapes_of({0, 2, 4, 5}, {3, 2, 3, 3}) == "(0, 3, 4, 5)");
    BOOST_TEST(shapes_of({2, 0, 4, 5}, {3, 0, 3, 3}) == "(2, 3, 4, 5)");
    BOOST_TEST(shapes_of({2, 2, 4, 5}, {0, 2, 3, 3}) == "(2, 0, 4, 5)");
    BOOST_TEST(shapes_of({2, 2, 0, 5}, {3, 2, 2, 3}) == "(2, 3, 1, 5)");
    BOOST_TEST(to_string(conv_transpose2d(draw({0, 2, 4, 5}, 1), draw({2, 3, 2, 2}, 2)).shape()) == "(0, 3, 5, 6)");
}

BOOST_AUTO_TEST_SUITE_END()
