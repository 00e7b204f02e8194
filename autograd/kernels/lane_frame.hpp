#pragma once

#include <vector>

#include <xtape/autograd/kernels/vector.hpp>
#include <xtape/autograd/kernels/windows.hpp>

namespace xtape::kernels {

/// Planes to lanes and back: up to vector_lanes<float> planes of one image, which lie `plane_stride` apart, against a frame in
/// which each place holds a vector, one plane per lane. A frame reaches beyond the image, with zeros there, or cuts it off.
class LaneFrame {
public:
    /// Image element (r, c) lies at (r, c) + `offset` of the frame, whose rows have `columns` places. A frame has room for
    /// `most_rows` rows.
    LaneFrame(Pair image, Pair offset, Index columns, Index most_rows);

    /// Vectors from one row of a frame to the next.
    Index stride() const { return stride_; }
    /// Floats of a frame.
    Index size() const { return most_rows_ * stride_ * vector_lanes<float>; }

    /// All zeros, as `gather` needs a frame before it uses it for the first time.
    void clear(float* frame) const;

    /// Fills a frame with its rows `rows` of the image that the planes are; lanes without a plane get zeros.
    void gather(const float* planes, Index plane_stride, Index plane_count, Span rows, float* frame) const;

    /// The image's elements out of a frame that holds its rows `rows`.
    void scatter(const float* frame, Span rows, Index plane_count, float* planes, Index plane_stride) const;

private:
    Pair image_;
    Pair offset_;
    Index stride_;
    Index most_rows_;
    std::vector<Index>
        places_;  ///< in floats, of the elements of consecutive image rows from the start of a frame's row
};

}  // namespace xtape::kernels
