#pragma once

#include <xtape/autograd/kernels/gemm.hpp>

/// The products that do the work: dense ones tile by tile, and those with a vector.
namespace xtape::kernels {

/// gemm by tiles that stay in registers; every size at least 1. Good for any shape, best where no size is 1.
template <class T>
void gemm_by_tiles(Index m, Index n, Index k, Factor<T> a, Factor<T> b, T* c, Index c_stride, bool accumulate);

/// y = A x, or y += A x: A is m x k, both sizes at least 1.
template <class T>
void gemv(Index m, Index k, Factor<T> a, const T* x, Index x_stride, T* y, Index y_stride, bool accumulate);

}  // namespace xtape::kernels
