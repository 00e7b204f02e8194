#pragma once

#include <xtape/autograd/ops.hpp>

/// How well a model does, as plain numbers.
namespace xtape::nn {

/// Share of (a >= threshold) == y, of probabilities a and labels y in {0, 1} of the same shape (F23); NaN of nothing.
/// Throws ShapeError when the shapes differ.
double accuracy(const Variable& probability, const Variable& target, double threshold = 0.5,
                Where where = Where::here());

/// Share of rows of (N, C) whose largest number (the first, in a tie) stands at the label (F23); NaN of nothing. Throws
/// ShapeError unless there are N labels.
double accuracy(const Variable& scores, const IntArray& labels, Where where = Where::here());

}  // namespace xtape::nn
