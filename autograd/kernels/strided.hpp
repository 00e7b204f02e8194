#pragma once

#include <xtape/autograd/array.hpp>

/// Copies between two ways of walking through elements: what permute, broadcast, slice, flip, repeat and concatenate
/// have in common.
namespace xtape::kernels {

/// A walk over an array's elements: the element it starts at and how many elements one step along each axis is.
/// Stride 0 repeats, a negative one goes backwards.
struct Walk {
    Index start = 0;
    Shape strides;
};

/// The strides of a row-major array of this shape.
Shape contiguous(const Shape& shape);

/// Copies every element of `from` to its place in `to`, both walked over `sizes`: adjacent axes are merged, what is
/// left runs as contiguous copies, fills or blocked transposes, in parallel. Walks stay inside their arrays and never
/// come to a place of `to` twice.
void strided_copy(const Shape& sizes, Array& to, Walk to_walk, const Array& from, Walk from_walk);

}  // namespace xtape::kernels
