#include <xtape/autograd/kernels/convolution_direct.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/random.hpp>

/// The direct kernels beside the definition in float64.
using namespace xtape;
using kernels::Convolution;
using kernels::Finish;

namespace {

struct Case {
    Index samples, channels, filters;
    Pair image, kernel;
    Index padding;
};

constexpr Case cases[] = {{3, 1, 5, {28, 28}, {5, 5}, 2},  {2, 3, 7, {9, 33}, {3, 3}, 1},
                          {20, 1, 3, {17, 16}, {7, 7}, 3}, {1, 4, 17, {12, 40}, {2, 5}, 0},
                          {2, 2, 33, {20, 19}, {1, 3}, 1}, {2, 4, 3, {20, 40}, {7, 7}, 0},
                          {40, 1, 1, {8, 64}, {3, 3}, 2}};

/// One convolution with random operands, and its outputs by the definition.
struct Sample : Case {
    explicit Sample(const Case& c) : Case(c) {
        x = draw(samples * channels * image.rows * image.cols);
        w = draw(filters * channels * kernel.rows * kernel.cols);
        bias = draw(filters);
        for (Index n = 0; n < samples; ++n)
            for (Index k = 0; k < filters; ++k)
                for (Index i = 0; i < outputs.rows; ++i)
                    for (Index j = 0; j < outputs.cols; ++j) {
                        double sum = bias[at(k)];
                        taps([&](Index channel, Index r, Index s, Index tap) {
                            sum += pixel(n, channel, i + r, j + s) * w[at(k * depth + tap)];
                        });
                        expected.push_back(sum);
                    }
    }

    static std::size_t at(Index i) { return static_cast<std::size_t>(i); }

    std::vector<float> draw(Index count) {
        const Array numbers = random::uniform({count}, -0.5, 0.5, generator);
        return {numbers.data<float>(), numbers.data<float>() + count};
    }

    double pixel(Index n, Index c, Index i, Index j) const {
        i -= padding;
        j -= padding;
        if (i < 0 || j < 0 || i >= image.rows || j >= image.cols) return 0;
        return x[at(((n * channels + c) * image.rows + i) * image.cols + j)];
    }

    template <class F>
    void taps(F f) const {
        for (Index tap = 0; tap < depth; ++tap)
            f(tap / (kernel.rows * kernel.cols), tap / kernel.cols % kernel.rows, tap % kernel.cols, tap);
    }

    /// dw of outputs with gradient g: place(o) is what output o of the pooled or unpooled result sees, row * width + column in
    /// the unpooled plane, or -1 when it sees nothing.
    template <class Place>
    std::vector<double> kernel_gradient(const std::vector<float>& g, Index plane, Place place) const {
        std::vector<double> dw(w.size());
        for (Index o = 0; o < static_cast<Index>(g.size()); ++o) {
            const Index n = o / plane / filters, k = o / plane % filters, seen = place(o);
            if (seen < 0) continue;
            taps([&](Index c, Index r, Index s, Index tap) {
                dw[at(k * depth + tap)] += g[at(o)] * pixel(n, c, seen / outputs.cols + r, seen % outputs.cols + s);
            });
        }
        return dw;
    }

