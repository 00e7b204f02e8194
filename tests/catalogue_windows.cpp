#include "catalogue.hpp"

#include <boost/test/unit_test.hpp>

/// Convolutions, pooling, and images as columns: strides, paddings, dilations and groups, on non-square images.
namespace xtape::catalogue {

namespace {

struct Convolution {
    Shape x, w;
    Pair stride = 1;
    Padding padding = valid;
    Pair dilation = 1;
    Index groups = 1;
    bool large = false;
};

const std::vector<Convolution> convolutions{
    {{1, 1, 3, 4}, {1, 1, 2, 2}},
    {{2, 2, 4, 3}, {3, 2, 3, 2}},
    {{1, 2, 4, 5}, {2, 2, 1, 1}},
    {{1, 1, 4, 5}, {2, 1, 3, 3}, 1, same},
    {{1, 1, 4, 5}, {2, 1, 2, 4}, 1, same},
    {{1, 1, 5, 4}, {1, 1, 3, 3}, Pair(2, 1), same},
    {{1, 2, 5, 4}, {1, 2, 2, 3}, 2, 1},
    {{1, 1, 3, 4}, {1, 1, 2, 2}, Pair(1, 2), Pair(0, 1)},
    {{1, 1, 4, 3}, {1, 1, 2, 3}, 1, Padding(2, 0, 1, 3)},
    {{1, 1, 5, 6}, {2, 1, 2, 2}, 1, valid, Pair(2, 3)},
    {{1, 1, 6, 5}, {1, 1, 3, 2}, 2, 2, 2},
    {{1, 4, 3, 3}, {6, 2, 2, 2}, 1, valid, 1, 2},
    {{2, 3, 3, 3}, {3, 1, 2, 2}, 1, same, 1, 3},
    {{1, 4, 4, 5}, {2, 2, 3, 2}, Pair(2, 1), 1, Pair(1, 2), 2},
    {{1, 1, 3, 3}, {1, 1, 3, 3}},
    {{0, 2, 4, 4}, {3, 2, 2, 2}},
    {{1, 1, 7, 7}, {1, 1, 2, 2}, 3},
    {{5, 3, 31, 29}, {8, 3, 3, 3}, 1, same, 1, 1, true},
    {{4, 8, 28, 28}, {16, 8, 5, 5}, 1, same, 1, 1, true},
    {{4, 8, 29, 27}, {6, 4, 3, 2}, 2, 1, 1, 2, true},
    {{3, 16, 30, 33}, {32, 16, 1, 1}, 1, valid, 1, 1, true},
};

struct Transposed {
    Shape x, w;
    Pair stride = 1;
    Padding padding = valid;
    Pair output_padding = 0;
    Pair dilation = 1;
    Index groups = 1;
    bool large = false;
};

const std::vector<Transposed> transposed{
    {{1, 1, 2, 3}, {1, 1, 2, 2}},
    {{2, 3, 2, 3}, {3, 2, 3, 2}},
    {{1, 2, 3, 2}, {2, 1, 3, 2}, Pair(2, 1)},
    {{1, 1, 3, 3}, {1, 1, 3, 3}, 2, 1},
    {{1, 1, 2, 3}, {1, 2, 3, 3}, 2, 1, 1},
    {{1, 1, 2, 3}, {1, 1, 2, 3}, 3, valid, Pair(2, 0)},
    {{1, 1, 3, 3}, {1, 1, 2, 2}, 1, valid, 0, 2},
    {{1, 4, 2, 2}, {4, 1, 2, 3}, 1, valid, 0, 1, 2},
    {{0, 2, 2, 3}, {2, 1, 2, 2}},
    {{4, 16, 15, 14}, {16, 8, 3, 3}, 2, 1, 1, 1, 1, true},
};

struct Windows {
    Shape x;
    Pair kernel;
    Pair stride;
    Padding padding = valid;
    bool large = false;
};

const std::vector<Windows> pools{
    {{1, 1, 4, 6}, 2, 2},
    {{2, 2, 5, 4}, Pair(2, 3), Pair(1, 1)},
    {{1, 1, 5, 5}, 2, 2},
    {{1, 2, 5, 5}, 3, 2, 1},
    {{1, 1, 5, 4}, Pair(3, 2), Pair(2, 1), same},
    {{1, 1, 5, 4}, 2, 3, Padding(1, 0, 0, 1)},
    {{1, 3, 3, 4}, 1, 1},
    {{1, 1, 3, 4}, Pair(3, 4), Pair(1, 1)},
    {{0, 2, 4, 4}, 2, 2},
    {{6, 8, 31, 33}, 2, 2, valid, true},
    {{6, 8, 31, 33}, 3, 2, 1, true},
};

struct Columns {
    Shape x;
    Pair kernel;
    Pair stride = 1;
    Padding padding = valid;
    Pair dilation = 1;
    bool large = false;
};

const std::vector<Columns> columns{
    {{1, 1, 3, 4}, 2},
    {{2, 2, 4, 3}, Pair(3, 2)},
    {{1, 2, 4, 5}, 2, Pair(2, 1), 1},
    {{1, 1, 5, 4}, 3, 1, same},
    {{1, 1, 5, 6}, 2, 1, valid, Pair(2, 3)},
    {{1, 1, 3, 3}, 3},
    {{0, 1, 3, 3}, 2},
    {{5, 4, 31, 29}, 3, 1, 1, 1, true},
};

/// What the cases have in common, with a bias for each filter.
void add_with_bias(Samples& samples, Draw& draw) {
    for (const Convolution& c : convolutions) {
        const Inputs inputs{draw.uniform(c.x, -2, 2), draw.uniform(c.w, -2, 2), draw.uniform({c.w[0]}, -1, 1)};
        const auto add = [&](const char* operation, auto f) {
            samples.push_back({operation,
                               inputs,
                               [c, f](const Inputs& x) {
                                   return f(x[0], x[1], x[2], c.stride, c.padding, c.dilation, c.groups, Where::here());
                               },
                               {},
                               c.large});
        };
        add("conv2d", conv2d);
        add("conv2d_relu", conv2d_relu);
        const Shape full = conv2d(inputs[0], inputs[1], inputs[2], c.stride, c.padding, c.dilation, c.groups).shape();
        if (full[2] >= 2 && full[3] >= 2) add("conv2d_relu_max_pool2d", conv2d_relu_max_pool2d);
    }
}

void add_pools(Samples& samples, Draw& draw) {
    for (const Windows& c : pools) {
        const double spacing = c.large ? 1.0 / 4096 : 0.0625;
        samples.push_back({"max_pool2d",
                           {draw.distinct(c.x, spacing)},
                           [c](const Inputs& x) { return max_pool2d(x[0], c.kernel, c.stride, c.padding); },
                           {},
                           c.large});
        samples.push_back({"avg_pool2d",
                           {draw.uniform(c.x, -2, 2)},
                           [c](const Inputs& x) { return avg_pool2d(x[0], c.kernel, c.stride, c.padding); },
                           {},
                           c.large});
    }
    samples.push_back(
        {"max_pool2d", {draw.distinct({1, 2, 4, 4})}, [](const Inputs& x) { return max_pool2d(x[0], 2); }});
    samples.push_back(
        {"avg_pool2d", {draw.distinct({1, 2, 4, 6})}, [](const Inputs& x) { return avg_pool2d(x[0], 2); }});
}

void add_columns(Samples& samples, Draw& draw) {
    for (const Columns& c : columns) {
        samples.push_back({"unfold",
                           {draw.uniform(c.x, -2, 2)},
                           [c](const Inputs& x) { return unfold(x[0], c.kernel, c.stride, c.padding, c.dilation); },
                           {},
                           c.large});
        const Shape shape = unfold(samples.back().inputs[0], c.kernel, c.stride, c.padding, c.dilation).shape();
        samples.push_back({"fold",
                           {draw.uniform(shape, -2, 2)},
                           [c](const Inputs& x) {
                               return fold(x[0], {c.x[2], c.x[3]}, c.kernel, c.stride, c.padding, c.dilation);
                           },
                           {},
                           c.large});
    }
}

}  // namespace

Samples windows() {
    Draw draw(7);
    Samples samples;
    for (const Convolution& c : convolutions) {
        const Inputs inputs{draw.uniform(c.x, -2, 2), draw.uniform(c.w, -2, 2)};
        samples.push_back(
            {"correlate2d",
             inputs,
             [c](const Inputs& x) { return correlate2d(x[0], x[1], c.stride, c.padding, c.dilation, c.groups); },
             {},
             c.large});
        samples.push_back(
            {"convolve2d",
             inputs,
             [c](const Inputs& x) { return convolve2d(x[0], x[1], c.stride, c.padding, c.dilation, c.groups); },
             {},
             c.large});
    }
    samples.push_back({"correlate2d", {draw.uniform({2, 2, 3, 3}, -2, 2)}, [](const Inputs& x) {
                           return correlate2d(x[0], x[0], 1, 1);
                       }});
    for (const Transposed& c : transposed)
        samples.push_back({"conv_transpose2d",
                           {draw.uniform(c.x, -2, 2), draw.uniform(c.w, -2, 2)},
                           [c](const Inputs& x) {
                               return conv_transpose2d(x[0], x[1], c.stride, c.padding, c.output_padding, c.dilation,
                                                       c.groups);
                           },
                           {},
                           c.large});
    add_pools(samples, draw);
    add_columns(samples, draw);
    add_with_bias(samples, draw);
    return samples;
}

XTAPE_CATALOGUE_SUITE(catalogue_windows, windows)

}  // namespace xtape::catalogue
