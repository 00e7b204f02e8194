#include "window_reference.hpp"

#include <limits>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/kernels/convolution.hpp>

/// Bias and ReLU inside of a convolution against the same by plain loops.
using namespace xtape;
using namespace xtape::window_reference;

namespace {

struct Case {
    Shape x, w;
    Index stride, padding, groups;

    kernels::Convolution convolution() const {
        const Layout layout{{w[2], w[3]}, stride, padding, 1};
        return {x[1], w[0], groups, {{x[2], x[3]}, {w[2], w[3]}, stride, 1, padding, layout.outputs(x[2], x[3])}};
    }
};

const Case cases[] = {
    {{2, 3, 6, 5}, {4, 3, 3, 3}, 1, 1, 1},      {{3, 16, 14, 14}, {33, 16, 3, 3}, 1, 1, 1},
    {{2, 20, 24, 24}, {70, 20, 3, 3}, 1, 1, 1}, {{2, 6, 9, 8}, {4, 3, 3, 2}, 2, 1, 2},
    {{2, 5, 7, 7}, {5, 1, 3, 3}, 1, 1, 5},      {{3, 17, 9, 11}, {19, 17, 1, 1}, 1, 0, 1},
    {{2, 0, 4, 5}, {3, 0, 3, 3}, 1, 1, 1},      {{0, 2, 4, 5}, {3, 2, 3, 3}, 1, 1, 1},
    {{65, 32, 5, 6}, {18, 32, 3, 3}, 1, 0, 1},
};

Values expected(const Case& c, const Values& x, const Values& w, const Values* bias, bool relu) {
    const Shape shape = c.convolution().output_shape(c.x[0]);
    Values y(static_cast<std::size_t>(shape.count()));
    each_product({{c.w[2], c.w[3]}, c.stride, c.padding, 1}, c.x, c.w, c.groups, {shape[2], shape[3]},
                 [&](std::size_t i, std::size_t k, std::size_t o) { y[o] += x[i] * w[k]; });
    for (std::size_t i = 0; i < y.size(); ++i) {
        if (bias) y[i] += (*bias)[i / static_cast<std::size_t>(shape[2] * shape[3]) % bias->size()];
        if (relu && y[i] < 0) y[i] = 0;
    }
    return y;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(convolution_epilogue)

BOOST_AUTO_TEST_CASE(bias_and_relu_of_every_path) {
    for (const Case& c : cases)
        for (DType dtype : {float32, float64}) {
            const Variable x = draw(c.x, 1, dtype), w = draw(c.w, 2, dtype), b = draw({c.w[0]}, 3, dtype);
            const Values bias = values(b);
            for (bool with_bias : {false, true})
                for (bool relu : {false, true}) {
                    const kernels::Epilogue epilogue{with_bias ? &b.array() : nullptr, relu};
                    const Array y = kernels::correlate(x.array(), w.array(), c.convolution(), epilogue);
                    const Values want = expected(c, values(x), values(w), with_bias ? &bias : nullptr, relu);
                    BOOST_TEST(distance(values(Variable(y)), want) <= (dtype == float64 ? 1e-11 : 2e-4),
                               to_string(c.x) << " * " << to_string(c.w) << " " << with_bias << relu);
                }
        }
}

BOOST_AUTO_TEST_CASE(nan_passes_through_the_relu) {
    for (Index channels : {3, 32}) {
        const Case c{{2, channels, 14, 14}, {16, channels, 3, 3}, 1, 1, 1};
        Array x = draw(c.x, 1, float32).array().copy();
        const Index place = (channels + channels / 2) * 14 * 14 + 5 * 14 + 7;  // sample 1, pixel (5, 7)
        x.mutable_data<float>()[place] = std::numeric_limits<float>::quiet_NaN();
        const Array y = kernels::correlate(x, draw(c.w, 2, float32).array(), c.convolution(), {nullptr, true});
        for (Index filter = 0; filter < 16; ++filter)
            for (Index row = 4; row <= 6; ++row)
                for (Index col = 6; col <= 8; ++col)
                    BOOST_TEST(std::isnan(y.at((16 + filter) * 14 * 14 + row * 14 + col)));
        for (Index i = 0; i < 16 * 14 * 14; ++i) BOOST_TEST(!std::isnan(y.at(i)));
    }
}

BOOST_AUTO_TEST_SUITE_END()
