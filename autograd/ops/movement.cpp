#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <xtape/autograd/kernels/movement.hpp>
#include <xtape/autograd/kernels/reduce.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/ops/reduced.hpp>
#include <xtape/autograd/ops/regions.hpp>
#include <xtape/autograd/tape.hpp>

namespace xtape {

namespace {

Variable reshaped(const char* op, Variable x, const Shape& shape, Where where) {
    if (shape == x.shape()) return x;
    auto dx = on(x, [shape = x.shape(), where](const Variable& g) { return reshape(g, shape, where); });
    return record(op, where, std::move(x).array().reshaped(shape), std::move(dx));
}

Variable permuted(const char* op, Variable x, const Shape& permutation, Where where) {
    if (std::is_sorted(permutation.begin(), permutation.end())) return x;
    Shape inverse = permutation;
    for (Index axis = 0; axis < permutation.rank(); ++axis) inverse[permutation[axis]] = axis;
    auto dx = on(x, [inverse, where](const Variable& g) { return permute(g, inverse, where); });
    return record(op, where, kernels::permute(std::move(x).array(), permutation), std::move(dx));
}

void require_broadcast(const char* op, const char* condition, const Shape& small, const Shape& large, Where where) {
    const Index added = large.rank() - small.rank();
    if (added < 0)
        throw ShapeError(fmt::format("{}: {}: {} and {}, rank {} > {}", op, condition, to_string(small),
                                     to_string(large), small.rank(), large.rank()),
                         where);
    for (Index axis = 0; axis < small.rank(); ++axis) {
        if (small[axis] != 1 && small[axis] != large[axis + added])
            throw ShapeError(fmt::format("{}: {}: {} and {}, {} != {} at axis {}", op, condition, to_string(small),
                                         to_string(large), small[axis], large[axis + added], axis),
                             where);
    }
}

}  // namespace

Variable reshape(Variable x, const Shape& shape, Where where) {
    const Shape whole = shapes::reshaped(x.shape(), shape, where);
    return reshaped("reshape", std::move(x), whole, where);
}

Variable flatten(Variable x, Index start_axis, Where where) {
    const Index first = shapes::axis("flatten", start_axis, std::max<Index>(x.rank(), 1), where);
    Shape shape(x.shape().begin(), x.shape().begin() + std::min(first, x.rank()));
    shape.push_back(Shape(x.shape().begin() + shape.rank(), x.shape().end()).count());
    return reshaped("flatten", std::move(x), shape, where);
}

Variable transpose(Variable x, Where where) {
    Shape permutation;
    for (Index axis = x.rank() - 1; axis >= 0; --axis) permutation.push_back(axis);
    return permuted("transpose", std::move(x), permutation, where);
}

Variable permute(Variable x, const Shape& permutation, Where where) {
    if (permutation.rank() != x.rank())
        throw ShapeError(fmt::format("permute: not one entry for each axis: {} for X {}, {} != {}",
                                     to_string(permutation), to_string(x.shape()), permutation.rank(), x.rank()),
                         where);
    Shape normalised;
    for (Index given : permutation) {
        const Index axis = shapes::axis("permute", given, x.rank(), where);
        if (normalised.contains(axis))
            throw ShapeError(fmt::format("permute: axis {} is named twice in {}", axis, to_string(permutation)), where);
        normalised.push_back(axis);
    }
    return permuted("permute", std::move(x), normalised, where);
}

Variable squeeze(Variable x, Axes axes, Where where) {
    const Shape dropped = shapes::axes("squeeze", axes, x.rank(), where);
    Shape shape;
    for (Index axis = 0; axis < x.rank(); ++axis) {
        const Index size = x.shape()[axis];
        if (!dropped.contains(axis) || (axes.list.empty() && size != 1))
            shape.push_back(size);
        else if (size != 1)
            throw ShapeError(
                fmt::format("squeeze: axis {} of X {} has not size 1: {} != 1", axis, to_string(x.shape()), size),
                where);
    }
    return reshaped("squeeze", std::move(x), shape, where);
}

Variable expand_dims(Variable x, Index axis, Where where) {
    require_rank("expand_dims", x.rank() + 1, where);
    Shape shape = x.shape();
    shape.insert(shapes::axis("expand_dims", axis, x.rank() + 1, where), 1);
    return reshaped("expand_dims", std::move(x), shape, where);
}

Variable broadcast_to(Variable x, const Shape& shape, Where where) {
    if (shape == x.shape()) return x;
    for (Index size : shape)
        if (size < 0)
            throw ShapeError(fmt::format("broadcast_to: negative size: {} in {}", size, to_string(shape)), where);
    require_broadcast("broadcast_to", "X does not broadcast to the shape", x.shape(), shape, where);
    auto dx = on(x, [shape = x.shape(), where](const Variable& g) { return sum_to(g, shape, where); });
    return record("broadcast_to", where, kernels::broadcast_to(std::move(x).array(), shape), std::move(dx));
}

Variable sum_to(Variable x, const Shape& shape, Where where) {
    if (shape == x.shape()) return x;
    require_broadcast("sum_to", "the shape does not broadcast to X", shape, x.shape(), where);
    const Index added = x.rank() - shape.rank();
    Shape summed;
    for (Index axis = 0; axis < x.rank(); ++axis)
        if (axis < added || (shape[axis - added] == 1 && x.shape()[axis] != 1)) summed.push_back(axis);
    auto dx = on(x, [large = x.shape(), where](const Variable& g) { return broadcast_to(g, large, where); });
    Array y = reduced_array(kernels::reduce_sum, x.array(), summed, added == 0);
    if (y.shape() != shape) y = y.reshaped(shape);
    return record("sum_to", where, std::move(y), std::move(dx));
}

Variable flip(Variable x, Axes axes, Where where) {
    const Shape given = shapes::axes("flip", axes, x.rank(), where);
    Shape reversed;
    for (Index axis : given)
        if (x.shape()[axis] > 1) reversed.push_back(axis);
    if (reversed.empty()) return x;
    auto dx = on(x, [reversed, where](const Variable& g) { return flip(g, reversed, where); });
    return record("flip", where, kernels::flip(std::move(x).array(), reversed), std::move(dx));
}

Variable repeat(Variable x, Index times, Index axis, Where where) {
    const Index along = shapes::axis("repeat", axis, x.rank(), where);
    if (times < 0) throw ShapeError(fmt::format("repeat: negative number of times: {} < 0", times), where);
    Index size = 0;
    if (__builtin_mul_overflow(x.shape()[along], times, &size))
        throw ShapeError(fmt::format("repeat: size too large at axis {}: {} x {}", along, x.shape()[along], times),
                         where);
    if (times == 1) return x;
    auto dx = on(x, [shape = x.shape(), times, along, where](const Variable& g) {
        const Shape before(shape.begin(), shape.begin() + along + 1), after(shape.begin() + along + 1, shape.end());
        const Variable copies = reshape(g, {before.count(), times, after.count()}, where);
        return reshape(sum(copies, 1, false, where), shape, where);
    });
    return record("repeat", where, kernels::repeat(std::move(x).array(), times, along), std::move(dx));
}

}  // namespace xtape
