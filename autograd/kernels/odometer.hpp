#pragma once

#include <array>
#include <cstddef>

#include <xtape/autograd/shape.hpp>

namespace xtape::kernels {

/// Walks the positions of a shape in row-major order and carries an offset for each of N lists of strides along.
template <std::size_t N>
class Odometer {
public:
    Odometer() = default;
    /// Begins at position number `first` in row-major order; no size may be 0.
    Odometer(const Shape& sizes, const std::array<Shape, N>& strides, Index first) : sizes_(sizes), strides_(strides) {
        position_ = Shape::filled(sizes.rank(), 0);
        for (Index axis = sizes.rank() - 1; axis >= 0; --axis) {
            position_[axis] = first % sizes[axis];
            first /= sizes[axis];
            for (std::size_t n = 0; n < N; ++n) offsets_[n] += position_[axis] * strides_[n][axis];
        }
    }

    Index offset(std::size_t n) const { return offsets_[n]; }
    Index position(Index axis) const { return position_[axis]; }

    void next() {
        for (Index axis = sizes_.rank() - 1; axis >= 0; --axis) {
            const bool wraps = ++position_[axis] == sizes_[axis];
            if (wraps) position_[axis] = 0;
            const Index steps = wraps ? 1 - sizes_[axis] : 1;
            for (std::size_t n = 0; n < N; ++n) offsets_[n] += steps * strides_[n][axis];
            if (!wraps) return;
        }
    }

private:
    Shape sizes_;
    std::array<Shape, N> strides_;
    Shape position_;
    std::array<Index, N> offsets_{};
};

}  // namespace xtape::kernels
