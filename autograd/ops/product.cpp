#include <utility>
#include <vector>

#include <xtape/autograd/kernels/reduce.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/tape.hpp>

/// prod, whose gradient never divides: the product of all others is right with zeros among them, in every derivative.
namespace xtape {

namespace {

/// For x (n, m) and g (n, 1): g times the product of all others in the row. The product as a tree of halves, walked up
/// and back down: n m multiplications up and twice as many down.
Variable times_all_others(const Variable& x, const Variable& g, Where where) {
    std::vector<std::vector<Variable>> levels;  // left half, right half and, of an odd number, the last one
    Variable row = x;
    while (row.shape(1) > 1) {
        const Index half = row.shape(1) / 2, odd = row.shape(1) % 2;
        levels.push_back(split(row, odd ? Shape{half, half, 1} : Shape{half, half}, 1, where));
        const std::vector<Variable>& level = levels.back();
        row = level[0] * level[1];
        if (odd) row = concatenate({row, level[2]}, 1, where);
    }
    Variable factor = g;
    for (; !levels.empty(); levels.pop_back()) {
        std::vector<Variable> level = std::move(levels.back());
        const Index half = level[0].shape(1);
        if (level.size() == 3) {
            const std::vector<Variable> parts = split(factor, Shape{half, 1}, 1, where);
            factor = concatenate({parts[0] * level[1], parts[0] * level[0], parts[1]}, 1, where);
        } else {
            factor = concatenate({factor * level[1], factor * level[0]}, 1, where);
        }
    }
    return factor;
}

/// The gradient of prod over normalised axes, for g in the result's shape.
Variable prod_gradient(const Variable& x, const Shape& axes, const Variable& g, Where where) {
    if (x.size() == 0) return Variable(Array::filled(x.shape(), x.dtype(), 0));
    Shape permutation, permuted_shape;  // reduced axes last
    Index reduced = 1;
    for (const bool last : {false, true}) {
        for (Index axis = 0; axis < x.rank(); ++axis) {
            if (axes.contains(axis) != last) continue;
            permutation.push_back(axis);
            permuted_shape.push_back(x.shape(axis));
            if (last) reduced *= x.shape(axis);
        }
    }
    Shape inverse = permutation;
    for (Index axis = 0; axis < x.rank(); ++axis) inverse[permutation[axis]] = axis;

    const Index rows = x.size() / reduced;
    const Variable flat = reshape(permute(x, permutation, where), {rows, reduced}, where);
    const Variable dx = times_all_others(flat, reshape(g, {rows, 1}, where), where);
    return permute(reshape(dx, permuted_shape, where), inverse, where);
}

}  // namespace

Variable prod(Variable x, Axes axes, bool keepdims, Where where) {
    const Shape reduced = shapes::axes("prod", axes, x.rank(), where);
    auto dx = on(x, holding([x, reduced, where](const Variable& g) { return prod_gradient(x, reduced, g, where); }, x));
    return record("prod", where, kernels::reduce_prod(std::move(x).array(), reduced, keepdims), std::move(dx));
}

}  // namespace xtape
