#include <xtape/autograd/kernels/winograd.hpp>

namespace xtape::kernels::winograd {

namespace {

constexpr Index lanes = vector_lanes<float>;

Index padded(Index channels) { return (channels + lanes - 1) / lanes * lanes; }

/// Rows of tiles whose transforms, of so many floats a tile, about fill an L2 cache; not too few, for filters are streamed
/// past them. Whole samples where there are several in that.
Index rows_in_cache(Pair tiles, Index floats_per_tile, Index least, Index most) {
    constexpr Index cached = 320 * 1024;
    const Index rows = std::max<Index>(1, std::clamp(cached / floats_per_tile, least, most) / tiles.cols);
    if (rows >= tiles.rows) return rows / tiles.rows * tiles.rows;
    const Index pieces = (tiles.rows + rows - 1) / rows;
    return (tiles.rows + pieces - 1) / pieces;
}

}  // namespace

template <class W>
Correlation::Correlation(W w, const KernelMatrix& kernels, const Windows& windows, Tiling tiling)
    : channels_(kernels.rows),
      filters_(kernels.columns),
      image_size_(windows.image_size()),
      output_size_(windows.output_size()),
      transforms_(windows, tiling),
      filters_by_position_(w, kernels, tiling) {}

Correlation Correlation::of(const float* w, const Convolution& c, Tiling tiling) {
    return {w, KernelMatrix::of(c), c.windows, tiling};
}

Correlation Correlation::of(Transformed w, const Convolution& c, Tiling tiling) {
    return {w, KernelMatrix::of(c), c.windows, tiling};
}

Correlation Correlation::adjoint_of(const float* w, const Convolution& c, Tiling tiling) {
    return {w, KernelMatrix::of_adjoint(c), c.windows.turned(), tiling};
}

Index Correlation::group_rows(Index samples) const {
    const Index per_tile = transforms_.positions() * (padded(channels_) + padded(filters_));
    Index rows = rows_in_cache(transforms_.tiles(), per_tile, 32, 128);
    while (samples * tile_rows() < 4 * rows && rows > 1) rows = (rows + 1) / 2;
    return rows;
}

Index Correlation::scratch_size(Index rows) const {
    const Index tiles = rows * transforms_.tiles().cols;
    return transforms_.scratch_size() +
           transforms_.positions() * (spread(tiles * padded(channels_)) + spread(tiles * padded(filters_)));
}

void Correlation::run(const float* x, float* y, Span tile_rows, const Finish<float>& finish, float* scratch) const {
    const Index tiles = tile_rows.size() * transforms_.tiles().cols, positions = transforms_.positions();
    const Index v_stride = padded(channels_), m_stride = padded(filters_);
    const Tiles v{scratch + transforms_.scratch_size(), spread(tiles * v_stride), v_stride};
    const Tiles m{v.elements + positions * v.position_stride, spread(tiles * m_stride), m_stride};
    transforms_.images({x, channels_, channels_ * image_size_}, tile_rows, v, scratch);
    for (Index p = 0; p < positions; ++p)
        filters_by_position_.multiply(p, tiles, v.elements + p * v.position_stride, v_stride,
                                      m.elements + p * m.position_stride, m_stride);
    transforms_.outputs(m, tile_rows, finish, {y, filters_, filters_ * output_size_}, scratch);
}

KernelGradient::KernelGradient(const Convolution& c, Span channels, Span filters, Tiling tiling)
    : convolution_(c),
      channels_(channels),
      filters_(filters),
      tiling_(tiling),
      transforms_(c.windows, tiling),
      panels_(filters.size()),
      sum_stride_(spread(channels.size() * panels_.padded_columns())) {}

Index KernelGradient::group_rows() const {
    const Index per_tile = transforms_.positions() * (padded(channels_.size()) + panels_.padded_columns());
    return rows_in_cache(transforms_.tiles(), per_tile, 64, 128);
}

Index KernelGradient::scratch_size(Index rows) const {
    const Index tiles = rows * transforms_.tiles().cols;
    return transforms_.scratch_size() + transforms_.positions() * (spread(tiles * padded(channels_.size())) +
                                                                   spread(tiles * panels_.padded_columns()));
}

void KernelGradient::add(const float* x, const float* g, Span tile_rows, bool first, float* sum, float* scratch) const {
    const Convolution& c = convolution_;
    const Index tiles = tile_rows.size() * transforms_.tiles().cols, positions = transforms_.positions();
    const Index v_stride = padded(channels_.size()), h_stride = panels_.padded_columns();
    const Tiles v{scratch + transforms_.scratch_size(), spread(tiles * v_stride), v_stride};
    const Tiles h{v.elements + positions * v.position_stride, spread(tiles * h_stride), h_stride};
    const Index image = c.windows.image_size(), output = c.windows.output_size();
    transforms_.images({x + channels_.first * image, channels_.size(), c.channels * image}, tile_rows, v, scratch);
    transforms_.gradients({g + filters_.first * output, filters_.size(), c.filters * output}, tile_rows, h, scratch);
    for (Index p = 0; p < positions; ++p) {
        for (Index panel = 0; panel < panels_.count; ++panel) {
            const Index vector = panels_.first(panel), columns = panels_.width(panel) * lanes;
            for (Index tile = 0; tile < tiles; tile += summed_at_once)
                tile_product<float, Layout::transposed>(
                    channels_.size(), columns, std::min(summed_at_once, tiles - tile),
                    v.elements + p * v.position_stride + tile * v_stride, v_stride,
                    h.elements + p * h.position_stride + tile * h_stride + vector * lanes, h_stride,
                    sum + p * sum_stride_ + panels_.place(vector, channels_.size()), columns, !first || tile > 0);
        }
    }
}

void KernelGradient::finish(const float* sum, float* dw) const {
    const Index row_stride = 9, column_stride = convolution_.channels * 9;
    const KernelMatrix kernels{channels_.size(), filters_.size(), row_stride, column_stride, false};
    kernels_from(sum, sum_stride_, panels_, kernels, tiling_,
                 dw + filters_.first * column_stride + channels_.first * row_stride);
}

}  // namespace xtape::kernels::winograd
