#pragma once

#include <xtape/autograd/array.hpp>

namespace xtape::kernels {

/// A reduction of reduce.hpp.
using ReductionFunction = Array (*)(const Array& x, const Shape& axes, bool keepdims);

/// The reduction of an x that waits for a product (deferred_product.hpp), which so goes on waiting; of others no array.
Array reduce_later(ReductionFunction reduction, const Array& x, const Shape& axes, bool keepdims);

}  // namespace xtape::kernels
