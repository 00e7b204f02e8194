#include <xtape/autograd/ops/regions.hpp>

#include <utility>

#include <fmt/format.h>

#include <xtape/autograd/tape.hpp>

namespace xtape {

Variable slice_region(Variable x, const kernels::Region& region, const Shape& result, Where where) {
    if (region.is_whole(x.shape()) && result == x.shape()) return x;
    auto dx =
        on(x, [region, shape = x.shape(), where](const Variable& g) { return place_region(g, shape, region, where); });
    return record("slice", where, kernels::slice(std::move(x).array(), region).reshaped(result), std::move(dx));
}

Variable place_region(Variable x, const Shape& shape, const kernels::Region& region, Where where) {
    if (region.is_whole(shape) && shape == x.shape()) return x;
    auto dx = on(
        x, [region, result = x.shape(), where](const Variable& g) { return slice_region(g, region, result, where); });
    return record("place", where, kernels::place(std::move(x).array(), shape, region, 0), std::move(dx));
}

kernels::Region part_of(const Shape& shape, Index axis, Index start, Index count) {
    kernels::Region region = kernels::Region::whole(shape);
    region.start[axis] = start;
    region.count[axis] = count;
    return region;
}

void require_rank(const char* op, Index rank, Where where) {
    if (rank > Shape::max_rank)
        throw ShapeError(fmt::format("{}: too many axes in the result: {} > {}", op, rank, Shape::max_rank), where);
}

}  // namespace xtape
