#pragma once

#include <xtape/autograd/array.hpp>

/// Numbers that are not finite: NaN, inf and -inf.
namespace xtape::kernels {

/// Position of the first element, in row-major order, that is not finite; -1 when all are. One pass, which ends early.
Index first_non_finite(const Array& x);

}  // namespace xtape::kernels
