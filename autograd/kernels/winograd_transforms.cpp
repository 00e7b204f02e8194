#include <xtape/autograd/kernels/winograd_transforms.hpp>

#include <algorithm>
#include <cmath>

#include <xtape/autograd/kernels/winograd_tile.hpp>

namespace xtape::kernels::winograd {

namespace {

constexpr Index lanes = vector_lanes<float>;

Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }

/// As many rows of tiles as leave room for others in an L1 cache.
Index band_of(Pair tiles, Index outputs) {
    constexpr Index cached_vectors = Index{24 * 1024} / static_cast<Index>(vector_bytes);
    return std::clamp<Index>((cached_vectors / (tiles.cols * outputs + 2) - 2) / outputs, 1, tiles.rows);
}

/// Calls f with a tile's arithmetic.
template <class F>
void with_tile(Index outputs, const F& f) {
    if (outputs == TwoByTwo::outputs)
        f(TwoByTwo());
    else
        f(FourByFour());
}

/// The frame's vectors of a tile: loads from them, at a stride.
struct TileLoad {
    const float* first;
    Index stride;
    Vector<float> operator()(Index i, Index j) const { return load_vector(first + (i * stride + j) * lanes); }
};

/// The bias of a vector of filters.
Vector<float> bias_of(const float* bias, Index count) {
    alignas(64) float some[lanes] = {};
    if (bias) std::copy_n(bias, count, some);
    return load_vector(some);
}

}  // namespace

Transforms::Transforms(const Windows& v, Tiling tiling)
    : outputs_(static_cast<Index>(tiling)),
      tiles_(ceil_div(v.outputs.rows, outputs_), ceil_div(v.outputs.cols, outputs_)),
      image_size_(v.image),
      output_size_(v.outputs),
      band_(band_of(tiles_, outputs_)),
      image_(v.image, v.padding, tiles_.cols * outputs_ + 2, band_ * outputs_ + 2),
      output_(v.outputs, 0, tiles_.cols * outputs_, band_ * outputs_) {}

/// Calls f(sample, first row of tiles in it, rows, number of the first tile) for pieces of the rows that fit into the scratch.
template <class F>
void Transforms::each_band(Span tile_rows, const F& f) const {
    for (Index row = tile_rows.first; row < tile_rows.last;) {
        const Index in_sample = row % tiles_.rows;
        const Index rows = std::min({band_, tiles_.rows - in_sample, tile_rows.last - row});
        f(row / tiles_.rows, in_sample, rows, (row - tile_rows.first) * tiles_.cols);
        row += rows;
    }
}

void Transforms::images(const Planes<const float>& x, Span tile_rows, const Tiles& v, float* scratch) const {
    image_.clear(scratch);
    const Index plane = image_size_.rows * image_size_.cols;
    with_tile(outputs_, [&](auto tile) {
        using Tile = decltype(tile);
        for (Index channel = 0; channel < x.count; channel += lanes) {
            each_band(tile_rows, [&](Index sample, Index first, Index rows, Index number) {
                image_.gather(x.elements + sample * x.sample_stride + channel * plane, plane,
                              std::min(lanes, x.count - channel),
                              {first * Tile::outputs, (first + rows) * Tile::outputs + 2}, scratch);
                float* to = v.elements + number * v.tile_stride + channel;
                for (Index r = 0; r < rows; ++r) {
                    const float* from = scratch + r * Tile::outputs * image_.stride() * lanes;
                    for (Index c = 0; c < tiles_.cols; ++c, from += Tile::outputs * lanes, to += v.tile_stride)
                        both_axes<Tile::side, Tile::side>(Tile::input, TileLoad{from, image_.stride()},
                                                          [&](Index i, Index j, const Vector<float>& value) {
                                                              store_vector(
                                                                  to + (i * Tile::side + j) * v.position_stride, value);
                                                          });
                }
            });
        }
    });
}

void Transforms::outputs(const Tiles& m, Span tile_rows, const Finish<float>& finish, const Planes<float>& y,
                         float* scratch) const {
    const Index plane = output_size_.rows * output_size_.cols;
    with_tile(outputs_, [&](auto tile) {
        using Tile = decltype(tile);
        for (Index filter = 0; filter < y.count; filter += lanes) {
            const Index count = std::min(lanes, y.count - filter);
            const Vector<float> bias = bias_of(finish.bias ? finish.bias + filter : nullptr, count);
            const Vector<float> zero{}, floor = finish.relu ? zero : broadcast_vector(-HUGE_VALF);
            each_band(tile_rows, [&](Index sample, Index first, Index rows, Index number) {
                const float* from = m.elements + number * m.tile_stride + filter;
                for (Index r = 0; r < rows; ++r) {
                    float* to = scratch + r * Tile::outputs * output_.stride() * lanes;
                    for (Index c = 0; c < tiles_.cols; ++c, from += m.tile_stride, to += Tile::outputs * lanes)
                        both_axes<Tile::side, Tile::outputs>(
                            Tile::output,
                            [&](Index i, Index j) {
                                return load_vector(from + (i * Tile::side + j) * m.position_stride);
                            },
                            [&](Index i, Index j, const Vector<float>& value) {
                                const Vector<float> sum = value + bias;
                                store_vector(to + (i * output_.stride() + j) * lanes, sum <= floor ? floor : sum);
                            });
                }
                output_.scatter(scratch, {first * Tile::outputs, (first + rows) * Tile::outputs}, count,
                                y.elements + sample * y.sample_stride + filter * plane, plane);
            });
        }
    });
}

void Transforms::gradients(const Planes<const float>& g, Span tile_rows, const Tiles& v, float* scratch) const {
    output_.clear(scratch);
    const Index plane = output_size_.rows * output_size_.cols;
    with_tile(outputs_, [&](auto tile) {
        using Tile = decltype(tile);
        for (Index filter = 0; filter < g.count; filter += lanes) {
            each_band(tile_rows, [&](Index sample, Index first, Index rows, Index number) {
                output_.gather(g.elements + sample * g.sample_stride + filter * plane, plane,
                               std::min(lanes, g.count - filter),
                               {first * Tile::outputs, (first + rows) * Tile::outputs}, scratch);
                float* to = v.elements + number * v.tile_stride + filter;
                for (Index r = 0; r < rows; ++r) {
                    const float* from = scratch + r * Tile::outputs * output_.stride() * lanes;
                    for (Index c = 0; c < tiles_.cols; ++c, from += Tile::outputs * lanes, to += v.tile_stride)
                        both_axes<Tile::outputs, Tile::side>(
                            Tile::output_adjoint, TileLoad{from, output_.stride()},
                            [&](Index i, Index j, const Vector<float>& value) {
                                store_vector(to + (i * Tile::side + j) * v.position_stride, value);
                            });
                }
            });
        }
    });
}

}  // namespace xtape::kernels::winograd
