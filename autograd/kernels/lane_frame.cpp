#include <xtape/autograd/kernels/lane_frame.hpp>

#include <algorithm>

#include <xtape/autograd/kernels/transpose.hpp>

namespace xtape::kernels {

namespace {

constexpr Index lanes = vector_lanes<float>;

}  // namespace

LaneFrame::LaneFrame(Pair image, Pair offset, Index columns, Index most_rows)
    : image_(image), offset_(offset), stride_(columns), most_rows_(most_rows) {
    // Elements to the left or right of the frame go to one more place at the end of each row, which nobody reads.
    const bool cut = offset.cols < 0 || image.cols + offset.cols > columns;
    if (cut) ++stride_;
    const Index rows = std::min(image.rows, most_rows);
    places_.reserve(static_cast<std::size_t>(rows * image.cols));
    for (Index r = 0; r < rows; ++r)
        for (Index c = offset.cols; c < image.cols + offset.cols; ++c)
            places_.push_back((r * stride_ + (c < 0 || c >= columns ? columns : c)) * lanes);
}

void LaneFrame::clear(float* frame) const { std::fill_n(frame, size(), 0.0F); }

void LaneFrame::gather(const float* planes, Index plane_stride, Index plane_count, Span rows, float* frame) const {
    const Index row_size = stride_ * lanes;
    const Span seen{std::clamp(rows.first - offset_.rows, Index{0}, image_.rows),
                    std::clamp(rows.last - offset_.rows, Index{0}, image_.rows)};
    if (seen.empty()) return std::fill_n(frame, rows.size() * row_size, 0.0F), void();
    const Index above = seen.first + offset_.rows - rows.first;
    std::fill_n(frame, above * row_size, 0.0F);
    std::fill(frame + (above + seen.size()) * row_size, frame + rows.size() * row_size, 0.0F);
    frame += above * row_size;
    planes += seen.first * image_.cols;

    const Index pixels = seen.size() * image_.cols, count = std::min(pixels, lanes);
    alignas(64) float few[lanes * lanes];
    if (pixels < lanes) {  // whole vectors of each plane would reach beyond it
        std::fill_n(few, lanes * lanes, 0.0F);
        for (Index i = 0; i < plane_count; ++i) std::copy_n(planes + i * plane_stride, pixels, few + i * lanes);
        planes = few;
        plane_stride = lanes;
    }
    for (Index at = 0; at < pixels; at += lanes) {
        const Index first = std::min(at, pixels - count);  // the last square overlaps the one before
        Vector<float> vectors[lanes];
#pragma GCC unroll 16
        for (Index i = 0; i < lanes; ++i)
            vectors[i] = i < plane_count ? load_vector(planes + i * plane_stride + first) : Vector<float>{};
        Square<float>::transpose(vectors);
        const Index* const places = places_.data() + first;
#pragma GCC unroll 16
        for (Index i = 0; i < lanes; ++i)
            if (i < count) store_vector(frame + places[i], vectors[i]);
    }
}

void LaneFrame::scatter(const float* frame, Span rows, Index plane_count, float* planes, Index plane_stride) const {
    const Span seen{std::clamp(rows.first - offset_.rows, Index{0}, image_.rows),
                    std::clamp(rows.last - offset_.rows, Index{0}, image_.rows)};
    if (seen.empty()) return;
    frame += (seen.first + offset_.rows - rows.first) * stride_ * lanes;
    planes += seen.first * image_.cols;

    const Index pixels = seen.size() * image_.cols, count = std::min(pixels, lanes);
    for (Index at = 0; at < pixels; at += lanes) {
        const Index first = std::min(at, pixels - count);
        const Index* const places = places_.data() + first;
        Vector<float> vectors[lanes];
#pragma GCC unroll 16
        for (Index i = 0; i < lanes; ++i) vectors[i] = i < count ? load_vector(frame + places[i]) : Vector<float>{};
        Square<float>::transpose(vectors);
#pragma GCC unroll 16
        for (Index i = 0; i < lanes; ++i) {
            if (i >= plane_count) continue;
            float* const to = planes + i * plane_stride + first;
            if (count == lanes)
                store_vector(to, vectors[i]);
            else
                std::memcpy(to, &vectors[i], static_cast<std::size_t>(count) * sizeof(float));
        }
    }
}

}  // namespace xtape::kernels
