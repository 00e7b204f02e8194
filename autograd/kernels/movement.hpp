#pragma once

#include <vector>

#include <xtape/autograd/kernels/strided.hpp>

/// Kernels that move elements without changing them. Arguments are checked by the operations.
namespace xtape::kernels {

/// Axis i of the result is axis permutation[i] of x.
Array permute(const Array& x, const Shape& permutation);

/// x repeated to a shape that it broadcasts to.
Array broadcast_to(const Array& x, const Shape& shape);

/// Reverses `axes` (in [0, rank)).
Array flip(const Array& x, const Shape& axes);

/// Each element `times` times in a row along an axis.
Array repeat(const Array& x, Index times, Index axis);

/// Arrays of one dtype, equal but for the size of `axis`, end to end.
Array concatenate(const std::vector<Array>& xs, Index axis);

/// A rectangular part of an array: count[i] positions along axis i, from start[i] on, step[i] apart.
struct Region {
    Shape start, step, count;

    /// All of an array of this shape.
    static Region whole(const Shape& shape);
    bool is_whole(const Shape& shape) const;
    /// Whether the positions lie side by side in ascending order.
    bool is_dense() const;
};

/// The elements of a region, in the region's shape.
Array slice(const Array& x, const Region& region);

/// `background` in `shape` but for the region, which takes the elements of x in row-major order.
Array place(const Array& x, const Shape& shape, const Region& region, double background);

}  // namespace xtape::kernels
