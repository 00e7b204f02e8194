#pragma once

#include <algorithm>

#include <xtape/autograd/kernels/convolution_finish.hpp>
#include <xtape/autograd/kernels/lane_frame.hpp>

/// Between images (N, C, H, W) and transformed tiles, channels in lanes.
namespace xtape::kernels::winograd {

/// Outputs of a tile along each axis.
enum class Tiling : Index {
    two = 2,   ///< about as exact as the definition
    four = 4,  ///< fewer products; errors some 2 to 5 times as large
};

/// Element (position in the tile, tile, channel) of transformed tiles.
struct Tiles {
    float* elements;
    Index position_stride;
    Index tile_stride;
};

/// Some of the planes of each sample of a (N, C, H, W) array.
template <class T>
struct Planes {
    T* elements;
    Index count;
    Index sample_stride;
};

/// The tiles of a 3 x 3 correlation. Rows of tiles are counted through all samples.
class Transforms {
public:
    Transforms(const Windows& windows, Tiling tiling);

    Index positions() const { return (outputs_ + 2) * (outputs_ + 2); }
    /// Rows of tiles in a sample, tiles in a row.
    Pair tiles() const { return tiles_; }
    /// Floats of working memory each of the following needs.
    Index scratch_size() const { return std::max(image_.size(), output_.size()); }

    /// v = B^T x B.
    void images(const Planes<const float>& x, Span tile_rows, const Tiles& v, float* scratch) const;

    /// y = A^T m A, and what follows.
    void outputs(const Tiles& m, Span tile_rows, const Finish<float>& finish, const Planes<float>& y,
                 float* scratch) const;

    /// The adjoint of `outputs`: v = A g A^T.
    void gradients(const Planes<const float>& g, Span tile_rows, const Tiles& v, float* scratch) const;

private:
    template <class F>
    void each_band(Span tile_rows, const F& f) const;

    Index outputs_;
    Pair tiles_;
    Pair image_size_, output_size_;
    Index band_;  ///< rows of tiles that are in the scratch at a time
    LaneFrame image_, output_;
};

}  // namespace xtape::kernels::winograd
