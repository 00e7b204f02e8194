#pragma once

#include <xtape/autograd/kernels/convolution.hpp>
#include <xtape/autograd/shape.hpp>

/// Shape rules of the window operations: everything a user can get wrong is checked here, before any kernel runs. They
/// throw ShapeError for sizes that do not fit, ValueError for a stride, dilation, padding or groups out of range.
namespace xtape::shapes {

/// x (N, C, H, W) with w (K, C / groups, h, w).
kernels::Convolution correlate2d(const char* op, const Shape& x, const Shape& w, Pair stride, const Padding& padding,
                                 Pair dilation, Index groups, Where where);

/// The same with a bias (K,).
kernels::Convolution conv2d(const char* op, const Shape& x, const Shape& w, const Shape& bias, Pair stride,
                            const Padding& padding, Pair dilation, Index groups, Where where);

/// The correlation whose input gradient takes x (N, K, H, W) and w (K, C / groups, h, w) to (N, C, H', W'), with
/// H' = (H - 1) stride - padding + dilation (h - 1) + output_padding + 1, or H stride for `same`.
kernels::Convolution conv_transpose2d(const Shape& x, const Shape& w, Pair stride, const Padding& padding,
                                      Pair output_padding, Pair dilation, Index groups, Where where);

/// x (N, C, H, W); padding must be smaller than the kernel, so that every window touches the image.
kernels::Windows pool2d(const char* op, const Shape& x, Pair kernel, Pair stride, const Padding& padding, Where where);

/// x (N, C, H, W).
kernels::Windows unfold(const Shape& x, Pair kernel, Pair stride, const Padding& padding, Pair dilation, Where where);

/// columns (N, C h w, L) for images of `size`.
kernels::Windows fold(const Shape& columns, Pair size, Pair kernel, Pair stride, const Padding& padding, Pair dilation,
                      Where where);

}  // namespace xtape::shapes
