#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <xtape/autograd/kernels/reduce.hpp>
#include <xtape/autograd/kernels/scan.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/ops/reduced.hpp>
#include <xtape/autograd/tape.hpp>

namespace xtape {

namespace {

/// The axes of one reduction of one shape; brings what has the result's shape back to meet the argument.
struct Reduced {
    Shape shape, axes;
    Where where;

    Reduced(const char* op, const Variable& x, const Axes& given, Where at)
        : shape(x.shape()), axes(shapes::axes(op, given, x.rank(), at)), where(at) {}

    Index count() const {
        Index n = 1;
        for (Index axis : axes) n *= shape[axis];
        return n;
    }

    /// With ones in place of the reduced axes.
    Variable kept(const Variable& g) const { return reshape(g, shapes::reduced(shape, axes, true), where); }

    Variable broadcast(const Variable& g) const {
        return broadcast_to(g.rank() == 0 ? g : kept(g), shape, where);  // a number needs no axes for that
    }
};

void require_elements(const char* op, const Shape& shape, const Shape& axes, Where where) {
    for (Index axis : axes)
        if (shape[axis] == 0)
            throw ShapeError(
                fmt::format("{}: nothing to choose from: axis {} of {} has size 0", op, axis, to_string(shape)), where);
}

/// max and min: each of the elements equal to the result gets an equal share.
Variable extreme(const char* op, kernels::ReductionFunction kernel, Variable x, const Axes& axes, bool keepdims,
                 Where where) {
    const Reduced reduced(op, x, axes, where);
    require_elements(op, reduced.shape, reduced.axes, where);
    auto dx = on(x, holding(
                        [reduced, x = x.detach()](const Variable& g, const Variable& y) {
                            const Variable chosen = equal(x, reduced.kept(y.detach()));
                            return chosen * (reduced.kept(g) / sum(chosen, reduced.axes, true, reduced.where));
                        },
                        x));
    return record(op, where, kernel(std::move(x).array(), reduced.axes, keepdims), std::move(dx));
}

/// g / y, and 0 where y is 0, in every derivative too.
Variable quotient_or_zero(const Variable& g, const Variable& y, Where where) {
    const Variable zero = equal(y.detach(), 0);
    return masked_fill(g / masked_fill(y, zero, 1, where), zero, 0, where);
}

IntArray positions(const char* op, kernels::ReductionFunction kernel, const Variable& x, Index axis, Where where) {
    axis = shapes::axis(op, axis, x.rank(), where);
    require_elements(op, x.shape(), {axis}, where);
    const Shape shape = shapes::reduced(x.shape(), {axis}, false);
    IntArray places = IntArray::from_shape(std::vector<std::size_t>(shape.begin(), shape.end()));
    kernels::find_first(x.array(), kernel(x.array(), {axis}, true), axis, places.data());
    return places;
}

}  // namespace

Variable sum(Variable x, Axes axes, bool keepdims, Where where) {
    const Reduced reduced("sum", x, axes, where);
    auto dx = on(x, [reduced](const Variable& g) { return reduced.broadcast(g); });
    return record("sum", where, reduced_array(kernels::reduce_sum, x.array(), reduced.axes, keepdims), std::move(dx));
}

Variable mean(Variable x, Axes axes, bool keepdims, Where where) {
    const Reduced reduced("mean", x, axes, where);
    auto dx = on(x, [reduced](const Variable& g) { return reduced.broadcast(g / reduced.count()); });
    return record("mean", where, reduced_array(kernels::reduce_mean, x.array(), reduced.axes, keepdims), std::move(dx));
}

Variable max(Variable x, Axes axes, bool keepdims, Where where) {
    return extreme("max", kernels::reduce_max, std::move(x), axes, keepdims, where);
}

Variable min(Variable x, Axes axes, bool keepdims, Where where) {
    return extreme("min", kernels::reduce_min, std::move(x), axes, keepdims, where);
}

// var: y = sum((x - mean)^2) / m;  dx = g (x - mean) 2 / m
Variable var(Variable x, Axes axes, bool keepdims, Index ddof, Where where) {
    const Reduced reduced("var", x, axes, where);
    auto dx = on(x, holding(
                        [reduced, x, ddof](const Variable& g) {
                            const Variable deviation = x - mean(x, reduced.axes, true, reduced.where);
                            return deviation * (reduced.kept(g) * 2 / std::max<Index>(0, reduced.count() - ddof));
                        },
                        x));
    return record("var", where, kernels::reduce_variance(std::move(x).array(), reduced.axes, keepdims, ddof),
                  std::move(dx));
}

// std: y = sqrt(var);  dx = g (x - mean) / (m y)
Variable std(Variable x, Axes axes, bool keepdims, Index ddof, Where where) {
    const Reduced reduced("std", x, axes, where);
    auto dx = on(x, holding(
                        [reduced, x, ddof](const Variable& g, const Variable& y) {
                            const Variable deviation = x - mean(x, reduced.axes, true, reduced.where);
                            const Variable slope = quotient_or_zero(g, y, reduced.where);
                            return deviation * (reduced.kept(slope) / std::max<Index>(0, reduced.count() - ddof));
                        },
                        x));
    return record("std", where, kernels::reduce_deviation(std::move(x).array(), reduced.axes, keepdims, ddof),
                  std::move(dx));
}

// norm: y = sqrt(sum(x^2));  dx = g x / y
Variable norm(Variable x, Axes axes, bool keepdims, Where where) {
    const Reduced reduced("norm", x, axes, where);
    auto dx = on(
        x, holding([reduced, x](const Variable& g,
                                const Variable& y) { return x * reduced.kept(quotient_or_zero(g, y, reduced.where)); },
                   x));
    return record("norm", where, kernels::reduce_norm(std::move(x).array(), reduced.axes, keepdims), std::move(dx));
}

// logsumexp: y = log(sum(e^x));  dx = g e^(x - y), which is 0 where all x are -inf
Variable logsumexp(Variable x, Axes axes, bool keepdims, Where where) {
    const Reduced reduced("logsumexp", x, axes, where);
    auto dx = on(x, holding(
                        [reduced, x](const Variable& g, const Variable& y) {
                            const Variable nothing = equal(y.detach(), -std::numeric_limits<double>::infinity());
                            const Variable finite = masked_fill(y, nothing, 0, reduced.where);
                            return exp(x - reduced.kept(finite), reduced.where) * reduced.kept(g);
                        },
                        x));
    return record("logsumexp", where, kernels::reduce_logsumexp(std::move(x).array(), reduced.axes, keepdims),
                  std::move(dx));
}

IntArray argmax(const Variable& x, Index axis, Where where) {
    return positions("argmax", kernels::reduce_max, x, axis, where);
}

IntArray argmin(const Variable& x, Index axis, Where where) {
    return positions("argmin", kernels::reduce_min, x, axis, where);
}

}  // namespace xtape
