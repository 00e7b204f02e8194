#include <utility>

#include <xtape/autograd/kernels/im2col.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/ops/window_shape.hpp>
#include <xtape/autograd/tape.hpp>

namespace xtape {

namespace {

using kernels::Windows;

Variable columns_of(const Variable& x, const Windows& windows, Where where);
Variable image_of(const Variable& columns, const Windows& windows, Where where);

Variable columns_of(const Variable& x, const Windows& windows, Where where) {
    auto dx = on(x, [=](const Variable& g) { return image_of(g, windows, where); });
    return record("unfold", where, kernels::unfold(x.array(), windows), std::move(dx));
}

Variable image_of(const Variable& columns, const Windows& windows, Where where) {
    auto dcolumns = on(columns, [=](const Variable& g) { return columns_of(g, windows, where); });
    return record("fold", where, kernels::fold(columns.array(), windows), std::move(dcolumns));
}

}  // namespace

Variable unfold(Variable x, Pair kernel, Pair stride, Padding padding, Pair dilation, Where where) {
    return columns_of(x, shapes::unfold(x.shape(), kernel, stride, padding, dilation, where), where);
}

Variable fold(Variable columns, Pair size, Pair kernel, Pair stride, Padding padding, Pair dilation, Where where) {
    return image_of(columns, shapes::fold(columns.shape(), size, kernel, stride, padding, dilation, where), where);
}

}  // namespace xtape
