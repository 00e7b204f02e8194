#include <algorithm>

#include <xtape/autograd/kernels/fold.hpp>
#include <xtape/autograd/kernels/gemm_paths.hpp>
#include <xtape/autograd/kernels/scratch.hpp>

/// Products of a matrix and a vector: the matrix is read once, as it lies, at the speed of memory.
namespace xtape::kernels {
namespace {

/// sums[i] = row i of A with x, lane by lane; a row is added up in `ways` independent sums.
template <class T, Index height, Index ways>
void dot_rows(Index k, const T* a, Index stride, const T* x, Vector<T>* sums) {
    constexpr Index lanes = vector_lanes<T>;
    Vector<T> sum[height][ways] = {};
    const auto add = [&](auto load, Index j, Index way) {
        const Vector<T> part = load(x + j);
#pragma GCC unroll 16
        for (Index i = 0; i < height; ++i) sum[i][way] += load(a + i * stride + j) * part;
    };
    const auto whole = [](const T* from) { return load_vector(from); };
    Index j = 0;
    for (; j + ways * lanes <= k; j += ways * lanes) {
#pragma GCC unroll 8
        for (Index way = 0; way < ways; ++way) add(whole, j + way * lanes, way);
    }
    for (; j + lanes <= k; j += lanes) add(whole, j, 0);
    if (const Index left = k - j; left > 0) add([left](const T* from) { return load_vector(from, left); }, j, 0);
#pragma GCC unroll 16
    for (Index i = 0; i < height; ++i) {
#pragma GCC unroll 8
        for (Index way = 1; way < ways; ++way) sum[i][0] += sum[i][way];
        sums[i] = sum[i][0];
    }
}

struct Add {
    template <class V>
    static V combine(const V& a, const V& b) {
        return a + b;
    }
};

/// y = A x for rows that lie in memory as such. The sums of as many as a vector has lanes are folded together. Long rows are
/// read eight at a time, for more may fall into one set of the first cache.
template <class T>
void by_rows(Index m, Index k, const T* a, Index stride, const T* x, T* y, Index y_stride, bool accumulate) {
    constexpr Index lanes = vector_lanes<T>, height = std::min<Index>(lanes, 8);
    const bool is_long = k >= 256;
    alignas(64) Vector<T> sums[lanes] = {};
    Batch<T> batches[lanes];
    alignas(64) T dots[lanes];
    for (Index row = 0; row < m; row += lanes) {
        const Index count = std::min(lanes, m - row);
        if (count == lanes && !is_long)
            dot_rows<T, lanes, 1>(k, a + row * stride, stride, x, sums);
        else if (count == lanes)
            for (Index i = 0; i < lanes; i += height)
                dot_rows<T, height, 1>(k, a + (row + i) * stride, stride, x, sums + i);
        else
            for (Index i = 0; i < count; ++i) dot_rows<T, 1, 8>(k, a + (row + i) * stride, stride, x, sums + i);
        for (Index i = 0; i < lanes; ++i) batches[i] = as_batch<T>(sums[i]);
        Fold<Add, T>::many(batches).store_aligned(dots);
        for (Index i = 0; i < count; ++i) {
            T& element = y[(row + i) * y_stride];
            element = accumulate ? element + dots[i] : dots[i];
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
    if (x_stride != 1) {
        const Scratch<T> gathered(k);
        for (Index i = 0; i < k; ++i) gathered.data()[i] = x[i * x_stride];
        return gemv(m, k, a, static_cast<const T*>(gathered.data()), 1, y, y_stride, accumulate);
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
