#include <xtape/datasets/transform.hpp>

#include <fmt/format.h>

namespace xtape::datasets {
namespace {

/// Least value and extent over the axes, which stay with size 1.
struct Extent {
    Variable low, range;

    Extent(const char* name, const Variable& x, const Axes& axes, Where where) {
        const Shape reduced = shapes::axes(name, axes, x.rank(), where);
        for (Index axis : reduced)
            if (x.shape(axis) == 0)
                throw ShapeError(
                    fmt::format("{}: nothing to fit on: X {} is empty along axis {}", name, to_string(x.shape()), axis),
                    where);
        low = min(x, axes, true, where);
        range = max(x, axes, true, where) - low;
    }

    Variable varies() const { return range > 0; }
};

void require_fit(const Variable& offset, const Variable& x, Where where) {
    if (shapes::broadcast("normalization", x.shape(), offset.shape(), where) != x.shape())
        throw ShapeError(fmt::format("normalization: fitted on other sizes: X {}, offset {}", to_string(x.shape()),
                                     to_string(offset.shape())),
                         where);
}

}  // namespace

Variable Normalization::operator()(const Variable& x, Where where) const {
    require_fit(offset, x, where);
    return Operand(Operand(x, where) - offset, where) / scale;
}

Variable Normalization::inverse(const Variable& x, Where where) const {
    require_fit(offset, x, where);
    return Operand(Operand(x, where) * scale, where) + offset;
}

Normalization min_max(const Variable& x, const Axes& axes, Where where) {
    NoGrad guard;
    const Extent extent("min_max", x, axes, where);
    return {extent.low, xtape::where(extent.varies(), extent.range, 1)};
}

Normalization mean_std(const Variable& x, const Axes& axes, Where where) {
    NoGrad guard;
    const Extent extent("mean_std", x, axes, where);
    // Rounding gives a constant column a mean and a deviation a little off: take both as they ought to be.
    const Variable deviation = xtape::std(x, axes, true, 0, where);
    const Variable varies = extent.varies() * (deviation > 0);
    return {xtape::where(varies, mean(x, axes, true, where), extent.low), xtape::where(varies, deviation, 1)};
}

}  // namespace xtape::datasets
