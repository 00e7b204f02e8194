#pragma once

#include <cstdint>

#include <xtape/autograd/array.hpp>

/// Passes along one axis that keep their place in it.
namespace xtape::kernels {

/// Running sum along an axis, carried in float64; from the end when `reversed`.
Array cumsum(const Array& x, Index axis, bool reversed);

/// The first position along an axis where x equals `wanted` (x's shape with that axis 1) or is NaN, into one place for
/// each element of `wanted`. Every row has such a position; the axis is not empty.
void find_first(const Array& x, const Array& wanted, Index axis, std::int64_t* places);

}  // namespace xtape::kernels
