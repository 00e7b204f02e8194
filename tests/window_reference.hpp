#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/tape.hpp>

/// What the window operations must give, by the definition: plain loops in double over (N, C, H, W).
namespace xtape::window_reference {

using Values = std::vector<double>;

inline Values values(const Variable& x) {
    Values result;
    for (Index i = 0; i < x.size(); ++i) result.push_back(x.array().at(i));
    return result;
}

inline Variable variable(const Shape& shape, const Values& elements, DType dtype = float64) {
    Array array = Array::uninitialized(shape, dtype);
    dispatch(dtype, [&](auto tag) {
        using T = decltype(tag);
        for (std::size_t i = 0; i < elements.size(); ++i) array.mutable_data<T>()[i] = static_cast<T>(elements[i]);
    });
    return array;
}

/// Multiples of 1/64 in [-1, 1]: float32 holds them, and ties happen.
inline Variable draw(const Shape& shape, unsigned seed, DType dtype = float64) {
    std::mt19937 generator(seed);
    Values elements(static_cast<std::size_t>(shape.count()));
    for (double& v : elements) v = static_cast<double>(static_cast<int>(generator() % 129) - 64) / 64;
    return variable(shape, elements, dtype);
}

inline double dot(const Values& a, const Values& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
}

/// The largest |a - b|, infinite when sizes differ.
inline double distance(const Values& a, const Values& b) {
    if (a.size() != b.size()) return HUGE_VAL;
    double most = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const double d = std::abs(a[i] - b[i]);
        most = d <= most ? most : d;  // a NaN stays
    }
    return most;
}

/// How windows are laid; `pads` are top, bottom, left, right.
struct Layout {
    Pair kernel = 1;
    Pair stride = 1;
    Padding padding = valid;
    Pair dilation = 1;

    struct Pads {
        Index top, bottom, left, right;
    };

    static Index same_total(Index size, Index k, Index s, Index d) {
        const Index total = ((size + s - 1) / s - 1) * s + (k - 1) * d + 1 - size;
        return total > 0 ? total : 0;
    }

    Pads pads(Index height, Index width) const {
        if (!padding.is_same()) return {padding.top(), padding.bottom(), padding.left(), padding.right()};
        const Index rows = same_total(height, kernel.rows, stride.rows, dilation.rows);
        const Index cols = same_total(width, kernel.cols, stride.cols, dilation.cols);
        return {rows / 2, rows - rows / 2, cols / 2, cols - cols / 2};
    }

    Pair outputs(Index height, Index width) const {
        const Pads p = pads(height, width);
        return {(height + p.top + p.bottom - (kernel.rows - 1) * dilation.rows - 1) / stride.rows + 1,
                (width + p.left + p.right - (kernel.cols - 1) * dilation.cols - 1) / stride.cols + 1};
    }

    std::string name() const {
        const auto text = [](Pair p) { return "(" + std::to_string(p.rows) + ", " + std::to_string(p.cols) + ")"; };
        const Padding& p = padding;
        return "kernel " + text(kernel) + " stride " + text(stride) + " dilation " + text(dilation) + " padding " +
               (p.is_same() ? "same" : text({p.top(), p.bottom()}) + text({p.left(), p.right()}));
    }
};

/// Calls f(output row, output column, tap row, tap column, image row, image column) for every place of every window
/// that lies in the image.
template <class F>
void each_place(const Layout& l, Index height, Index width, Pair outputs, F f) {
    const Layout::Pads p = l.pads(height, width);
    for (Index i = 0; i < outputs.rows; ++i)
        for (Index j = 0; j < outputs.cols; ++j)
            for (Index r = 0; r < l.kernel.rows; ++r)
                for (Index c = 0; c < l.kernel.cols; ++c) {
                    const Index h = i * l.stride.rows + r * l.dilation.rows - p.top;
                    const Index w = j * l.stride.cols + c * l.dilation.cols - p.left;
                    if (h >= 0 && h < height && w >= 0 && w < width) f(i, j, r, c, h, w);
                }
}

/// Calls f(position in x, in w, in y) for every product that correlate2d adds up.
template <class F>
void each_product(const Layout& l, const Shape& x, const Shape& w, Index groups, Pair outputs, F f) {
    const Index filters = w[0] / groups;
    for (Index n = 0; n < x[0]; ++n)
        for (Index k = 0; k < w[0]; ++k)
            for (Index c = 0; c < w[1]; ++c) {
                const Index image = (n * x[1] + k / filters * w[1] + c) * x[2] * x[3];
                const Index kernel = (k * w[1] + c) * w[2] * w[3];
                const Index output = (n * w[0] + k) * outputs.rows * outputs.cols;
                each_place(l, x[2], x[3], outputs, [&](Index i, Index j, Index r, Index q, Index h, Index v) {
                    f(static_cast<std::size_t>(image + h * x[3] + v), static_cast<std::size_t>(kernel + r * w[3] + q),
                      static_cast<std::size_t>(output + i * outputs.cols + j));
                });
            }
}

/// The gradients of sum(g y) at xs.
inline std::vector<Variable> pull(const Variable& y, const Variable& g, const std::vector<Variable>& xs) {
    return pullback(y, g, xs, false, Where::here());
}

}  // namespace xtape::window_reference
