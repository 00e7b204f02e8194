#include <limits>

#include <cblas.h>
#include <fmt/format.h>

#include <xtape/autograd/kernels/gemm_paths.hpp>

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

void blas_gemm(CBLAS_TRANSPOSE op_a, CBLAS_TRANSPOSE op_b, blasint m, blasint n, blasint k, const float* a, blasint lda,
               const float* b, blasint ldb, float beta, float* c, blasint ldc) {
    cblas_sgemm(CblasRowMajor, op_a, op_b, m, n, k, 1, a, lda, b, ldb, beta, c, ldc);
}
void blas_gemm(CBLAS_TRANSPOSE op_a, CBLAS_TRANSPOSE op_b, blasint m, blasint n, blasint k, const double* a,
               blasint lda, const double* b, blasint ldb, double beta, double* c, blasint ldc) {
    cblas_dgemm(CblasRowMajor, op_a, op_b, m, n, k, 1, a, lda, b, ldb, beta, c, ldc);
}

}  // namespace

template <class T>
void gemm_by_openblas(Index m, Index n, Index k, Factor<T> a, Factor<T> b, T* c, Index c_stride, bool accumulate) {
    [[maybe_unused]] static const bool silenced = silence_openblas();
    const auto op = [](const Factor<T>& factor) { return factor.transposed ? CblasTrans : CblasNoTrans; };
    blas_gemm(op(a), op(b), blas_size(m), blas_size(n), blas_size(k), a.elements, blas_size(a.stride), b.elements,
              blas_size(b.stride), accumulate ? T{1} : T{0}, c, blas_size(c_stride));
}

template void gemm_by_openblas(Index, Index, Index, Factor<float>, Factor<float>, float*, Index, bool);
template void gemm_by_openblas(Index, Index, Index, Factor<double>, Factor<double>, double*, Index, bool);

}  // namespace xtape::kernels
