#include <xtape/autograd/kernels/gemm.hpp>

#include <algorithm>
#include <limits>
#include <utility>

#include <cblas.h>
#include <fmt/format.h>

#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/autograd/kernels/scratch.hpp>

namespace xtape::kernels {
namespace {

/// OpenBLAS' own pool fights ours. Only its pthread flavour is told so: for the OpenMP flavour the same call would set
/// OpenMP's thread count for the whole program.
bool silence_openblas() {
    constexpr int pthread_flavour = 1;
    if (openblas_get_parallel() == pthread_flavour) openblas_set_num_threads(1);
    return true;
}

blasint blas_size(Index size) {
    constexpr Index limit = std::numeric_limits<blasint>::max();
    if (size > limit) throw ShapeError(fmt::format("matmul: size {} is beyond OpenBLAS' limit {}", size, limit));
    return static_cast<blasint>(size);
}

CBLAS_TRANSPOSE blas_flag(bool transposed) { return transposed ? CblasTrans : CblasNoTrans; }

void blas_gemm(CBLAS_TRANSPOSE op_a, CBLAS_TRANSPOSE op_b, blasint m, blasint n, blasint k, float alpha, const float* a,
               blasint lda, const float* b, blasint ldb, float beta, float* c, blasint ldc) {
    cblas_sgemm(CblasRowMajor, op_a, op_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
void blas_gemm(CBLAS_TRANSPOSE op_a, CBLAS_TRANSPOSE op_b, blasint m, blasint n, blasint k, double alpha,
               const double* a, blasint lda, const double* b, blasint ldb, double beta, double* c, blasint ldc) {
    cblas_dgemm(CblasRowMajor, op_a, op_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
void blas_gemv(CBLAS_TRANSPOSE op, blasint rows, blasint columns, float alpha, const float* a, blasint lda,
               const float* x, blasint stride_x, float beta, float* y, blasint stride_y) {
    cblas_sgemv(CblasRowMajor, op, rows, columns, alpha, a, lda, x, stride_x, beta, y, stride_y);
}
void blas_gemv(CBLAS_TRANSPOSE op, blasint rows, blasint columns, double alpha, const double* a, blasint lda,
               const double* x, blasint stride_x, double beta, double* y, blasint stride_y) {
    cblas_dgemv(CblasRowMajor, op, rows, columns, alpha, a, lda, x, stride_x, beta, y, stride_y);
}

/// C = beta C, without reading C when beta is 0.
template <class T>
void scale(Index m, Index n, T beta, T* c, Index ldc) {
    for (Index i = 0; i < m; ++i) {
        T* row = c + i * ldc;
        if (beta == T{0})
            std::fill(row, row + n, T{0});
        else
            for (Index j = 0; j < n; ++j) row[j] *= beta;
    }
}

}  // namespace

template <class T>
void gemm(bool trans_a, bool trans_b, Index m, Index n, Index k, T alpha, const T* a, Index lda, const T* b, Index ldb,
          T beta, T* c, Index ldc) {
    [[maybe_unused]] static const bool silenced = silence_openblas();
    if (m == 0 || n == 0) return;
    if (k == 0) return scale(m, n, beta, c, ldc);
    if (m > 1 && n > 1)
        return blas_gemm(blas_flag(trans_a), blas_flag(trans_b), blas_size(m), blas_size(n), blas_size(k), alpha, a,
                         blas_size(lda), b, blas_size(ldb), beta, c, blas_size(ldc));

    // Some OpenBLAS versions let NaN in y survive beta = 0.
    if (beta != T{1}) scale(m, n, beta, c, ldc);
    if (n == 1)
        blas_gemv(blas_flag(trans_a), blas_size(trans_a ? k : m), blas_size(trans_a ? m : k), alpha, a, blas_size(lda),
                  b, trans_b ? 1 : blas_size(ldb), T{1}, c, blas_size(ldc));
    else
        blas_gemv(blas_flag(!trans_b), blas_size(trans_b ? n : k), blas_size(trans_b ? k : n), alpha, b, blas_size(ldb),
                  a, trans_a ? blas_size(lda) : 1, T{1}, c, 1);
}

template void gemm(bool, bool, Index, Index, Index, float, const float*, Index, const float*, Index, float, float*,
                   Index);
template void gemm(bool, bool, Index, Index, Index, double, const double*, Index, const double*, Index, double, double*,
                   Index);

namespace {

/// One matrix product of a batch, stored without gaps.
template <class T>
struct Product {
    bool trans_a, trans_b;
    Index m, n, k;
    const T* a;
    const T* b;
    T* c;

    /// The part of the terms [depth, depth + depths) in the rows x columns of C that begin at (row, column), to `out`.
    void block(Index row, Index rows, Index column, Index columns, Index depth, Index depths, T* out) const {
        const Index lda = trans_a ? m : k, ldb = trans_b ? k : n;
        gemm(trans_a, trans_b, rows, columns, depths, T{1}, a + (trans_a ? depth * lda + row : row * lda + depth), lda,
             b + (trans_b ? column * ldb + depth : depth * ldb + column), ldb, T{0}, out, n);
    }
};

/// Where products of one shape are cut: along rows, columns or the summed axis, into blocks worth a task each.
struct Cut {
    enum Along { rows, columns, depth } along;
    Index length;  ///< of the axis that is cut
    Index block;

    Index pieces() const { return std::max<Index>(1, (length + block - 1) / block); }
    Index size(Index piece) const { return std::min(block, length - piece * block); }

    Cut(Index m, Index n, Index k, Index batches) {
        constexpr Index task = Index{1} << 20;  // multiplications that outweigh starting a task many times
        const bool slim = m * n <= 128 * 128 && k >= 32 * std::max(m, n) && batches == 1;
        along = slim ? depth : m >= n ? rows : columns;
        length = slim ? k : std::max(m, n);
        const Index rest = std::max<Index>(1, slim ? m * n : std::min(m, n) * k);
        // Below 128 rows OpenBLAS' packing of the other matrix begins to weigh; partial results must stay few.
        const Index least = slim ? std::max<Index>(1024, length / 16) : 128;
        block = std::max(least, task / rest);
        block = (block + 63) / 64 * 64;
    }
};

template <class T>
void run(const Product<T>& p, const Cut& cut, Index piece) {
    const Index first = piece * cut.block, size = cut.size(piece);
    if (cut.along == Cut::rows)
        p.block(first, size, 0, p.n, 0, p.k, p.c + first * p.n);
    else if (cut.along == Cut::columns)
        p.block(0, p.m, first, size, 0, p.k, p.c + first);
    else
        p.block(0, p.m, 0, p.n, first, size, p.c);
}

/// C as the sum, in order, of products over pieces of the summed axis.
template <class T>
void sum_of_pieces(const Product<T>& p, const Cut& cut) {
    const Index size = p.m * p.n;
    const Scratch<T> partial(cut.pieces() * size);
    T* const partials = partial.data();
    parallel_for(cut.pieces(), 1, [&](Index begin, Index end) {
        for (Index piece = begin; piece < end; ++piece) {
            Product<T> to_partial = p;
            to_partial.c = partials + piece * size;
            run(to_partial, cut, piece);
        }
    });
    std::copy_n(partials, size, p.c);
    for (Index piece = 1; piece < cut.pieces(); ++piece)
        for (Index i = 0; i < size; ++i) p.c[i] += partials[piece * size + i];
}

/// The batch axes of a product: C counts through them, an operand of size 1 stays where it is.
struct Batches {
    Shape shape, strides_a, strides_b;  // strides in matrices

    Batches(const Shape& a, const Shape& b) {
        const Index rank = std::max(a.rank(), b.rank()) - 2;
        shape = strides_a = strides_b = Shape::filled(rank, 0);
        Index matrices_a = 1, matrices_b = 1;
        for (Index axis = rank - 1; axis >= 0; --axis) {
            const Index size_a = size_of(a, axis - rank), size_b = size_of(b, axis - rank);
            shape[axis] = size_a == 1 ? size_b : size_a;
            strides_a[axis] = size_a == 1 ? 0 : matrices_a;
            strides_b[axis] = size_b == 1 ? 0 : matrices_b;
            matrices_a *= size_a;
            matrices_b *= size_b;
        }
    }

    /// Which matrix of A and of B gives matrix `i` of C.
    std::pair<Index, Index> sources(Index i) const {
        Index a = 0, b = 0;
        for (Index axis = shape.rank() - 1; axis >= 0; --axis) {
            const Index position = i % shape[axis];
            i /= shape[axis];
            a += position * strides_a[axis];
            b += position * strides_b[axis];
        }
        return {a, b};
    }

private:
    static Index size_of(const Shape& operand, Index from_matrix) {
        const Index axis = operand.rank() - 2 + from_matrix;
        return axis < 0 ? 1 : operand[axis];
    }
};

}  // namespace

Array matmul(const Array& a, bool trans_a, const Array& b, bool trans_b) {
    const Index m = a.shape(trans_a ? -1 : -2), k = a.shape(trans_a ? -2 : -1), n = b.shape(trans_b ? -2 : -1);
    const Batches batches(a.shape(), b.shape());
    Shape shape = batches.shape;
    shape.push_back(m);
    shape.push_back(n);
    Array c = Array::uninitialized(shape, a.dtype());
    if (c.size() == 0) return c;

    const Index count = batches.shape.count();
    const Cut cut(m, n, k, count);
    dispatch(a.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const Product<T> first{trans_a, trans_b, m, n, k, a.data<T>(), b.data<T>(), c.mutable_data<T>()};
        if (cut.along == Cut::depth && cut.pieces() > 1) return sum_of_pieces(first, cut);

        const Index grain = std::max<Index>(1, (Index{1} << 18) / std::max<Index>(1, m * n * k));
        parallel_for(count * cut.pieces(), grain, [&](Index begin, Index end) {
            for (Index task = begin; task < end; ++task) {
                const Index matrix = task / cut.pieces();
                const auto [matrix_a, matrix_b] = batches.sources(matrix);
                Product<T> product = first;
                product.a += matrix_a * m * k;
                product.b += matrix_b * k * n;
                product.c += matrix * m * n;
                run(product, cut, task % cut.pieces());
            }
        });
    });
    return c;
}

}  // namespace xtape::kernels
