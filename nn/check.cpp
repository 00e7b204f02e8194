#include <xtape/nn/check.hpp>

#include <fmt/format.h>

namespace xtape::nn::check {

void value(const Module& layer, const Variable& x, Where where) {
    if (!x) throw ValueError(fmt::format("{}: the input has no value", layer.describe()), where);
}

void rank(const Module& layer, const Variable& x, Index rank, const char* axes, Where where) {
    value(layer, x, where);
    if (x.rank() != rank)
        throw ShapeError(fmt::format("{}: the input must have {} axes {}, not {}: {}", layer.describe(), rank, axes,
                                     x.rank(), to_string(x.shape())),
                         where);
}

void size(const Module& layer, const Variable& x, Index axis, Index wanted, const char* name, Where where) {
    const Index size = x.shape()[axis < 0 ? axis + x.rank() : axis];
    if (size != wanted)
        throw ShapeError(fmt::format("{}: the input's {} must be {}: {}, {} != {}", layer.describe(), name, wanted,
                                     to_string(x.shape()), size, wanted),
                         where);
}

namespace {

void along(const Module& layer, const Variable& x, const char* name, Index size, Index before, Index after,
           Index kernel, Index dilation, Where where) {
    const Index extent = dilation * (kernel - 1) + 1;
    if (extent > size + before + after)
        throw ShapeError(
            fmt::format("{}: the window must fit into the input {}: {} of {} > {} + {} + {} (with padding)",
                        layer.describe(), to_string(x.shape()), name, extent, size, before, after),
            where);
}

}  // namespace

void window(const Module& layer, const Variable& x, Pair kernel, Pair dilation, const Padding& padding, Where where) {
    if (padding.is_same()) return;
    const Shape& shape = x.shape();
    along(layer, x, "rows", shape[2], padding.top(), padding.bottom(), kernel.rows, dilation.rows, where);
    along(layer, x, "columns", shape[3], padding.left(), padding.right(), kernel.cols, dilation.cols, where);
}

namespace {

constexpr Index largest = (Index{1} << 31) - 1;  // sums and products of two such settings do not overflow

}  // namespace

void setting(const char* layer, const char* name, Index value, Index least, Where where) {
    if (value < least)
        throw ValueError(fmt::format("{}: {} must be at least {}: {}", layer, name, least, value), where);
    if (value > largest)
        throw ValueError(fmt::format("{}: {} must be at most {}: {}", layer, name, largest, value), where);
}

void setting(const char* layer, const char* name, Pair value, Index least, Where where) {
    setting(layer, name, value.rows, least, where);
    setting(layer, name, value.cols, least, where);
}

void padding(const char* layer, const Padding& padding, Where where) {
    for (Index side : {padding.top(), padding.bottom(), padding.left(), padding.right()})
        setting(layer, "padding", side, 0, where);
}

}  // namespace xtape::nn::check

namespace xtape::nn::text {

std::string of(Pair pair) {
    return pair.rows == pair.cols ? std::to_string(pair.rows) : fmt::format("({}, {})", pair.rows, pair.cols);
}

std::string of(const Padding& padding) {
    if (padding.is_same()) return "same";
    if (padding.top() == padding.bottom() && padding.left() == padding.right())
        return of(Pair(padding.top(), padding.left()));
    return fmt::format("({}, {}, {}, {})", padding.top(), padding.bottom(), padding.left(), padding.right());
}

std::string option(const char* name, Pair value, Pair usual) {
    return value == usual ? "" : fmt::format(", {}={}", name, of(value));
}

std::string option(const char* name, const Padding& value) {
    const std::string text = of(value);
    return text == "0" ? "" : fmt::format(", {}={}", name, text);
}

std::string option(const char* name, Index value, Index usual) {
    return value == usual ? "" : fmt::format(", {}={}", name, value);
}

std::string option(const char* name, bool value, bool usual) {
    return value == usual ? "" : fmt::format(", {}={}", name, value);
}

}  // namespace xtape::nn::text
