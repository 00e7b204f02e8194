#include <xtape/autograd/kernels/gemm.hpp>

#include <algorithm>

#include <xtape/autograd/kernels/gemm_paths.hpp>
#include <xtape/autograd/kernels/vector.hpp>

namespace xtape::kernels {
namespace {

/// Whether our tiles take a product, or OpenBLAS. On vectors of 32 bytes and more the tiles are as fast as its assembly or
/// faster, in both types; on narrow ones they are only where a product is lost in OpenBLAS' preparations.
bool by_tiles(Index m, Index n, Index k) {
    constexpr Index small = 50'000;
    return vector_bytes >= 32 || m * n * k <= small;
}

}  // namespace

template <class T>
void gemm(Index m, Index n, Index k, Factor<T> a, Factor<T> b, T* c, Index c_stride, bool accumulate) {
    if (m == 0 || n == 0) return;
    if (k == 0) {
        if (!accumulate)
            for (Index i = 0; i < m; ++i) std::fill_n(c + i * c_stride, n, T{0});
    } else if (n == 1) {
        gemv(m, k, a, b.elements, b.transposed ? 1 : b.stride, c, c_stride, accumulate);
    } else if (m == 1) {
        gemv(n, k, b.turned(), a.elements, a.transposed ? a.stride : 1, c, 1, accumulate);
    } else if (by_tiles(m, n, k)) {
        gemm_by_tiles(m, n, k, a, b, c, c_stride, accumulate);
    } else {
        gemm_by_openblas(m, n, k, a, b, c, c_stride, accumulate);
    }
}

template void gemm(Index, Index, Index, Factor<float>, Factor<float>, float*, Index, bool);
template void gemm(Index, Index, Index, Factor<double>, Factor<double>, double*, Index, bool);

}  // namespace xtape::kernels
