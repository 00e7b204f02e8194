#pragma once

#include <xtape/autograd/array.hpp>

/// Matrix products over OpenBLAS, which never starts threads of its own here: oneTBB owns them.
namespace xtape::kernels {

/// C = alpha op(A) op(B) + beta C, row-major; op(A) is m x k, op(B) is k x n, op transposes what is stored when asked
/// to. With beta = 0 what C held is not read. One thread, so it may be called inside parallel_for. Any size may be 0.
/// Throws ShapeError beyond the 2^31 - 1 of OpenBLAS.
template <class T>
void gemm(bool trans_a, bool trans_b, Index m, Index n, Index k, T alpha, const T* a, Index lda, const T* b, Index ldb,
          T beta, T* c, Index ldc);

/// op(A) op(B) over the last two axes; the axes before them are batches and broadcast. Needs fitting shapes of rank
/// >= 2 and one dtype. Parallel over batches and over blocks of C whose bounds follow from the shapes alone.
Array matmul(const Array& a, bool trans_a, const Array& b, bool trans_b);

}  // namespace xtape::kernels
