#pragma once

#include <cstdint>

#include <xtape/autograd/array.hpp>

/// Kernels that read and write at places named by integers. Indices are row-major, in range and not negative: the
/// operations check that. Whatever adds up does so in the order of the indices, for any number of threads.
namespace xtape::kernels {

using Places = const std::int64_t*;

/// x with `axis` replaced by the positions `places`, an array of shape `places_shape`.
Array take(const Array& x, Places places, const Shape& places_shape, Index axis);

/// Adjoint of take: zeros in `shape`, and g added at the places along `axis` that it was taken from.
Array index_add(const Array& g, Places places, const Shape& places_shape, const Shape& shape, Index axis);

/// out[..., i, ...] = x[..., places[..., i, ...], ...]; `places_shape` is no larger than x on the other axes.
Array gather(const Array& x, Places places, const Shape& places_shape, Index axis);

/// x with source (shaped like places) added at x[..., places[..., i, ...], ...]; in x's buffer when nobody else
/// holds it.
Array scatter_add(Array x, Places places, const Array& source, Index axis);

/// Zeros with a new last axis of size `classes`, and 1 at the label.
Array one_hot(Places labels, const Shape& labels_shape, Index classes, DType dtype);

}  // namespace xtape::kernels
