#include <xtape/datasets/augment.hpp>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace xtape::datasets {
namespace {

void require(bool holds, const char* name, const char* condition, Where where) {
    if (!holds) throw ValueError(fmt::format("{}: {}", name, condition), where);
}

void require_images(const char* name, const Variable& x) {
    if (x.rank() != 4) throw ShapeError(fmt::format("{}: needs (N, C, H, W): {}", name, to_string(x.shape())));
}

/// Uniform in [low, high].
double between(double low, double high, Generator& generator) { return low + (high - low) * generator.uniform(); }

/// Uniform in {0, ..., most}.
Index up_to(Index most, Generator& generator) {
    return static_cast<Index>(generator.below(static_cast<std::uint64_t>(most) + 1));
}

/// Images of another size: change(sample, from, to) fills one channel of one sample, and draws what it needs for a sample
/// before.
template <class Draw, class Change>
Variable for_each_image(const Variable& x, Pair size, Draw draw, Change change) {
    const Index samples = x.shape(0), channels = x.shape(1), pixels = x.shape(2) * x.shape(3);
    Array out = Array::uninitialized({samples, channels, size.rows, size.cols}, x.dtype());
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T* from = x.array().data<T>();
        T* to = out.mutable_data<T>();
        for (Index i = 0; i < samples; ++i) {
            const auto drawn = draw();
            for (Index c = 0; c < channels; ++c, from += pixels, to += size.rows * size.cols) change(drawn, from, to);
        }
    });
    return out;
}

Pair size_of(const Variable& x) { return {x.shape(2), x.shape(3)}; }

/// The part of an image from (top, left) on, which may lie outside, where there are zeros.
template <class T>
void copy_part(const T* from, Pair image, Pair origin, T* to, Pair part) {
    const Index left = std::clamp<Index>(-origin.cols, 0, part.cols);
    const Index right = std::clamp<Index>(image.cols - origin.cols, left, part.cols);
    for (Index r = 0; r < part.rows; ++r, to += part.cols) {
        const Index row = r + origin.rows;
        if (row < 0 || row >= image.rows) {
            std::fill_n(to, part.cols, T(0));
            continue;
        }
        std::fill_n(to, left, T(0));
        std::copy_n(from + row * image.cols + origin.cols + left, right - left, to + left);
        std::fill(to + right, to + part.cols, T(0));
    }
}

/// Between pixels.
struct Place {
    double row, column;
};

/// Where the pixels of an image come from: (row, column) to a linear function of both, plus an offset.
struct Map {
    double row_by_row, row_by_column, column_by_row, column_by_column;
    double row, column;

    Place operator()(Index r, Index c) const {
        const auto at_row = static_cast<double>(r), at_column = static_cast<double>(c);
        return {row_by_row * at_row + row_by_column * at_column + row,
                column_by_row * at_row + column_by_column * at_column + column};
    }
};

Map draw_map(const Affine& bounds, Pair image, Generator& generator) {
    constexpr double radian = M_PI / 180;
    const double angle = radian * between(-bounds.degrees, bounds.degrees, generator);
    const double slant = std::tan(radian * between(-bounds.shear, bounds.shear, generator));
    const double factor = between(bounds.smallest, bounds.largest, generator);
    const auto height = static_cast<double>(image.rows), width = static_cast<double>(image.cols);
    const double down = height * between(-bounds.shift, bounds.shift, generator);
    const double right = width * between(-bounds.shift, bounds.shift, generator);
    // Backwards: moved, shrunk, turned and slanted back; with x to the right and y down, slanted is (x + slant y, y).
    const double c = std::cos(angle) / factor, s = std::sin(angle) / factor;
    Map map{c, -s, s - slant * c, c + slant * s, 0, 0};
    const double middle_row = (height - 1) / 2, middle_column = (width - 1) / 2;
    map.row = middle_row - map.row_by_row * (middle_row + down) - map.row_by_column * (middle_column + right);
    map.column =
        middle_column - map.column_by_row * (middle_row + down) - map.column_by_column * (middle_column + right);
    return map;
}

