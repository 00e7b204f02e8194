#include <xtape/autograd/ops/window_shape.hpp>

#include <fmt/format.h>

namespace xtape::shapes {

namespace {

using kernels::Convolution;
using kernels::Windows;

// Products and sums of a few sizes below it stay in range.
constexpr Index largest = (Index{1} << 31) - 1;

constexpr const char* axis_names[] = {"rows", "columns"};

std::string text(Pair pair) { return fmt::format("({}, {})", pair.rows, pair.cols); }

void check_range(const char* op, const char* name, Pair value, Index least, Where where) {
    if (value.rows < least || value.cols < least)
        throw ValueError(fmt::format("{}: {} must be at least {}, got {}", op, name, least, text(value)), where);
    if (value.rows > largest || value.cols > largest)
        throw ValueError(fmt::format("{}: {} must be at most {}, got {}", op, name, largest, text(value)), where);
}

void check_rank(const char* op, const char* name, const char* axes, const Shape& shape, Index rank, Where where) {
    if (shape.rank() != rank)
        throw ShapeError(fmt::format("{}: {} must have {} axes {}, got {}: {} != {}", op, name, rank, axes,
                                     to_string(shape), shape.rank(), rank),
                         where);
    for (Index size : shape)
        if (size > largest)
            throw ShapeError(fmt::format("{}: {} {} is too large: {} > {}", op, name, to_string(shape), size, largest),
                             where);
}

void check_size(const char* op, const char* name, Index size, Where where) {
    if (size > largest) throw ShapeError(fmt::format("{}: {} too large: {} > {}", op, name, size, largest), where);
}

/// How windows lie along one axis.
struct Axis {
    Index size;
    Index kernel;
    Index stride;
    Index dilation;
    Index before;
    Index after;

    Index extent() const { return (kernel - 1) * dilation + 1; }
    Index padded() const { return size + before + after; }
    Index outputs() const { return padded() < extent() ? 0 : (padded() - extent()) / stride + 1; }

    void pad_to_same() {
        const Index wanted = (size + stride - 1) / stride;
        const Index total = wanted == 0 ? 0 : std::max<Index>(0, (wanted - 1) * stride + extent() - size);
        before = total / 2;
        after = total - before;
    }
};

/// The arguments that all of these operations share, checked.
struct Arguments {
    const char* op;
    Pair kernel;
    Pair stride;
    const Padding& padding;
    Pair dilation;
    Where where;

    void check() const {
        check_range(op, "kernel size", kernel, 1, where);
        check_range(op, "stride", stride, 1, where);
        check_range(op, "dilation", dilation, 1, where);
        check_range(op, "padding", {padding.top(), padding.left()}, 0, where);
        check_range(op, "padding", {padding.bottom(), padding.right()}, 0, where);
        check_size(op, "kernel", kernel.rows * kernel.cols, where);
    }

    Axis rows(Index size) const {
        return {size, kernel.rows, stride.rows, dilation.rows, padding.top(), padding.bottom()};
    }
    Axis cols(Index size) const {
        return {size, kernel.cols, stride.cols, dilation.cols, padding.left(), padding.right()};
    }

