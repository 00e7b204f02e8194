#pragma once

#include <array>
#include <cstddef>

#include <xtape/autograd/shape.hpp>

namespace xtape::kernels {

/// How to pass over an output and N operands that broadcast to it: axes merged wherever all operands allow it, then rows of
/// a contiguous inner run in which an operand either moves along (step 1) or stands still (step 0).
template <std::size_t N>
struct BroadcastPlan {
    Shape outer;                         ///< sizes of the outer axes
    std::array<Shape, N> outer_strides;  ///< by operand, in elements
    Index rows = 1;                      ///< product of outer
    Index run = 1;                       ///< inner length
    std::array<bool, N> moves{};         ///< whether the operand moves along the run
};

namespace detail {

/// Strides of an operand seen through the output's axes: 0 where it is repeated.
Shape broadcast_strides(const Shape& operand, const Shape& output);

}  // namespace detail

template <std::size_t N>
BroadcastPlan<N> plan_broadcast(const Shape& output, const std::array<const Shape*, N>& operands) {
    std::array<Shape, N> strides;
    for (std::size_t k = 0; k < N; ++k) strides[k] = detail::broadcast_strides(*operands[k], output);

    BroadcastPlan<N> plan;
    for (Index axis = 0; axis < output.rank(); ++axis) {
        if (output[axis] == 1) continue;
        const Index last = plan.outer.rank() - 1;
        bool merges = last >= 0;
        for (std::size_t k = 0; k < N && merges; ++k)
            merges = plan.outer_strides[k][last] == strides[k][axis] * output[axis];
        if (merges) {
            plan.outer[last] *= output[axis];
        } else {
            plan.outer.push_back(output[axis]);
        }
        for (std::size_t k = 0; k < N; ++k) {
            if (merges)
                plan.outer_strides[k][last] = strides[k][axis];
            else
                plan.outer_strides[k].push_back(strides[k][axis]);
        }
    }
    plan.moves.fill(true);
    if (const Index last = plan.outer.rank() - 1; last >= 0) {
        plan.run = plan.outer[last];
        plan.outer.erase(last);
        for (std::size_t k = 0; k < N; ++k) {
            plan.moves[k] = plan.outer_strides[k][last] != 0;
            plan.outer_strides[k].erase(last);
        }
    }
    plan.rows = plan.outer.count();
    return plan;
}

}  // namespace xtape::kernels
