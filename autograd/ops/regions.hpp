#pragma once

#include <xtape/autograd/kernels/movement.hpp>
#include <xtape/autograd/variable.hpp>

/// Reading and filling rectangular regions: what slice, pad, concatenate, stack and split are made of.
namespace xtape {

/// The elements of a region of x in the shape `result`; adjoint of place.
Variable slice_region(Variable x, const kernels::Region& region, const Shape& result, Where where);

/// Zeros in `shape` with the elements of x in the region; adjoint of slice_region.
Variable place_region(Variable x, const Shape& shape, const kernels::Region& region, Where where);

/// Positions [start, start + count) of one axis, all of the others.
kernels::Region part_of(const Shape& shape, Index axis, Index start, Index count);

/// Throws ShapeError when an operation's result would have more axes than a Shape holds.
void require_rank(const char* op, Index rank, Where where);

}  // namespace xtape
