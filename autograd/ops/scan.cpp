#include <utility>

#include <xtape/autograd/kernels/scan.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/tape.hpp>

namespace xtape {

namespace {

/// Each direction's adjoint is the other.
Variable running_sum(Variable x, Index axis, bool reversed, Where where) {
    auto dx = on(x, [axis, reversed, where](const Variable& g) { return running_sum(g, axis, !reversed, where); });
    return record("cumsum", where, kernels::cumsum(std::move(x).array(), axis, reversed), std::move(dx));
}

}  // namespace

Variable cumsum(Variable x, Index axis, Where where) {
    axis = shapes::axis("cumsum", axis, x.rank(), where);
    return running_sum(std::move(x), axis, false, where);
}

}  // namespace xtape
