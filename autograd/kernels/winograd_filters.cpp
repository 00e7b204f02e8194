#include <xtape/autograd/kernels/winograd_filters.hpp>

#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/autograd/kernels/transpose.hpp>
#include <xtape/autograd/kernels/winograd_tile.hpp>

namespace xtape::kernels::winograd {

namespace {

constexpr Index lanes = vector_lanes<float>, taps = 9;

Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }

/// The kernels of up to `lanes` columns of one row: taps of one column per row of `square`, and transposed.
using KernelSquare = float[lanes * ((taps + lanes - 1) / lanes * lanes)];
constexpr Index square_columns = (taps + lanes - 1) / lanes * lanes;

/// Transposes the taps of `lanes` kernels to vectors of one tap each.
void to_lanes(const KernelSquare& kernels, KernelSquare& vectors) {
    for (Index j = 0; j < square_columns; j += lanes)
        Square<float>::transpose(vectors + j * lanes, lanes, kernels + j, square_columns);
}

void from_lanes(const KernelSquare& vectors, KernelSquare& kernels) {
    for (Index j = 0; j < square_columns; j += lanes)
        Square<float>::transpose(kernels + j, square_columns, vectors + j * lanes, lanes);
}

/// Row `tap` of the vectors that hold tap (i, j).
Index tap_at(const KernelMatrix& kernels, Index i, Index j) {
    const Index tap = i * 3 + j;
    return (kernels.turned ? taps - 1 - tap : tap) * lanes;
}

template <class Tile>
void transform_vector(const float* w, const KernelMatrix& kernels, Index row, Index column, float* u,
                      Index position_stride) {
    alignas(64) KernelSquare square = {}, vectors;
    const Index count = std::min(lanes, kernels.columns - column);
    for (Index i = 0; i < count; ++i)
        std::memcpy(square + i * square_columns, w + row * kernels.row_stride + (column + i) * kernels.column_stride,
                    taps * sizeof(float));
    to_lanes(square, vectors);
    both_axes<3, Tile::side>(
        Tile::kernel, [&](Index i, Index j) { return load_vector(vectors + tap_at(kernels, i, j)); },
        [&](Index i, Index j, const Vector<float>& value) {
            store_vector(u + (i * Tile::side + j) * position_stride, value);
        });
}

template <class Tile>
void transform_back(const float* u, Index position_stride, const KernelMatrix& kernels, Index row, Index column,
                    float* dw) {
    alignas(64) KernelSquare square, vectors = {};
    both_axes<Tile::side, 3>(
        Tile::kernel_adjoint, [&](Index i, Index j) { return load_vector(u + (i * Tile::side + j) * position_stride); },
        [&](Index i, Index j, const Vector<float>& value) { store_vector(vectors + tap_at(kernels, i, j), value); });
    from_lanes(vectors, square);
    const Index count = std::min(lanes, kernels.columns - column);
    for (Index i = 0; i < count; ++i)
        std::memcpy(dw + row * kernels.row_stride + (column + i) * kernels.column_stride, square + i * square_columns,
                    taps * sizeof(float));
}

}  // namespace

Panels::Panels(Index columns)
    : vectors(ceil_div(columns, lanes)),
      count(ceil_div(vectors, detail::tile_width)),
      widest(ceil_div(vectors, count)) {}

namespace {

/// Floats of the matrix of one position, and what keeps the next one apart.
Index stride_of(const KernelMatrix& kernels) { return spread(kernels.rows * Panels(kernels.columns).padded_columns()); }

}  // namespace

Index transformed_size(const KernelMatrix& kernels, Tiling tiling) {
    const Index side = static_cast<Index>(tiling) + 2;
    return side * side * stride_of(kernels);
}

void transform_filters(const float* w, const KernelMatrix& kernels, Tiling tiling, float* u) {
    const Panels panels(kernels.columns);
    const Index rows = kernels.rows, position_stride = stride_of(kernels);
    parallel_for(panels.vectors * rows, 128, [&](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) {
            const Index vector = i / rows, row = i % rows;
            float* const to = u + panels.place(vector, rows) + row * panels.stride(vector);
            if (tiling == Tiling::two)
                transform_vector<TwoByTwo>(w, kernels, row, vector * lanes, to, position_stride);
            else
                transform_vector<FourByFour>(w, kernels, row, vector * lanes, to, position_stride);
        }
    });
}

Filters::Filters(Transformed u, const KernelMatrix& kernels, Tiling)
    : rows_(kernels.rows), panels_(kernels.columns), position_stride_(stride_of(kernels)), elements_(u.u) {}

Filters::Filters(const float* w, const KernelMatrix& kernels, Tiling tiling)
    : Filters(Transformed{nullptr}, kernels, tiling) {
    own_.emplace(transformed_size(kernels, tiling));
    transform_filters(w, kernels, tiling, own_->data());
    elements_ = own_->data();
}

void Filters::multiply(Index position, Index rows, const float* a, Index a_stride, float* c, Index c_stride) const {
    for (Index panel = 0; panel < panels_.count; ++panel) {
        const Index first = panels_.first(panel), columns = panels_.width(panel) * lanes;
        const float* const u = elements_ + position * position_stride_ + panels_.place(first, rows_);
        for (Index k = 0; k < rows_; k += summed_at_once)
            tile_product<float, Layout::rows>(rows, columns, std::min(summed_at_once, rows_ - k), a + k, a_stride,
                                              u + k * columns, columns, c + first * lanes, c_stride, k > 0);
    }
}

void kernels_from(const float* u, Index position_stride, const Panels& panels, const KernelMatrix& kernels,
                  Tiling tiling, float* dw) {
    for (Index vector = 0; vector < panels.vectors; ++vector) {
        for (Index row = 0; row < kernels.rows; ++row) {
            const float* const from = u + panels.place(vector, kernels.rows) + row * panels.stride(vector);
            if (tiling == Tiling::two)
                transform_back<TwoByTwo>(from, position_stride, kernels, row, vector * lanes, dw);
            else
                transform_back<FourByFour>(from, position_stride, kernels, row, vector * lanes, dw);
        }
    }
}

}  // namespace xtape::kernels::winograd