/// A grid of knots over an image, each of them moved.
class Bend {
public:
    Bend(const Elastic& bounds, Pair image, Generator& generator)
        : knots_(bounds.knots), image_(image), moves_(static_cast<std::size_t>(knots_ * knots_)) {
        for (Place& move : moves_) {
            move.row = bounds.deviation * generator.normal();
            move.column = bounds.deviation * generator.normal();
        }
    }

    /// How far a pixel is moved.
    Place operator()(Index r, Index c) const {
        const auto [i, below] = cell(r, image_.rows);
        const auto [j, beside] = cell(c, image_.cols);
        const Place* upper = &moves_[static_cast<std::size_t>(i * knots_ + j)];
        const Place* lower = upper + knots_;
        const auto between = [&](double Place::*part) {
            const double top = upper[0].*part * (1 - beside) + upper[1].*part * beside;
            const double bottom = lower[0].*part * (1 - beside) + lower[1].*part * beside;
            return top * (1 - below) + bottom * below;
        };
        return {between(&Place::row), between(&Place::column)};
    }

private:
    /// The knot before a pixel, and which part of the way to the next one it is.
    std::pair<Index, double> cell(Index pixel, Index pixels) const {
        const Index steps = std::max<Index>(pixels - 1, 1), before = std::min(pixel * (knots_ - 1) / steps, knots_ - 2);
        return {before, static_cast<double>(pixel * (knots_ - 1) - before * steps) / static_cast<double>(steps)};
    }

    Index knots_;
    Pair image_;
    std::vector<Place> moves_;
};

/// Each pixel from source(row, column) of another image.
template <class T, class Source>
void resample(const T* from, Pair image, const Source& source, T* to) {
    const auto pixel = [&](Index row, Index column) {
        return row >= 0 && row < image.rows && column >= 0 && column < image.cols
                   ? static_cast<double>(from[row * image.cols + column])
                   : 0.0;
    };
    for (Index r = 0; r < image.rows; ++r)
        for (Index c = 0; c < image.cols; ++c, ++to) {
            const Place at = source(r, c);
            *to = T(0);
            if (!(at.row > -1 && at.row < static_cast<double>(image.rows) && at.column > -1 &&
                  at.column < static_cast<double>(image.cols)))
                continue;
            const double top = std::floor(at.row), left = std::floor(at.column);
            const double below = at.row - top, beside = at.column - left;
            const auto i = static_cast<Index>(top), j = static_cast<Index>(left);
            const double upper = pixel(i, j) * (1 - beside) + pixel(i, j + 1) * beside;
            const double lower = pixel(i + 1, j) * (1 - beside) + pixel(i + 1, j + 1) * beside;
            *to = static_cast<T>(upper * (1 - below) + lower * below);
        }
}

void require_affine(const char* name, const Affine& bounds, Where where) {
    const auto fine = [](double bound) { return bound >= 0 && std::isfinite(bound); };
    require(fine(bounds.degrees) && fine(bounds.shift), name, "degrees and shift must be at least 0", where);
    require(bounds.smallest > 0 && bounds.smallest <= bounds.largest && fine(bounds.largest), name,
            "the factor must be above 0 and the smallest not above the largest", where);
    require(bounds.shear >= 0 && bounds.shear < 90, name, "shear must be in [0, 90)", where);
}

}  // namespace

Loader::Transform chain(std::vector<Loader::Transform> transforms) {
    return [transforms = std::move(transforms)](const Variable& x, Generator& generator) {
        Variable y = x;
        for (const Loader::Transform& transform : transforms) y = transform(y, generator);
        return y;
    };
}