    /// The windows over an image, as many as fit.
    Windows over(Pair image) const {
        Axis axes[] = {rows(image.rows), cols(image.cols)};
        for (int i = 0; i < 2; ++i) {
            Axis& a = axes[i];
            if (padding.is_same()) {
                a.pad_to_same();
            } else if (a.padded() < a.extent()) {
                throw ShapeError(
                    fmt::format(
                        "{}: kernel larger than the padded image along its {}: {} > {} (kernel {}, dilation {}, "
                        "image {}, padding {} + {})",
                        op, axis_names[i], a.extent(), a.padded(), a.kernel, a.dilation, a.size, a.before, a.after),
                    where);
            }
            check_size(op, "result", a.outputs(), where);
        }
        return {
            image, kernel, stride, dilation, {axes[0].before, axes[1].before}, {axes[0].outputs(), axes[1].outputs()}};
    }
};

Pair last_two(const Shape& shape) { return {shape[2], shape[3]}; }

void check_groups(const char* op, const char* of, Index count, Index groups, Where where) {
    if (count % groups != 0)
        throw ShapeError(fmt::format("{}: groups do not divide the {}: {} % {} != 0", op, of, count, groups), where);
}

void check_kernel(const char* op, const Shape& x, const Shape& w, Index groups, Where where) {
    check_rank(op, "x", "(N, C, H, W)", x, 4, where);
    check_rank(op, "w", "(K, C / groups, h, w)", w, 4, where);
    if (groups < 1 || groups > largest)
        throw ValueError(fmt::format("{}: groups must be between 1 and {}, got {}", op, largest, groups), where);
}

}  // namespace

Convolution correlate2d(const char* op, const Shape& x, const Shape& w, Pair stride, const Padding& padding,
                        Pair dilation, Index groups, Where where) {
    check_kernel(op, x, w, groups, where);
    check_groups(op, "channels of x", x[1], groups, where);
    check_groups(op, "filters of w", w[0], groups, where);
    if (x[1] / groups != w[1])
        throw ShapeError(fmt::format("{}: channels differ: x {} in {} group{} and w {}, {} != {}", op, to_string(x),
                                     groups, groups == 1 ? "" : "s", to_string(w), x[1] / groups, w[1]),
                         where);
    const Arguments arguments{op, last_two(w), stride, padding, dilation, where};
    arguments.check();
    return {x[1], w[0], groups, arguments.over(last_two(x))};
}

Convolution conv2d(const char* op, const Shape& x, const Shape& w, const Shape& bias, Pair stride,
                   const Padding& padding, Pair dilation, Index groups, Where where) {
    const Convolution c = correlate2d(op, x, w, stride, padding, dilation, groups, where);
    if (bias != Shape{c.filters})
        throw ShapeError(
            fmt::format("{}: the bias must be ({},), one number for each filter: {}", op, c.filters, to_string(bias)),
            where);
    return c;
}

Convolution conv_transpose2d(const Shape& x, const Shape& w, Pair stride, const Padding& padding, Pair output_padding,
                             Pair dilation, Index groups, Where where) {
    const char* const op = "conv_transpose2d";
    check_kernel(op, x, w, groups, where);
    check_groups(op, "channels of x", x[1], groups, where);
    if (x[1] != w[0])
        throw ShapeError(fmt::format("{}: channels of x differ from filters of w: x {} and w {}, {} != {}", op,
                                     to_string(x), to_string(w), x[1], w[0]),
                         where);
    const Arguments arguments{op, last_two(w), stride, padding, dilation, where};
    arguments.check();
    check_range(op, "output_padding", output_padding, 0, where);
    if (padding.is_same() && !(output_padding == Pair(0)))
        throw ValueError(
            fmt::format("{}: output_padding must be 0 with same padding, got {}", op, text(output_padding)), where);

    Axis axes[] = {arguments.rows(x[2]), arguments.cols(x[3])};
    const Index extra[] = {output_padding.rows, output_padding.cols};
    Index sizes[2];
    for (int i = 0; i < 2; ++i) {
        Axis& a = axes[i];
        if (extra[i] >= std::max(a.stride, a.dilation))
            throw ValueError(fmt::format("{}: output_padding must be smaller than stride or dilation along the {}: {} "
                                         ">= max({}, {})",
                                         op, axis_names[i], extra[i], a.stride, a.dilation),
                             where);
        sizes[i] = padding.is_same() ? a.size * a.stride
                                     : (a.size - 1) * a.stride + a.extent() - a.before - a.after + extra[i];
        if (!padding.is_same() && sizes[i] < 1)
            throw ShapeError(fmt::format("{}: nothing is left along the {}: ({} - 1) * {} + {} - {} - {} + {} = {} < 1",
                                         op, axis_names[i], a.size, a.stride, a.extent(), a.before, a.after, extra[i],
                                         sizes[i]),
                             where);
        check_size(op, "result", sizes[i], where);
        a.size = sizes[i];
        if (padding.is_same()) a.pad_to_same();
    }
    return {w[1] * groups,
            w[0],
            groups,
            {{sizes[0], sizes[1]}, last_two(w), stride, dilation, {axes[0].before, axes[1].before}, last_two(x)}};
}

Windows pool2d(const char* op, const Shape& x, Pair kernel, Pair stride, const Padding& padding, Where where) {
    check_rank(op, "x", "(N, C, H, W)", x, 4, where);
    const Arguments arguments{op, kernel, stride, padding, 1, where};
    arguments.check();
    const Axis axes[] = {arguments.rows(x[2]), arguments.cols(x[3])};
    for (int i = 0; i < 2; ++i) {
        const Index most = std::max(axes[i].before, axes[i].after);
        if (most >= axes[i].kernel)
            throw ValueError(fmt::format("{}: padding must be smaller than the kernel along the {}: {} >= {}", op,
                                         axis_names[i], most, axes[i].kernel),
                             where);
    }
    const Windows windows = arguments.over(last_two(x));
    if (windows.output_size() > 0 && windows.image_size() == 0)
        throw ShapeError(fmt::format("{}: windows over nothing but padding: image {}", op, text(windows.image)), where);
    return windows;
}

Windows unfold(const Shape& x, Pair kernel, Pair stride, const Padding& padding, Pair dilation, Where where) {
    check_rank("unfold", "x", "(N, C, H, W)", x, 4, where);
    const Arguments arguments{"unfold", kernel, stride, padding, dilation, where};
    arguments.check();
    return arguments.over(last_two(x));
}

Windows fold(const Shape& columns, Pair size, Pair kernel, Pair stride, const Padding& padding, Pair dilation,
             Where where) {
    check_rank("fold", "columns", "(N, C h w, L)", columns, 3, where);
    const Arguments arguments{"fold", kernel, stride, padding, dilation, where};
    arguments.check();
    check_range("fold", "size", size, 0, where);
    const Windows windows = arguments.over(size);
    if (columns[1] % windows.taps() != 0)
        throw ShapeError(fmt::format("fold: columns {} do not hold whole windows of {}: {} % {} != 0",
                                     to_string(columns), text(kernel), columns[1], windows.taps()),
                         where);
    if (columns[2] != windows.output_size())
        throw ShapeError(fmt::format("fold: number of windows differs: columns {}, {} != {} x {} = {} for images of {}",
                                     to_string(columns), columns[2], windows.outputs.rows, windows.outputs.cols,
                                     windows.output_size(), text(size)),
                         where);
    return windows;
}

}  // namespace xtape::shapes
