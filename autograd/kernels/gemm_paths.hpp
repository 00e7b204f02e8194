#pragma once

#include <xtape/autograd/kernels/gemm.hpp>

/// The ways to a product, among which gemm.cpp chooses; every size is at least 1.
namespace xtape::kernels {

/// gemm by tiles that stay in registers. Good for any shape, best where neither m nor n is 1.
template <class T>
void gemm_by_tiles(Index m, Index n, Index k, Factor<T> a, Factor<T> b, T* c, Index c_stride, bool accumulate);

/// gemm by OpenBLAS, on one thread. Throws ShapeError beyond its 2^31 - 1.
template <class T>
void gemm_by_openblas(Index m, Index n, Index k, Factor<T> a, Factor<T> b, T* c, Index c_stride, bool accumulate);

/// y = A x, or y += A x: A is m x k.
template <class T>
void gemv(Index m, Index k, Factor<T> a, const T* x, Index x_stride, T* y, Index y_stride, bool accumulate);

}  // namespace xtape::kernels
