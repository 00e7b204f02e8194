#pragma once

#include <xtape/autograd/kernels/deferred_reduction.hpp>
#include <xtape/autograd/observer.hpp>

namespace xtape {

/// The reduction of x, or one that waits as x does; not while somebody looks on.
inline Array reduced_array(kernels::ReductionFunction reduction, const Array& x, const Shape& axes, bool keepdims) {
    Array later = x.waits() && !detail::looked_at() ? kernels::reduce_later(reduction, x, axes, keepdims) : Array();
    return later ? later : reduction(x, axes, keepdims);
}

}  // namespace xtape
