#pragma once

#include <algorithm>

#include <xtape/autograd/window.hpp>

namespace xtape::kernels {

/// How windows lie over an image: under tap (r, c), output (i, j) sees row i stride + r dilation - padding, and so for
/// columns. `padding` is what lies above and to the left, and may be negative.
struct Windows {
    Pair image;
    Pair kernel;
    Pair stride;
    Pair dilation;
    Pair padding;
    Pair outputs;

    Index image_size() const { return image.rows * image.cols; }
    Index taps() const { return kernel.rows * kernel.cols; }
    Index output_size() const { return outputs.rows * outputs.cols; }
    /// Whether every window is one pixel and every pixel one window.
    bool pointwise() const { return taps() == 1 && stride == Pair(1) && padding == Pair(0) && outputs == image; }
    /// With stride 1 the image's gradient sees the outputs' through the turned kernel and these windows.
    Windows turned() const {
        const Pair around(dilation.rows * (kernel.rows - 1) - padding.rows,
                          dilation.cols * (kernel.cols - 1) - padding.cols);
        return {outputs, kernel, stride, dilation, around, image};
    }
};

/// Positions [first, last) along one axis.
struct Span {
    Index first;
    Index last;

    bool empty() const { return first >= last; }
    Index size() const { return last - first; }
};

/// The outputs that see an element of the image when output o looks at o * stride + offset; at most [0, outputs).
inline Span outputs_inside(Index image, Index outputs, Index stride, Index offset) {
    if (offset >= image) return {0, 0};
    const Index first = offset < 0 ? (-offset + stride - 1) / stride : 0;
    const Index last = std::min(outputs, (image - 1 - offset) / stride + 1);
    return first < last ? Span{first, last} : Span{0, 0};
}

/// The taps of a window at `origin` that lie in the image, for dilation 1.
inline Span taps_inside(Index image, Index kernel, Index origin) {
    return {std::max<Index>(0, -origin), std::min(kernel, image - origin)};
}

}  // namespace xtape::kernels
