#pragma once

#include <algorithm>
#include <array>
#include <utility>

#include <xtape/autograd/kernels/vector.hpp>

/// The innermost loops of every product of ours: a tile of C stays in registers while rows of B stream past.
namespace xtape::kernels {

/// How the elements of A lie: (i, k) at `stride * i + k`, or transposed at `i + stride * k`.
enum class Layout { rows, transposed };

namespace detail {

/// The most rows of C that, `width` vectors wide, fit into registers beside a row of B and an element of A.
constexpr Index tile_height(Index width) {
    return width == 1 ? std::min<Index>(14, vector_registers - 4) : (vector_registers - width - 1) / width;
}

/// Vectors side by side in a tile: the more, the fewer elements of A are broadcast for as much arithmetic.
inline constexpr Index tile_width = vector_registers == 32 ? 4 : 2;

template <class T, Layout layout, Index height, Index width>
void product_tile(Index depth, const T* a, Index a_stride, const T* b, Index b_stride, T* c, Index c_stride,
                  bool accumulate) {
    constexpr Index lanes = vector_lanes<T>;
    Vector<T> sum[height][width] = {};
#pragma GCC unroll 2
    for (Index k = 0; k < depth; ++k) {
        Vector<T> row[width];
#pragma GCC unroll 4
        for (Index j = 0; j < width; ++j) row[j] = load_vector(b + k * b_stride + j * lanes);
#pragma GCC unroll 16
        for (Index i = 0; i < height; ++i) {
            const Vector<T> element =
                broadcast_vector(layout == Layout::rows ? a[i * a_stride + k] : a[k * a_stride + i]);
#pragma GCC unroll 4
            for (Index j = 0; j < width; ++j) sum[i][j] += element * row[j];
        }
    }
#pragma GCC unroll 16
    for (Index i = 0; i < height; ++i) {
#pragma GCC unroll 4
        for (Index j = 0; j < width; ++j) {
            T* const to = c + i * c_stride + j * lanes;
            store_vector(to, accumulate ? load_vector(to) + sum[i][j] : sum[i][j]);
        }
    }
}

template <class T>
using ProductTile = void (*)(Index, const T*, Index, const T*, Index, T*, Index, bool);

template <class T, Layout layout, Index width, Index... height>
constexpr auto product_tiles(std::integer_sequence<Index, height...>) {
    return std::array<ProductTile<T>, sizeof...(height)>{product_tile<T, layout, height + 1, width>...};
}

/// All rows of C, `width` vectors wide, in tiles as equal in height as can be.
template <class T, Layout layout, Index width>
void product_column(Index rows, Index depth, const T* a, Index a_stride, const T* b, Index b_stride, T* c,
                    Index c_stride, bool accumulate) {
    constexpr Index tallest = tile_height(width);
    static constexpr auto tiles = product_tiles<T, layout, width>(std::make_integer_sequence<Index, tallest>());
    const Index count = (rows + tallest - 1) / tallest, low = rows / count, high = rows % count;
    for (Index i = 0; i < count; ++i) {
        const Index height = low + (i < high ? 1 : 0);
        tiles[static_cast<std::size_t>(height - 1)](depth, a, a_stride, b, b_stride, c, c_stride, accumulate);
        a += layout == Layout::rows ? height * a_stride : height;
        c += height * c_stride;
    }
}

template <class T, Layout layout, Index width>
void product_columns(Index rows, Index vectors, Index depth, const T* a, Index a_stride, const T* b, Index b_stride,
                     T* c, Index c_stride, bool accumulate) {
    constexpr Index lanes = vector_lanes<T>;
    for (; vectors >= width; vectors -= width, b += width * lanes, c += width * lanes)
        product_column<T, layout, width>(rows, depth, a, a_stride, b, b_stride, c, c_stride, accumulate);
    if constexpr (width > 1)
        product_columns<T, layout, width - 1>(rows, vectors, depth, a, a_stride, b, b_stride, c, c_stride, accumulate);
}

}  // namespace detail

/// C = A B, or C += A B: `rows` x `columns`, summed over `depth`. B and C are row-major; `columns` is a multiple of
/// vector_lanes<T>, so B and C are padded to that. What is read of B should stay in L1 or L2 cache: nothing is packed.
/// Each element is one chain of multiply-adds in order of depth, however the tiles lie, and is then added to what C held.
template <class T, Layout layout>
void tile_product(Index rows, Index columns, Index depth, const T* a, Index a_stride, const T* b, Index b_stride, T* c,
                  Index c_stride, bool accumulate) {
    if (rows == 0) return;
    detail::product_columns<T, layout, detail::tile_width>(rows, columns / vector_lanes<T>, depth, a, a_stride, b,
                                                           b_stride, c, c_stride, accumulate);
}

}  // namespace xtape::kernels
