#include <algorithm>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/ops/regions.hpp>
#include <xtape/autograd/tape.hpp>

namespace xtape {

namespace {

// The list with exactly one entry per axis besides newaxis: the ellipsis, or the end without one, stands for the rest.
Slices one_per_axis(const Slices& slices, const Shape& x, Where where) {
    std::size_t consumed = 0, ellipses = 0;
    for (const Slice& entry : slices) {
        if (entry.kind == Slice::Kind::ellipsis) ++ellipses;
        if (entry.kind == Slice::Kind::position || entry.kind == Slice::Kind::range) ++consumed;
    }
    const auto rank = static_cast<std::size_t>(x.rank());
    if (ellipses > 1) throw ShapeError(fmt::format("slice: more than one ellipsis: {} > 1", ellipses), where);
    if (consumed > rank)
        throw ShapeError(fmt::format("slice: more entries than axes: {} > {} for X {}", consumed, rank, to_string(x)),
                         where);
    Slices result;
    for (const Slice& entry : slices) {
        if (entry.kind == Slice::Kind::ellipsis)
            result.insert(result.end(), rank - consumed, Slice(all()));
        else
            result.push_back(entry);
    }
    if (ellipses == 0) result.insert(result.end(), rank - consumed, Slice(all()));
    return result;
}

Index position_in(Index position, Index axis, const Shape& x, Where where) {
    const Index size = x[axis];
    if (position < -size || position >= size)
        throw ShapeError(fmt::format("slice: position out of range: {} at axis {} of X {}, which has size {}", position,
                                     axis, to_string(x), size),
                         where);
    return position < 0 ? position + size : position;
}

struct Range {
    Index start, step, count;
};

// Python's rule: bounds are cut to the array, what is left may be empty.
Range range_in(const Slice& entry, Index axis, Index size, Where where) {
    if (entry.step == Index{0})
        throw ShapeError(fmt::format("slice: step is 0 at axis {}, which has size {}", axis, size), where);
    // One step of more than the size leaves the array, so that larger ones are the same and cannot overflow.
    const Index step = std::clamp(entry.step.value_or(1), -size - 1, size + 1);
    const Index lowest = step > 0 ? 0 : -1, highest = step > 0 ? size : size - 1;
    const auto bound = [&](const std::optional<Index>& given, Index otherwise) {
        if (!given) return otherwise;
        return std::clamp(*given < 0 ? *given + size : *given, lowest, highest);
    };
    const Index start = bound(entry.start, step > 0 ? lowest : highest);
    const Index stop = bound(entry.stop, step > 0 ? highest : lowest);
    const Index distance = step > 0 ? stop - start : start - stop;
    if (distance <= 0) return {0, 1, 0};
    const Index count = (distance - 1) / (step > 0 ? step : -step) + 1;
    return {start, count == 1 ? 1 : step, count};
}

}  // namespace

Variable slice(Variable x, const Slices& slices, Where where) {
    const Shape shape = x.shape();
    kernels::Region region;
    Shape result;
    Index axis = 0;
    for (const Slice& entry : one_per_axis(slices, shape, where)) {
        if (entry.kind != Slice::Kind::position) require_rank("slice", result.rank() + 1, where);
        if (entry.kind == Slice::Kind::newaxis) {
            result.push_back(1);
            continue;
        }
        Range range{0, 1, 1};
        if (entry.kind == Slice::Kind::position) {
            range.start = position_in(*entry.start, axis, shape, where);
        } else {
            range = range_in(entry, axis, shape[axis], where);
            result.push_back(range.count);
        }
        region.start.push_back(range.start);
        region.step.push_back(range.step);
        region.count.push_back(range.count);
        ++axis;
    }
    return slice_region(std::move(x), region, result, where);
}

Variable pad(Variable x, const std::vector<std::pair<Index, Index>>& widths, double value, Where where) {
    if (static_cast<Index>(widths.size()) != x.rank())
        throw ShapeError(fmt::format("pad: not one pair of widths for each axis: {} pairs for X {}, {} != {}",
                                     widths.size(), to_string(x.shape()), widths.size(), x.rank()),
                         where);
    kernels::Region inside = kernels::Region::whole(x.shape());
    Shape shape = x.shape();
    for (Index axis = 0; axis < x.rank(); ++axis) {
        const auto [before, after] = widths[static_cast<std::size_t>(axis)];
        if (before < 0 || after < 0)
            throw ShapeError(fmt::format("pad: negative width at axis {}: ({}, {})", axis, before, after), where);
        inside.start[axis] = before;
        if (__builtin_add_overflow(shape[axis], before, &shape[axis]) ||
            __builtin_add_overflow(shape[axis], after, &shape[axis]))
            throw ShapeError(
                fmt::format("pad: size too large at axis {}: {} + {} + {}", axis, before, x.shape()[axis], after),
                where);
    }
    if (shape == x.shape()) return x;
    auto dx = on(x, [inside, where](const Variable& g) { return slice_region(g, inside, inside.count, where); });
    return record("pad", where, kernels::place(std::move(x).array(), shape, inside, value), std::move(dx));
}

}  // namespace xtape
