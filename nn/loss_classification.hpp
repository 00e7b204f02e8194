#pragma once

#include <optional>

#include <xtape/nn/loss.hpp>

/// Losses of classifiers beyond log_loss and cross_entropy (whose label_smoothing is Szegedy et al.'s), all from logits. They
/// are finite, with finite gradients, however far the logits lie apart, as long as logits and their differences do not overflow,
/// neither as they are nor divided by the temperature or multiplied by gamma + 1: with float32 and gamma = 2 up to 1.1e38.
/// Arguments, reductions and errors as in loss.hpp.
namespace xtape::nn {

/// Focal loss (Lin et al., arXiv:1708.02002) of logits z and targets t, with p = sigmoid(z):
///
///     -alpha t (1 - p)^gamma log p - (1 - alpha) (1 - t) p^gamma log(1 - p)
///
/// so that samples which are right already count less; without alpha both classes count 1, and gamma = 0 is bce_with_logits.
/// For 0 < t < 1 it is the mean over labels that are 1 with probability t. Throws ValueError unless gamma >= 0 and 0 <= alpha
/// <= 1.
Variable focal_with_logits(const Variable& logits, const Variable& target, double gamma = 2,
                           std::optional<double> alpha = 0.25, Reduction reduction = Reduction::mean,
                           Where where = Where::here());

/// The same over classes: -w[label] (1 - p)^gamma log p of logits (N, C), with p the label's softmax and class weights
/// w (C,), the paper's alpha. gamma = 0 is cross_entropy; the mean with weights is taken as there. Throws as
/// cross_entropy does, and ValueError unless gamma >= 0.
Variable focal(const Variable& logits, const IntArray& labels, double gamma = 2, Reduction reduction = Reduction::mean,
               const Variable& class_weights = {}, Where where = Where::here());

/// cross_entropy(z / T, labels): a temperature T > 1 makes a classifier less sure without changing its answers; fitted on
/// held-out data it calibrates one (Guo et al., arXiv:1706.04599). Throws as cross_entropy does, and ValueError unless T > 0.
Variable temperature_cross_entropy(const Variable& logits, const IntArray& labels, double temperature,
                                   Reduction reduction = Reduction::mean, Where where = Where::here());

/// What a student's logits z lack of a teacher's v, both (N, C) (Hinton et al., arXiv:1503.02531): for each row
///
///     T^2 sum_c q_c (log q_c - log p_c),  p = softmax(z / T),  q = softmax(v / T)
///
/// A class that the teacher excludes, v_c = -inf, adds 0; one that the student alone excludes costs infinitely much.
/// T^2 keeps the gradients' size as T changes. (N,) before the reduction. The teacher gets gradients unless it is a constant:
/// pass v.detach() where it is not to learn. Throws ShapeError, and ValueError unless T > 0.
Variable distillation(const Variable& student_logits, const Variable& teacher_logits, double temperature = 2,
                      Reduction reduction = Reduction::mean, Where where = Where::here());

}  // namespace xtape::nn
