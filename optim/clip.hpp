#pragma once

#include <vector>

#include <xtape/optim/optimizer.hpp>

/// Clipping of gradients between backward() and step(), or between grad(...) and step(gradients).
namespace xtape::optim {

/// Euclidean norm over all elements of all gradients together; summed in double, the same for every thread count.
/// Parameters without a gradient and empty Variables count as zeros.
double gradient_norm(const ParameterList& parameters);
double global_norm(const std::vector<Variable>& gradients);

/// Scales all gradients by one factor so that their common norm is at most `max_norm`, and returns the norm they had. A
/// norm that is not finite throws Error and leaves them untouched; ValueError unless max_norm > 0. (Pascanu et al.,
/// arXiv:1211.5063.)
double clip_by_norm(const ParameterList& parameters, double max_norm, Where where = Where::here());
/// Replaces them by constants.
double clip_by_norm(std::vector<Variable>& gradients, double max_norm, Where where = Where::here());

/// Limits every element of every gradient to [-limit, limit]; NaN stays NaN. Throws ValueError unless limit > 0.
void clip_by_value(const ParameterList& parameters, double limit, Where where = Where::here());
/// Replaces them by constants.
void clip_by_value(std::vector<Variable>& gradients, double limit, Where where = Where::here());

}  // namespace xtape::optim
