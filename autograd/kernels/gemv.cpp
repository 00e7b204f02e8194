#include <algorithm>

#include <xtape/autograd/kernels/gemm_tiles.hpp>
#include <xtape/autograd/kernels/scratch.hpp>
#include <xtape/autograd/kernels/vector.hpp>

/// Products of a matrix and a vector: the matrix is read once, as it lies, at the speed of memory.
namespace xtape::kernels {
namespace {

/// The sum of a vector's lanes.
template <class T>
T lane_sum(const Vector<T>& v) {
    alignas(64) T lane[vector_lanes<T>];
    store_vector(lane, v);
#pragma GCC unroll 4
    for (Index half = vector_lanes<T> / 2; half > 0; half /= 2) {
#pragma GCC unroll 8
        for (Index i = 0; i < half; ++i) lane[i] += lane[i + half];
    }
    return lane[0];
}

/// sums[i] = row i of A with x.
template <class T, Index height>
void dot_rows(Index k, const T* a, Index stride, const T* x, T* sums) {
    constexpr Index lanes = vector_lanes<T>;
    Vector<T> even[height] = {}, odd[height] = {};
    Index j = 0;
    for (; j + 2 * lanes <= k; j += 2 * lanes) {
        const Vector<T> x_even = load_vector(x + j), x_odd = load_vector(x + j + lanes);
#pragma GCC unroll 4
        for (Index i = 0; i < height; ++i) {
            even[i] += load_vector(a + i * stride + j) * x_even;
            odd[i] += load_vector(a + i * stride + j + lanes) * x_odd;
        }
    }
    for (; j < k; j += lanes) {
        const Index count = std::min(lanes, k - j);
        const Vector<T> x_last = load_vector(x + j, count);
#pragma GCC unroll 4
        for (Index i = 0; i < height; ++i) even[i] += load_vector(a + i * stride + j, count) * x_last;
    }
#pragma GCC unroll 4
    for (Index i = 0; i < height; ++i) sums[i] = lane_sum<T>(even[i] + odd[i]);
}

/// y = A x for rows that lie in memory as such.
template <class T>
void by_rows(Index m, Index k, const T* a, Index stride, const T* x, T* y, Index y_stride, bool accumulate) {
    constexpr Index height = 4;
    T sums[height];
    for (Index row = 0; row < m; row += height) {
        const Index count = std::min(height, m - row);
        if (count == height)
            dot_rows<T, height>(k, a + row * stride, stride, x, sums);
        else
            for (Index i = 0; i < count; ++i) dot_rows<T, 1>(k, a + (row + i) * stride, stride, x, sums + i);
        for (Index i = 0; i < count; ++i) {
            T& element = y[(row + i) * y_stride];
            element = accumulate ? element + sums[i] : sums[i];
        }
    }
}

/// y += `height` stored rows of A, each times its element of x.
template <class T, Index height>
void add_rows_times(Index m, const T* a, Index stride, const T* x, T* y, bool accumulate) {
    constexpr Index lanes = vector_lanes<T>;
    const auto sum = [&](auto load, Index j, Vector<T> first) {
        Vector<T> second{};
#pragma GCC unroll 8
        for (Index k = 0; k < height; ++k)
            (k % 2 == 0 ? first : second) += load(a + k * stride + j) * broadcast_vector(x[k]);
        return height == 1 ? first : first + second;
    };
    Index j = 0;
    for (; j + lanes <= m; j += lanes) {
        const auto load = [](const T* from) { return load_vector(from); };
        store_vector(y + j, sum(load, j, accumulate ? load(y + j) : Vector<T>{}));
    }
    if (const Index count = m - j; count > 0) {
        const auto load = [count](const T* from) { return load_vector(from, count); };
        store_vector(y + j, sum(load, j, accumulate ? load(y + j) : Vector<T>{}), count);
    }
}

/// y = A x for columns that lie in memory as rows, so many at a time that y stays in L1 cache.
template <class T>
void by_columns(Index m, Index k, const T* a, Index stride, const T* x, T* y, bool accumulate) {
    constexpr Index height = 8, widest = 2048;
    for (Index first = 0; first < m; first += widest) {
        const Index width = std::min(widest, m - first);
        Index depth = 0;
        for (; depth + height <= k; depth += height)
            add_rows_times<T, height>(width, a + depth * stride + first, stride, x + depth, y + first,
                                      accumulate || depth > 0);
        for (; depth < k; ++depth)
            add_rows_times<T, 1>(width, a + depth * stride + first, stride, x + depth, y + first,
                                 accumulate || depth > 0);
    }
}

}  // namespace

template <class T>
void gemv(Index m, Index k, Factor<T> a, const T* x, Index x_stride, T* y, Index y_stride, bool accumulate) {
    const Scratch<T> gathered(x_stride == 1 ? 0 : k);
    if (x_stride != 1) {
        for (Index i = 0; i < k; ++i) gathered.data()[i] = x[i * x_stride];
        x = gathered.data();
    }
    if (!a.transposed) return by_rows(m, k, a.elements, a.stride, x, y, y_stride, accumulate);
    if (y_stride == 1) return by_columns(m, k, a.elements, a.stride, x, y, accumulate);

    const Scratch<T> sums(m);
    by_columns(m, k, a.elements, a.stride, x, sums.data(), false);
    for (Index i = 0; i < m; ++i) {
        T& element = y[i * y_stride];
        element = accumulate ? element + sums.data()[i] : sums.data()[i];
    }
}

template void gemv(Index, Index, Factor<float>, const float*, Index, float*, Index, bool);
template void gemv(Index, Index, Factor<double>, const double*, Index, double*, Index, bool);

}  // namespace xtape::kernels
