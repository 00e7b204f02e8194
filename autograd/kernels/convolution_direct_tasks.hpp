#pragma once

#include <algorithm>
#include <cstring>

#include <xtape/autograd/kernels/convolution.hpp>
#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/autograd/kernels/scratch.hpp>
#include <xtape/autograd/kernels/vector.hpp>

/// What the direct kernels share: how work is cut, images and weights laid out, and rows of results stored.
namespace xtape::kernels::direct {

inline constexpr Index lanes = vector_lanes<float>;

/// Elements that a row of a kernel is copied by: at least as many as it has.
inline constexpr Index copied = 8;

inline Index round_up(Index n, Index unit) { return (n + unit - 1) / unit * unit; }

/// Samples, or parts of the filters of one where there are few samples: one task each.
struct Tasks {
    Index parts;    ///< of the filters of a sample
    Index filters;  ///< in a part, a multiple of the filters in a tile
    Index grain;

    Tasks(Index samples, const Convolution& c, Index tile_filters) {
        const Index wanted = std::clamp<Index>(16 / samples, 1, std::max<Index>(1, c.filters / 8));
        filters = round_up((c.filters + wanted - 1) / wanted, tile_filters);
        parts = (c.filters + filters - 1) / filters;
        grain = std::max<Index>(1, (Index{1} << 19) / (filters * c.depth() * c.windows.output_size()));
    }
};

/// The weights as tiles read them: [block of filters][channel][row][column][filter in the block]; filters that only fill the last
/// block up are zeros.
class FilterBlocks {
public:
    FilterBlocks(const float* w, const Convolution& c, Index block)
        : depth_(c.depth()), packed_(round_up(c.filters, block) * depth_) {
        std::fill_n(packed_.data(), round_up(c.filters, block) * depth_, 0.0F);
        for (Index filter = 0; filter < c.filters; ++filter)
            for (Index i = 0; i < depth_; ++i)
                packed_.data()[filter / block * block * depth_ + i * block + filter % block] = w[filter * depth_ + i];
    }

    /// Those of the block that begins at `filter`.
    const float* from(Index filter) const { return packed_.data() + filter * depth_; }

private:
    Index depth_;
    Scratch<float> packed_;
};

/// Vectors of outputs, row by row: the last of a row may reach beyond its end.
struct RowVectors {
    Index rows, columns;
    Index in_row = (columns + lanes - 1) / lanes;

    Index count() const { return rows * in_row; }
    Index row(Index i) const { return i / in_row; }
    Index column(Index i) const { return i % in_row * lanes; }

    /// Stores vector i of a plane of such rows. What lies beyond a row's end is overwritten by the row's successor: store in
    /// ascending order.
    template <class T, class V>
    void store(T* plane, Index i, const V& v) const {
        T* const to = plane + row(i) * columns + column(i);
        const Index left = plane + rows * columns - to;
        if (left >= lanes) {
            std::memcpy(to, &v, sizeof v);
        } else {
            const Index count = std::min(left, columns - column(i));
            for (Index k = 0; k < count; ++k) to[k] = v[k];
        }
    }
};

/// The images of one sample with zeros around them, wide enough for vectors that reach beyond a row of
/// outputs.
class PaddedImages {
public:
    explicit PaddedImages(const Convolution& c)
        : v_(c.windows),
          rows_(v_.outputs.rows + v_.kernel.rows - 1),
          width_(round_up(v_.outputs.cols, lanes) + v_.kernel.cols - 1),
          images_(c.channels * rows_ * width_ + copied) {
        std::fill_n(images_.data(), c.channels * rows_ * width_ + copied, 0.0F);
    }

    void fill(const float* x, Index channels) {
        const Span rows = outputs_inside(v_.image.rows, rows_, 1, -v_.padding.rows);
        const Span columns = outputs_inside(v_.image.cols, width_, 1, -v_.padding.cols);
        for (Index channel = 0; channel < channels; ++channel, x += v_.image_size())
            for (Index i = rows.first; i < rows.last; ++i)
                std::copy_n(x + (i - v_.padding.rows) * v_.image.cols + columns.first - v_.padding.cols, columns.size(),
                            images_.data() + (channel * rows_ + i) * width_ + columns.first);
    }

    Index width() const { return width_; }
    /// What output (row, column) sees under the first tap of channel 0.
    const float* at(Index row, Index column) const { return images_.data() + row * width_ + column; }
    Index channel_stride() const { return rows_ * width_; }

private:
    const Windows& v_;
    Index rows_, width_;
    Scratch<float> images_;
};

}  // namespace xtape::kernels::direct
