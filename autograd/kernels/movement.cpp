#include <xtape/autograd/kernels/movement.hpp>

#include <algorithm>

#include <xtape/autograd/kernels/odometer.hpp>
#include <xtape/autograd/kernels/parallel.hpp>

namespace xtape::kernels {

namespace {

constexpr Index elements_per_piece = 32768;

// The walk over a region of an array of this shape.
Walk walk(const Shape& shape, const Region& region) {
    Walk result{0, contiguous(shape)};
    for (Index axis = 0; axis < shape.rank(); ++axis) {
        result.start += region.start[axis] * result.strides[axis];
        result.strides[axis] *= region.step[axis];
    }
    return result;
}

// An axis of which all is in the region joins the axis before it, so that rows are as long as they can be.
void merge(Shape& shape, Region& region) {
    for (Index axis = shape.rank() - 1; axis > 0; --axis) {
        const Index size = shape[axis];
        if (region.count[axis] != size) continue;
        shape[axis - 1] *= size;
        region.start[axis - 1] *= size;
        region.count[axis - 1] *= size;
        shape.erase(axis);
        region.start.erase(axis);
        region.step.erase(axis);
        region.count.erase(axis);
    }
}

// Writes every element of `to` once, row after row: background, elements of x, background. Long rows are cut into
// segments.
template <class T>
void place_rows(T* to, const Shape& shape, const T* x, const Region& region, T background) {
    const Index inner = shape.rank() - 1, size = shape[inner];
    const Index first = region.start[inner], last = first + region.count[inner];
    Shape rows = shape, strides = contiguous(region.count);
    rows.erase(inner);
    strides.erase(inner);
    const auto covered = [&](const Odometer<1>& row) {
        for (Index axis = 0; axis < inner; ++axis) {
            const Index offset = row.position(axis) - region.start[axis];
            if (offset < 0 || offset >= region.count[axis]) return false;
        }
        return true;
    };
    Index origin = first;
    for (Index axis = 0; axis < inner; ++axis) origin += region.start[axis] * strides[axis];
    const Index segment = std::min(size, elements_per_piece), segments = (size + segment - 1) / segment;
    parallel_for(rows.count() * segments, elements_per_piece / segment, [&](Index begin, Index end) {
        Odometer<1> row(rows, {strides}, begin / segments);
        for (Index item = begin; item < end; ++item) {
            T* target = to + item / segments * size;
            const Index low = item % segments * segment, high = std::min(low + segment, size);
            const bool inside = covered(row);
            const Index from = inside ? std::clamp(first, low, high) : high,
                        until = inside ? std::clamp(last, low, high) : high;
            std::fill(target + low, target + from, background);
            if (from < until) std::copy_n(x + (row.offset(0) + from - origin), until - from, target + from);
            std::fill(target + until, target + high, background);
            if ((item + 1) % segments == 0) row.next();
        }
    });
}

}  // namespace

Array permute(const Array& x, const Shape& permutation) {
    const Shape strides = contiguous(x.shape());
    Shape shape, from, moved;
    for (Index axis : permutation) {
        shape.push_back(x.shape()[axis]);
        from.push_back(strides[axis]);
        if (x.shape()[axis] != 1) moved.push_back(axis);
    }
    if (std::is_sorted(moved.begin(), moved.end())) return x.reshaped(shape);
    Array y = Array::uninitialized(shape, x.dtype());
    strided_copy(shape, y, {0, contiguous(shape)}, x, {0, from});
    return y;
}

Array broadcast_to(const Array& x, const Shape& shape) {
    constexpr Index few = 4096;
    if (x.size() == 1 && shape.count() <= few) return Array::filled(shape, x.dtype(), x.at(0));
    Shape from = Shape::filled(shape.rank(), 0);
    const Shape strides = contiguous(x.shape());
    const Index added = shape.rank() - x.rank();
    for (Index axis = 0; axis < x.rank(); ++axis)
        if (x.shape()[axis] != 1) from[axis + added] = strides[axis];
    Array y = Array::uninitialized(shape, x.dtype());
    strided_copy(shape, y, {0, contiguous(shape)}, x, {0, from});
    return y;
}

Array flip(const Array& x, const Shape& axes) {
    Walk from{0, contiguous(x.shape())};
    for (Index axis : axes) {
        from.start += (x.shape()[axis] - 1) * from.strides[axis];
        from.strides[axis] = -from.strides[axis];
    }
    Array y = Array::uninitialized(x.shape(), x.dtype());
    strided_copy(x.shape(), y, {0, contiguous(x.shape())}, x, from);
    return y;
}

Array repeat(const Array& x, Index times, Index axis) {
    Shape shape = x.shape();
    Index inner = 1;
    for (Index i = axis + 1; i < x.rank(); ++i) inner *= shape[i];
    Index outer = 1;
    for (Index i = 0; i <= axis; ++i) outer *= shape[i];
    shape[axis] *= times;
    Array y = Array::uninitialized(shape, x.dtype());
    const Shape walked{outer, times, inner};
    strided_copy(walked, y, {0, contiguous(walked)}, x, {0, {inner, 0, 1}});
    return y;
}

Array concatenate(const std::vector<Array>& xs, Index axis) {
    Shape shape = xs.front().shape();
    shape[axis] = 0;
    for (const Array& x : xs) shape[axis] += x.shape()[axis];
    Array y = Array::uninitialized(shape, xs.front().dtype());
    Walk to{0, contiguous(shape)};
    for (const Array& x : xs) {
        strided_copy(x.shape(), y, to, x, {0, contiguous(x.shape())});
        to.start += x.shape()[axis] * to.strides[axis];
    }
    return y;
}

Region Region::whole(const Shape& shape) {
    return {Shape::filled(shape.rank(), 0), Shape::filled(shape.rank(), 1), shape};
}

bool Region::is_whole(const Shape& shape) const {
    return count == shape && is_dense();  // as many positions as there are, in order: they start at 0
}

bool Region::is_dense() const {
    return std::all_of(step.begin(), step.end(), [](Index s) { return s == 1; });
}

Array slice(const Array& x, const Region& region) {
    if (region.is_whole(x.shape())) return x;
    Array y = Array::uninitialized(region.count, x.dtype());
    strided_copy(region.count, y, {0, contiguous(region.count)}, x, walk(x.shape(), region));
    return y;
}

Array place(const Array& x, const Shape& shape, const Region& region, double background) {
    if (region.is_whole(shape)) return x.reshaped(shape);
    if (x.size() == 0 || !region.is_dense()) {
        Array y = Array::filled(shape, x.dtype(), background);
        strided_copy(region.count, y, walk(shape, region), x, {0, contiguous(region.count)});
        return y;
    }
    Array y = Array::uninitialized(shape, x.dtype());
    Shape merged_shape = shape;
    Region merged_region = region;
    merge(merged_shape, merged_region);
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        place_rows(y.mutable_data<T>(), merged_shape, x.data<T>(), merged_region, static_cast<T>(background));
    });
    return y;
}

}  // namespace xtape::kernels
