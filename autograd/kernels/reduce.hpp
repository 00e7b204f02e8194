#pragma once

#include <xtape/autograd/array.hpp>

/// Reductions over any axes. `axes` are normalised and sorted (shapes::axes); with keepdims they stay with size 1. A
/// result's bits do not depend on the number of threads.
namespace xtape::kernels {

/// Sum; of nothing 0.
Array reduce_sum(const Array& x, const Shape& axes, bool keepdims);
/// reduce_sum(x, {0}, false) of a matrix; of a small one with nothing to prepare.
Array sum_of_rows(const Array& x);
/// Mean; of nothing NaN.
Array reduce_mean(const Array& x, const Shape& axes, bool keepdims);
/// Product; of nothing 1.
Array reduce_prod(const Array& x, const Shape& axes, bool keepdims);
/// Maximum, NaN if there is one; of nothing -inf.
Array reduce_max(const Array& x, const Shape& axes, bool keepdims);
/// Minimum, NaN if there is one; of nothing inf.
Array reduce_min(const Array& x, const Shape& axes, bool keepdims);
/// Mean of (x - mean)^2, divided by n - ddof; in two passes, so that a large mean costs no digits.
Array reduce_variance(const Array& x, const Shape& axes, bool keepdims, Index ddof);
/// Square root of the variance.
Array reduce_deviation(const Array& x, const Shape& axes, bool keepdims, Index ddof);
/// Euclidean norm.
Array reduce_norm(const Array& x, const Shape& axes, bool keepdims);
/// log(sum(e^x)), shifted by the maximum.
Array reduce_logsumexp(const Array& x, const Shape& axes, bool keepdims);
/// Sum of e^(x - centre); centre has x's shape reduced with keepdims.
Array reduce_exponentials(const Array& x, const Array& centre, const Shape& axes, bool keepdims);
/// The same over elements below the centre only.
Array reduce_exponentials_below(const Array& x, const Array& centre, const Shape& axes, bool keepdims);

}  // namespace xtape::kernels
