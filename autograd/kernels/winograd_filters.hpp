#pragma once

#include <optional>

#include <xtape/autograd/kernels/scratch.hpp>
#include <xtape/autograd/kernels/tile_product.hpp>
#include <xtape/autograd/kernels/winograd_transforms.hpp>

/// The matrices of a 3 x 3 correlation's filters, one for each position in a tile: rows are the channels that are summed over,
/// columns those that come out.
namespace xtape::kernels::winograd {

/// Terms of a product that are summed by themselves before they are added to the sum so far: the transforms back magnify
/// errors, and this halves them.
inline constexpr Index summed_at_once = 32;

/// The columns of such matrices in panels, as wide as the tiles of a product: a panel's rows follow one another in memory.
struct Panels {
    Index vectors;  ///< of all columns, which are padded to whole ones
    Index count;
    Index widest;  ///< in vectors

    explicit Panels(Index columns);

    Index padded_columns() const { return vectors * vector_lanes<float>; }
    Index first(Index panel) const { return panel * widest; }
    Index width(Index panel) const { return std::min(widest, vectors - first(panel)); }
    /// Where the columns of vector `vector` begin in a matrix of `rows` rows, and the stride from row to row.
    Index place(Index vector, Index rows) const {
        const Index panel = vector / widest;
        return (first(panel) * rows + vector - first(panel)) * vector_lanes<float>;
    }
    Index stride(Index vector) const { return width(vector / widest) * vector_lanes<float>; }
};

/// Kernels of 3 x 3 as a matrix: those of (row, column) are 9 numbers at row * row_stride + column * column_stride.
struct KernelMatrix {
    Index rows, columns;
    Index row_stride, column_stride;
    bool turned;  ///< whether taps are taken in reverse order

    /// Of w (K, C, 3, 3): C x K.
    static KernelMatrix of(const Convolution& c) { return {c.channels, c.filters, 9, c.channels * 9, false}; }
    /// Of the adjoint's turned kernel: K x C.
    static KernelMatrix of_adjoint(const Convolution& c) { return {c.filters, c.channels, c.channels * 9, 9, true}; }
};

/// Floats of the transform of such kernels.
Index transformed_size(const KernelMatrix& kernels, Tiling tiling);
/// u = G w G^T for every position, in parallel.
void transform_filters(const float* w, const KernelMatrix& kernels, Tiling tiling, float* u);

/// Filters that were transformed before.
struct Transformed {
    const float* u;
};

/// A correlation's filters in transformed form.
class Filters {
public:
    /// Transforms w; does not keep it.
    Filters(const float* w, const KernelMatrix& kernels, Tiling tiling);
    /// Borrows u.
    Filters(Transformed u, const KernelMatrix& kernels, Tiling tiling);

    /// out (+)= v u, of tiles at some position: `rows` rows at a (stride `a_stride`), to c (stride `c_stride`), whose columns
    /// are padded to whole vectors.
    void multiply(Index position, Index rows, const float* a, Index a_stride, float* c, Index c_stride) const;

private:
    Index rows_;
    Panels panels_;
    Index position_stride_;
    std::optional<Scratch<float>> own_;
    const float* elements_;
};

/// dw from sums `u` of its transform over tiles: w = G^T u G. u's matrices lie in panels, `position_stride` apart.
void kernels_from(const float* u, Index position_stride, const Panels& panels, const KernelMatrix& kernels,
                  Tiling tiling, float* dw);

/// Floats between the matrices of two positions: a little more than a matrix, so that they do not share sets of the cache.
inline Index spread(Index matrix_size) { return matrix_size + vector_lanes<float>; }

}  // namespace xtape::kernels::winograd
