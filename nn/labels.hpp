#pragma once

#include <string>

#include <xtape/autograd/ops.hpp>

/// Integer labels and indices, looked over before they are used.
namespace xtape::nn::labels {

/// Row-major number of the first entry outside [0, count), or -1.
Index first_outside(const IntArray& labels, Index count);

/// Entry number `i` in row-major order.
std::int64_t at(const IntArray& labels, Index i);

/// Where entry number `i` stands: "5", or "(1, 2)" when there is more than one axis.
std::string position(const IntArray& labels, Index i);
std::string position(const Shape& shape, Index i);

}  // namespace xtape::nn::labels
