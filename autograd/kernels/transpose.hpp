#pragma once

#include <algorithm>
#include <utility>

#include <xtape/autograd/kernels/streaming.hpp>
#include <xtape/autograd/kernels/vector.hpp>

/// Transposes of blocks that fit into cache, in squares that fit into vector registers.
namespace xtape::kernels {

/// store_vector as an object, for its name alone stands for two functions.
struct StoreVector {
    template <class T>
    void operator()(T* to, const Vector<T>& row) const {
        store_vector(to, row);
    }
};

/// Rows in registers, transposed by swapping ever smaller off-diagonal blocks.
template <class T>
class Square {
public:
    static constexpr Index side = vector_lanes<T>;

    /// to[j * to_stride + i] = from[i * from_stride + j] for i, j in [0, side).
    static void transpose(T* to, Index to_stride, const T* from, Index from_stride) {
        transpose(to, to_stride, from, from_stride, StoreVector());
    }

    /// The same with each finished row stored by store(to, row), and with what lies `ahead` elements further asked for.
    template <class Store>
    static void transpose(T* to, Index to_stride, const T* from, Index from_stride, const Store& store,
                          Index ahead = 0) {
        Row rows[side];
        if (ahead != 0)
            for (Index i = 0; i < side; ++i) ask_for(from + i * from_stride, ahead);
#pragma GCC unroll 16
        for (Index i = 0; i < side; ++i) rows[i] = load_vector(from + i * from_stride);
        transpose(rows);
#pragma GCC unroll 16
        for (Index i = 0; i < side; ++i) store(to + i * to_stride, rows[i]);
    }

    /// Of `side` vectors, in place.
    static void transpose(Vector<T>* rows) { swap_blocks<side / 2>(rows); }

private:
    using Row = Vector<T>;
    using Lanes = std::make_integer_sequence<int, static_cast<int>(side)>;

    template <Index block>
    static void swap_blocks(Row* rows) {
        if constexpr (block > 0) {
#pragma GCC unroll 16
            for (Index i = 0; i < side; ++i) {
                if ((i & block) == 0) swap<block>(rows[i], rows[i + block], Lanes());
            }
            swap_blocks<block / 2>(rows);
        }
    }

    template <Index block, int... lane>
    static void swap(Row& upper, Row& lower, std::integer_sequence<int, lane...>) {
        constexpr int b = static_cast<int>(block), n = static_cast<int>(side);
        const Row left = __builtin_shufflevector(upper, lower, ((lane & b) ? n + lane - b : lane)...);
        const Row right = __builtin_shufflevector(upper, lower, ((lane & b) ? n + lane : lane + b)...);
        upper = left;
        lower = right;
    }
};

/// transpose_block without regard to the cache.
template <class T, class Store>
void transpose_squares(T* to, Index to_stride, const T* from, Index from_stride, Index rows, Index cols,
                       const Store& store, Index ahead) {
    constexpr Index side = Square<T>::side;
    const Index whole_rows = rows / side * side, whole_cols = cols / side * side;
    for (Index i = 0; i < whole_rows; i += side)
        for (Index j = 0; j < whole_cols; j += side)
            Square<T>::transpose(to + j * to_stride + i, to_stride, from + i * from_stride + j, from_stride, store,
                                 ahead);
    for (Index j = 0; j < cols; ++j)
        for (Index i = j < whole_cols ? whole_rows : 0; i < rows; ++i)
            to[j * to_stride + i] = from[i * from_stride + j];
}

/// Elements of a block, at most.
inline constexpr Index block_elements = 4096;

/// to[j * to_stride + i] = from[i * from_stride + j] for i in [0, rows), j in [0, cols). With `past_caches` aligned rows of
/// `to` do not go through them; finish_past_caches() is the caller's. The next block is `ahead` elements after this one; 0
/// when it need not be asked for.
template <class T>
void transpose_block(T* to, Index to_stride, const T* from, Index from_stride, Index rows, Index cols, bool past_caches,
                     Index ahead) {
    constexpr Index aliasing = 1024 / sizeof(T);
    if (past_caches && is_aligned(to) && to_stride % vector_lanes<T> == 0) {
        constexpr Index side = Square<T>::side;  // along the rows of `to`, so that its lines are completed soon
        for (Index j = 0; j < cols; j += side)
            transpose_squares(to + j * to_stride, to_stride, from + j, from_stride, rows, std::min(side, cols - j),
                              store_past_caches<T>, ahead);
    } else if (to_stride % aliasing != 0) {
        transpose_squares(to, to_stride, from, from_stride, rows, cols, StoreVector(), ahead);
    } else {  // the rows of `to` would fight for a few sets of the cache: complete them elsewhere
        alignas(64) T block[block_elements];
        transpose_squares(block, rows, from, from_stride, rows, cols, StoreVector(), ahead);
        for (Index j = 0; j < cols; ++j) std::copy_n(block + j * rows, rows, to + j * to_stride);
    }
}

}  // namespace xtape::kernels
