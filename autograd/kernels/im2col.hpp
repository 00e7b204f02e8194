#pragma once

#include <xtape/autograd/array.hpp>
#include <xtape/autograd/kernels/windows.hpp>

/// Windows as the columns of a matrix, so that a convolution is a matrix product, and the adjoint.
namespace xtape::kernels {

/// For `channels` images in a row, row (channel, r, c) of `columns` holds what outputs of `rows` see under tap (r, c),
/// and zeros outside of the image. A row of `columns` is rows.size() * outputs.cols long.
template <class T>
void im2col(const T* images, Index channels, const Windows& windows, Span rows, T* columns);

/// Adds such columns back into the images they came from.
template <class T>
void col2im(const T* columns, Index channels, const Windows& windows, Span rows, T* images);

/// x (N, C, H, W) to (N, C h w, L).
Array unfold(const Array& x, const Windows& windows);

/// columns (N, C h w, L) to (N, C, H, W).
Array fold(const Array& columns, const Windows& windows);

}  // namespace xtape::kernels
