#pragma once

#include <xtape/autograd/array.hpp>
#include <xtape/autograd/kernels/epilogue.hpp>

/// Matrix products: by tiles and loops of our own or by OpenBLAS, as gemm.cpp decides by type and shape alone.
namespace xtape::kernels {

/// A factor of a product as it lies in memory: element (i, j) at `i * stride + j`, transposed at `j * stride + i`.
template <class T>
struct Factor {
    const T* elements;
    Index stride;
    bool transposed = false;

    /// The part that begins at (row, column).
    Factor from(Index row, Index column) const {
        return {elements + (transposed ? column * stride + row : row * stride + column), stride, transposed};
    }
    /// The transposed matrix: the same elements, read the other way.
    Factor turned() const { return {elements, stride, !transposed}; }
};

/// C = A B, or C += A B when told to accumulate: A is m x k, B is k x n, C row-major. Without accumulation what C held is
/// not read. One thread, so it may be called inside parallel_for. Any size may be 0.
template <class T>
void gemm(Index m, Index n, Index k, Factor<T> a, Factor<T> b, T* c, Index c_stride, bool accumulate);

/// op(A) op(B) over the last two axes, op transposes what is stored when asked to; the axes before them are batches and
/// broadcast. Needs fitting shapes of rank >= 2 and one dtype. Parallel over batches and over blocks of C whose bounds
/// follow from the shapes alone. An epilogue needs a bias.
Array matmul(const Array& a, bool trans_a, const Array& b, bool trans_b, const Epilogue& epilogue = {});

/// Where an m x k matrix times a column is cut along rows, and its transpose times a column too, as sums over pieces of them:
/// the rows of a piece, a multiple of 64. Elsewhere 0.
Index rows_of_piece(Index m, Index k);

}  // namespace xtape::kernels
