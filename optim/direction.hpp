#pragma once

#include <cstdint>
#include <vector>

#include <xtape/optim/optimizer.hpp>

/// Directions in the space of all parameters, with sums in double whatever the element types.
namespace xtape::optim {

/// One array for each parameter, shaped like it.
using Direction = std::vector<Array>;

/// Inner product.
double dot(const Direction& a, const Direction& b);
/// Euclidean length.
double length(const Direction& a);
/// s a + t b.
Direction combined(double s, const Direction& a, double t, const Direction& b);
/// s a.
Direction scaled(double s, const Direction& a);

/// Standard normal numbers, other ones for each seed and stream.
Direction random_direction(const ParameterList& parameters, std::uint64_t seed, std::uint64_t stream = 0);

/// Filter normalisation (Li et al., arXiv:1712.09913): each filter of the direction gets the length of the parameter's own, so
/// that the scale of weights, which a normalising or ReLU network does not see, does not count. Filters are what one output
/// is made of: the columns of a matrix (in, out), else the slices along axis 0. Biases and what else has fewer than two axes do
/// not move.
Direction filter_normalized(Direction direction, const ParameterList& parameters);

}  // namespace xtape::optim
