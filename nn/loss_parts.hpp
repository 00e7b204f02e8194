#pragma once

#include <initializer_list>
#include <utility>

#include <xtape/autograd/elementwise.hpp>
#include <xtape/nn/loss.hpp>

/// What the files of losses share: the checks before, the reduction after.
namespace xtape::nn::loss_parts {

/// An operand with the user's line.
inline Operand at(Variable x, Where where) { return Operand(std::move(x), where); }

/// Throws ValueError when one of them has no value, ShapeError when their shapes differ.
void check_same(const char* loss, std::initializer_list<std::pair<const char*, const Variable&>> arguments,
                Where where);
/// The same for the usual two.
void check_values(const char* loss, const Variable& prediction, const Variable& target, Where where);

/// Throws unless scores are (N, C), with N labels in [0, C) and, where there are any, C class weights.
void check_classes(const char* loss, const Variable& scores, const IntArray& labels, const Variable& class_weights,
                   Where where);

/// Throws ValueError unless value > 0.
void check_positive(const char* loss, const char* name, double value, Where where);

/// The label's column of each row: (N, C) to (N,).
Variable picked(const Variable& scores, const IntArray& labels, Where where);

/// The losses' mean, their sum or themselves.
Variable reduced(Variable losses, Reduction reduction, Where where);
Variable reduced(const Fused& losses, Reduction reduction, Where where);

/// The same of losses that were multiplied by these weights, where there are any: the mean divides by their sum.
Variable reduced_classes(Variable losses, const Variable& sample_weights, Reduction reduction, Where where);

}  // namespace xtape::nn::loss_parts
