#pragma once

#include <cstddef>
#include <cstdint>

#include <xtape/autograd/formula.hpp>
#include <xtape/autograd/shape.hpp>

/// The instructions of formulas as loops over blocks of numbers.
namespace xtape::kernels {

/// What a step of a program does: a formula's operation, or several of them in one.
enum class StepOp : std::uint8_t {
    plain,              ///< the formula's
    copy,               ///< a
    fill,               ///< a, which stands still
    square,             ///< a a
    negative_product,   ///< -(a b)
    multiply_add,       ///< a b + c
    multiply_subtract,  ///< a b - c
    subtract_product,   ///< c - a b
    // sigmoids and softpluses of one number and of its negative, which share e = exp(-|a|) and 1 / (1 + e)
    exp_minus_abs,                ///< exp(-|a|)
    one_by_one_plus,              ///< 1 / (1 + a)
    sigmoid_by,                   ///< of a, b being e
    sigmoid_of_negative_by,       ///< of -a, b being e
    sigmoid_by_both,              ///< of a, b being e and c 1 / (1 + e)
    sigmoid_of_negative_by_both,  ///< of -a, likewise
    softplus_by,                  ///< of a, b being e
    softplus_of_negative_by       ///< of -a, b being e
};

/// out = f(a, b, c) for n numbers, n a multiple of the batch. What stands still is one batch.
template <class T>
using StepFunction = void (*)(T* out, const T* a, const T* b, const T* c, Index n);

/// The loop for an operation whose operand k stands still where bit k of `still` is set.
template <class T>
StepFunction<T> step_function(StepOp step, FormulaOp op, unsigned still);

}  // namespace xtape::kernels