    Generator generator{11};
    Index depth = channels * kernel.rows * kernel.cols;
    Pair outputs{image.rows + 2 * padding - kernel.rows + 1, image.cols + 2 * padding - kernel.cols + 1};
    Pair pooled{outputs.rows / 2, outputs.cols / 2};
    Convolution convolution{channels, filters, 1, {image, kernel, Pair(1), Pair(1), Pair(padding), outputs}};
    std::vector<float> x, w, bias;
    std::vector<double> expected;
};

constexpr float untouched = 7;

void check_close(const std::vector<float>& values, const std::vector<double>& expected, double tolerance) {
    for (std::size_t i = 0; i < expected.size(); ++i)
        BOOST_REQUIRE_SMALL(static_cast<double>(values[i]) - expected[i], tolerance);
    for (std::size_t i = expected.size(); i < values.size(); ++i) BOOST_REQUIRE(values[i] == untouched);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(kernel_convolution_direct)

BOOST_AUTO_TEST_CASE(outputs_are_those_of_the_definition_and_nothing_lies_beyond_them) {
    for (const Case& c : cases) {
        const Sample s(c);
        BOOST_REQUIRE(kernels::direct::takes(s.convolution));
        std::vector<float> y(s.expected.size() + 64, untouched);
        kernels::direct::correlate(s.x.data(), s.w.data(), y.data(), s.samples, s.convolution,
                                   Finish<float>(s.bias.data(), false));
        check_close(y, s.expected, 1e-5);
        std::vector<double> rectified = s.expected;
        for (double& v : rectified) v = std::max(v, 0.0);
        kernels::direct::correlate(s.x.data(), s.w.data(), y.data(), s.samples, s.convolution,
                                   Finish<float>(s.bias.data(), true));
        check_close(y, rectified, 1e-5);
    }
}

BOOST_AUTO_TEST_CASE(pooled_outputs_and_codes_are_those_of_the_definition) {
    for (const Case& c : cases) {
        const Sample s(c);
        const Index plane = s.pooled.rows * s.pooled.cols, count = s.samples * s.filters * plane;
        std::vector<double> maxima;
        std::vector<std::uint8_t> places;
        const auto first_output = [&](Index o) {
            const Index row = o % plane / s.pooled.cols, column = o % s.pooled.cols;
            return (o / plane * s.outputs.rows + 2 * row) * s.outputs.cols + 2 * column;
        };
        for (Index o = 0; o < count; ++o) {
            maxima.push_back(0);
            places.push_back(4);
            for (const Index place : {0, 1, 2, 3}) {
                const double v = s.expected[Sample::at(first_output(o) + place / 2 * s.outputs.cols + place % 2)];
                if (v <= maxima.back()) continue;
                maxima.back() = v;
                places.back() = static_cast<std::uint8_t>(place);
            }
        }
        std::vector<float> y(maxima.size() + 64, untouched);
        std::vector<std::uint8_t> codes(maxima.size() + 64, 9);
        kernels::direct::correlate_pooled(s.x.data(), s.w.data(), s.bias.data(), y.data(), codes.data(), s.samples,
                                          s.convolution);
        check_close(y, maxima, 1e-5);
        BOOST_TEST(std::equal(places.begin(), places.end(), codes.begin()));
        BOOST_TEST(std::all_of(codes.begin() + count, codes.end(), [](auto code) { return code == 9; }));

        Sample other(c);
        const std::vector<float> g = other.draw(count);
        std::vector<float> dw(s.w.size());
        kernels::direct::correlate_kernel_pooled(s.x.data(), g.data(), codes.data(), dw.data(), s.samples,
                                                 s.convolution);
        check_close(dw,
                    s.kernel_gradient(g, plane,
                                      [&](Index o) {
                                          const Index place = places[Sample::at(o)],
                                                      first = first_output(o) % (s.outputs.rows * s.outputs.cols);
                                          return place == 4 ? -1 : first + place / 2 * s.outputs.cols + place % 2;
                                      }),
                    1e-4);
    }
}

BOOST_AUTO_TEST_CASE(kernel_gradients_are_those_of_the_definition) {
    for (const Case& c : cases) {
        Sample s(c);
        const Index plane = s.outputs.rows * s.outputs.cols;
        const std::vector<float> g = s.draw(s.samples * s.filters * plane);
        std::vector<float> dw(s.w.size());
        kernels::direct::correlate_kernel(s.x.data(), g.data(), dw.data(), s.samples, s.convolution);
        check_close(dw, s.kernel_gradient(g, plane, [&](Index o) { return o % plane; }), 1e-4);
    }
}

BOOST_AUTO_TEST_CASE(nan_reaches_what_sees_it_and_no_more) {
    Sample s({1, 1, 2, {8, 16}, {3, 3}, 1});
    s.x[3 * 16 + 5] = std::nanf("");
    std::vector<float> y(2 * 4 * 8);
    std::vector<std::uint8_t> codes(y.size());
    kernels::direct::correlate_pooled(s.x.data(), s.w.data(), nullptr, y.data(), codes.data(), 1, s.convolution);
    for (Index o = 0; o < static_cast<Index>(y.size()); ++o) {
        const Index row = o % 32 / 8, column = o % 8;
        const bool sees = row >= 1 && row <= 2 && column >= 2 && column <= 3;
        BOOST_TEST(std::isnan(y[Sample::at(o)]) == sees);
        if (sees) BOOST_TEST(codes[Sample::at(o)] == 4);
    }
}

BOOST_AUTO_TEST_SUITE_END()
