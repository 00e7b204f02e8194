#include <xtape/autograd/kernels/gemm_paths.hpp>

#include <algorithm>
#include <optional>

#include <xtape/autograd/kernels/scratch.hpp>
#include <xtape/autograd/kernels/tile_product.hpp>
#include <xtape/autograd/kernels/transpose.hpp>

namespace xtape::kernels {
namespace {

Index round_up(Index n, Index multiple) { return (n + multiple - 1) / multiple * multiple; }

/// Columns of B that are multiplied at a time, and how deep: 128 KB, which L2 cache holds beside what A needs.
template <class T>
inline constexpr Index panel_columns = static_cast<Index>(256 / sizeof(T));
inline constexpr Index panel_depth = 512;

/// Rows so far apart fight for a few sets of the caches when they are read below one another.
template <class T>
bool far_apart(Index stride) {
    return stride * static_cast<Index>(sizeof(T)) % 4096 == 0;
}

/// Whether B's panels are copied together first: many rows of C repay it, few read them where they lie.
template <class T>
bool worth_packing(Index rows, const Factor<T>& b) {
    return b.transposed || rows >= (far_apart<T>(b.stride) ? 48 : 384);
}

/// Whether A is copied together: its columns, when these are read for more than one panel of B.
template <class T>
bool worth_packing_a(const Factor<T>& a, Index n) {
    return a.transposed && far_apart<T>(a.stride) && n > panel_columns<T>;
}

/// panel[k][j] = from[k][j], the columns padded with zeros to whole vectors.
template <class T>
void copy_panel(const T* from, Index stride, Index depth, Index columns, T* panel, Index panel_stride) {
    constexpr Index lanes = vector_lanes<T>;
    const Index whole = columns / lanes * lanes;
    for (Index k = 0; k < depth; ++k, from += stride, panel += panel_stride) {
        for (Index j = 0; j < whole; j += lanes) store_vector(panel + j, load_vector(from + j));
        if (whole < columns) store_vector(panel + whole, load_vector(from + whole, columns - whole));
    }
}

/// panel[k][j] = from[j][k]: padded likewise, and in depth too.
template <class T>
void transpose_panel(const T* from, Index stride, Index depth, Index columns, T* panel, Index panel_stride) {
    constexpr Index side = Square<T>::side;
    alignas(64) T square[side * side];
    for (Index j = 0; j < columns; j += side) {
        for (Index k = 0; k < depth; k += side) {
            const T* corner = from + j * stride + k;
            Index corner_stride = stride;
            if (const Index rows = std::min(side, columns - j), width = std::min(side, depth - k);
                rows < side || width < side) {
                for (Index i = 0; i < side; ++i)
                    store_vector(square + i * side, i < rows ? load_vector(corner + i * stride, width) : Vector<T>{});
                corner = square;
                corner_stride = side;
            }
            Square<T>::transpose(panel + k * panel_stride + j, panel_stride, corner, corner_stride);
        }
    }
}

/// tile_product with the layout of A chosen at run time.
template <class T>
void tiles(Index rows, Index columns, Index depth, Factor<T> a, const T* b, Index b_stride, T* c, Index c_stride,
           bool accumulate) {
    const auto product = a.transposed ? tile_product<T, Layout::transposed> : tile_product<T, Layout::rows>;
    product(rows, columns, depth, a.elements, a.stride, b, b_stride, c, c_stride, accumulate);
}

/// Columns of C that do not fill a vector, by way of a strip in which they do.
template <class T>
void ragged_columns(Index rows, Index columns, Index depth, Factor<T> a, const T* panel, Index panel_stride, T* c,
                    Index c_stride, bool accumulate) {
    constexpr Index lanes = vector_lanes<T>, strip_rows = 84;
    alignas(64) T strip[strip_rows * lanes];
    for (Index first = 0; first < rows; first += strip_rows) {
        const Index count = std::min(strip_rows, rows - first);
        T* const corner = c + first * c_stride;
        if (accumulate)
            for (Index i = 0; i < count; ++i)
                store_vector(strip + i * lanes, load_vector(corner + i * c_stride, columns));
        tiles(count, lanes, depth, a.from(first, 0), panel, panel_stride, strip, lanes, accumulate);
        for (Index i = 0; i < count; ++i) store_vector(corner + i * c_stride, load_vector(strip + i * lanes), columns);
    }
}

/// One panel of B with all rows of A.
template <class T>
void panel_product(Index rows, Index columns, Index depth, Factor<T> a, Factor<T> b, T* c, Index c_stride,
                   bool accumulate, T* panel) {
    constexpr Index lanes = vector_lanes<T>;
    const Index whole = columns / lanes * lanes, stride = round_up(columns, lanes);
    const bool in_place = !worth_packing(rows, b);
    const T* ragged = panel + whole;
    if (b.transposed) {
        transpose_panel(b.elements, b.stride, depth, columns, panel, stride);
    } else if (!in_place) {
        copy_panel(b.elements, b.stride, depth, columns, panel, stride);
    } else if (whole < columns) {
        copy_panel(b.elements + whole, b.stride, depth, columns - whole, panel, stride);
        ragged = panel;
    }
    if (whole > 0)
        tiles(rows, whole, depth, a, in_place ? b.elements : panel, in_place ? b.stride : stride, c, c_stride,
              accumulate);
    if (whole < columns)
        ragged_columns(rows, columns - whole, depth, a, ragged, stride, c + whole, c_stride, accumulate);
}

}  // namespace

template <class T>
void gemm_by_tiles(Index m, Index n, Index k, Factor<T> a, Factor<T> b, T* c, Index c_stride, bool accumulate) {
    constexpr Index lanes = vector_lanes<T>, small_panel = 2048;
    const Index widest = std::min(panel_columns<T>, round_up(n, lanes));
    const Index pieces = (k + panel_depth - 1) / panel_depth, deepest = (k + pieces - 1) / pieces;
    const Index panel_size = round_up(deepest, lanes) * widest;
    alignas(64) T small[small_panel];
    std::optional<Scratch<T>> large, copy;
    if (panel_size > small_panel) large.emplace(panel_size);
    if (worth_packing_a(a, n)) copy.emplace(deepest * round_up(m, lanes));
    T* const panel = large ? large->data() : small;

    for (Index first = 0; first < k; first += deepest) {
        const Index depth = std::min(deepest, k - first);
        Factor<T> part = a.from(0, first);
        if (copy) {
            copy_panel(part.elements, part.stride, depth, m, copy->data(), round_up(m, lanes));
            part = {copy->data(), round_up(m, lanes), true};
        }
        for (Index column = 0; column < n; column += widest)
            panel_product(m, std::min(widest, n - column), depth, part, b.from(first, column), c + column, c_stride,
                          accumulate || first > 0, panel);
    }
}

template void gemm_by_tiles(Index, Index, Index, Factor<float>, Factor<float>, float*, Index, bool);
template void gemm_by_tiles(Index, Index, Index, Factor<double>, Factor<double>, double*, Index, bool);

}  // namespace xtape::kernels
