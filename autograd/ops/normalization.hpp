#pragma once

#include <xtape/autograd/kernels/normalization.hpp>
#include <xtape/autograd/ops/binary.hpp>

/// What batch and layer normalisation share.
namespace xtape {

/// Throws ShapeError unless weight and bias, where they have a value, have the shape wanted. All three meet in one dtype.
void check_affine(const char* op, Variable& x, Variable& weight, Variable& bias, const Shape& wanted, Where where);

/// (C,) in the shape in which it meets x (N, C, ...). Throws ShapeError unless x has two axes.
Shape channel_shape(const char* op, const Variable& x, Where where);

/// The array of v, an empty one if it has no value.
inline Array array_or_none(const Variable& v) { return v ? v.array() : Array(); }

/// The gradients of a normalisation as expressions. Mean and variance are over `axes` of x; in the shape `meets` weight and
/// bias meet x.
///   x' = (x - mean) / deviation;  dx = (g w - mean(g w) - x' mean(g w x')) / deviation;  dw = sum(g x');  db = sum(g)
void expand_gradients(const Variable& g, const Variable& x, const Variable& weight, const Shape& axes,
                      const Shape& meets, double eps, Where where, const bool* wanted, Variable* out);

/// The gradients from a kernel's single pass.
void take_wanted(kernels::NormGradients gradients, const bool* wanted, Variable* out);

}  // namespace xtape