Loader::Transform random_flip(double probability, Where where) {
    require(probability >= 0 && probability <= 1, "random_flip", "the probability must be in [0, 1]", where);
    return [probability](const Variable& x, Generator& generator) {
        require_images("random_flip", x);
        const Pair image = size_of(x);
        return for_each_image(
            x, image, [&] { return generator.uniform() < probability; },
            [&](bool flip, const auto* from, auto* to) {
                for (Index r = 0; r < image.rows; ++r, from += image.cols, to += image.cols)
                    flip ? std::reverse_copy(from, from + image.cols, to) : std::copy_n(from, image.cols, to);
            });
    };
}

Loader::Transform random_shift(Pair most, Where where) {
    require(most.rows >= 0 && most.cols >= 0, "random_shift", "the shift must not be negative", where);
    return [most](const Variable& x, Generator& generator) {
        require_images("random_shift", x);
        return random_crop(size_of(x), most)(x, generator);
    };
}

Loader::Transform random_crop(Pair size, Pair padding, Where where) {
    require(size.rows >= 1 && size.cols >= 1, "random_crop", "the size must be at least 1", where);
    require(padding.rows >= 0 && padding.cols >= 0, "random_crop", "the padding must not be negative", where);
    return [size, padding](const Variable& x, Generator& generator) {
        require_images("random_crop", x);
        const Pair image = size_of(x);
        const Pair room(image.rows + 2 * padding.rows - size.rows, image.cols + 2 * padding.cols - size.cols);
        if (room.rows < 0 || room.cols < 0)
            throw ShapeError(fmt::format("random_crop: images {} with padding ({}, {}) are smaller than ({}, {})",
                                         to_string(x.shape()), padding.rows, padding.cols, size.rows, size.cols));
        const auto draw = [&] {
            const Index top = up_to(room.rows, generator) - padding.rows;
            return Pair(top, up_to(room.cols, generator) - padding.cols);
        };
        return for_each_image(
            x, size, draw, [&](Pair origin, const auto* from, auto* to) { copy_part(from, image, origin, to, size); });
    };
}

Variable center_crop(const Variable& images, Pair size, Where where) {
    if (images.rank() != 4 || images.shape(2) < size.rows || images.shape(3) < size.cols)
        throw ShapeError(fmt::format("center_crop: needs (N, C, H, W) of at least ({}, {}): {}", size.rows, size.cols,
                                     to_string(images.shape())),
                         where);
    const Index top = (images.shape(2) - size.rows) / 2, left = (images.shape(3) - size.cols) / 2;
    return slice(images, {all(), all(), range(top, top + size.rows), range(left, left + size.cols)}, where);
}

Loader::Transform random_affine(const Affine& bounds, Where where) {
    require_affine("random_affine", bounds, where);
    return [bounds](const Variable& x, Generator& generator) {
        require_images("random_affine", x);
        const Pair image = size_of(x);
        return for_each_image(
            x, image, [&] { return draw_map(bounds, image, generator); },
            [&](const Map& map, const auto* from, auto* to) { resample(from, image, map, to); });
    };
}

Loader::Transform random_elastic(const Elastic& bounds, Where where) {
    require_affine("random_elastic", bounds, where);
    require(bounds.deviation >= 0 && std::isfinite(bounds.deviation), "random_elastic",
            "the deviation must be at least 0", where);
    require(bounds.knots >= 2, "random_elastic", "there must be at least 2 knots", where);
    return [bounds](const Variable& x, Generator& generator) {
        require_images("random_elastic", x);
        const Pair image = size_of(x);
        const auto draw = [&] {
            const Map map = draw_map(bounds, image, generator);
            return std::pair(map, Bend(bounds, image, generator));
        };
        return for_each_image(x, image, draw, [&](const auto& drawn, const auto* from, auto* to) {
            const auto& [map, bend] = drawn;
            const auto source = [&map = map, &bend = bend](Index r, Index c) {
                const Place at = map(r, c), moved = bend(r, c);
                return Place{at.row + moved.row, at.column + moved.column};
            };
            resample(from, image, source, to);
        });
    };
}

}  // namespace xtape::datasets
