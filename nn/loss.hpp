#pragma once

#include <xtape/autograd/ops.hpp>

/// Losses: functions of a prediction and a target. Both must have exactly the same shape, for (m,) against (m, 1) would
/// broadcast to (m, m); all throw ShapeError otherwise. The prediction stands first.
namespace xtape::nn {

/// What becomes of the losses of all elements: their mean, their sum, or nothing.
enum class Reduction { mean, sum, none };

/// -(y log a + (1 - y) log(1 - a)) of probabilities a (F1). Exact for a = sigmoid(z), however large z; 0 log 0 counts as
/// 0. Where a comes from elsewhere a confident wrong answer may be infinite: see bce_with_logits.
Variable log_loss(const Variable& probability, const Variable& target, Reduction reduction = Reduction::mean,
                  Where where = Where::here());

/// log_loss(sigmoid(z), y) from z itself, finite for every finite z (F6).
Variable bce_with_logits(const Variable& logits, const Variable& target, Reduction reduction = Reduction::mean,
                         Where where = Where::here());

/// (p - t)^2 (F21).
Variable mse(const Variable& prediction, const Variable& target, Reduction reduction = Reduction::mean,
             Where where = Where::here());

/// |p - t|; derivative 0 where they are equal.
Variable l1(const Variable& prediction, const Variable& target, Reduction reduction = Reduction::mean,
            Where where = Where::here());

/// e^2 / 2 for |e| <= delta, else delta (|e| - delta / 2), with e = p - t (Huber, 1964).
/// Throws ValueError unless delta > 0.
Variable huber(const Variable& prediction, const Variable& target, double delta = 1,
               Reduction reduction = Reduction::mean, Where where = Where::here());

/// tau e for e >= 0, else (tau - 1) e, with e = t - p: what is least at the tau-quantile of the targets (Koenker and Bassett,
/// 1978, doi:10.2307/1913643); derivative 0 where they are equal. Throws ValueError unless 0 < tau < 1.
Variable quantile(const Variable& prediction, const Variable& target, double tau, Reduction reduction = Reduction::mean,
                  Where where = Where::here());

/// t (log t - q) of a predicted *logarithm* q and a distribution t; t = 0 gives 0. The mean is over all elements; the
/// sum divided by the number of rows is the mean divergence of the rows.
Variable kl_div(const Variable& log_prediction, const Variable& target, Reduction reduction = Reduction::mean,
                Where where = Where::here());

/// max(0, 1 - t s) of a score s and a label t, which is -1 or 1. Throws ValueError on other labels.
Variable hinge(const Variable& score, const Variable& target, Reduction reduction = Reduction::mean,
               Where where = Where::here());

/// -q[label] of the logarithms q (N, C) of probabilities and N labels in [0, C). With class weights (C,) each sample
/// counts w[label] times, and the mean divides by the sum of those. Throws ShapeError, and ValueError on a label out of
/// range.
Variable nll(const Variable& log_probabilities, const IntArray& labels, Reduction reduction = Reduction::mean,
             const Variable& class_weights = {}, Where where = Where::here());

/// nll(log_softmax(z), labels) of logits z (N, C) (F20). With label smoothing s the target is 1 - s at the label plus
/// s / C everywhere (Szegedy et al., arXiv:1512.00567), and with class weights every class's part counts by its own
/// weight, as in PyTorch. Throws as nll does, and ValueError unless 0 <= label_smoothing <= 1.
Variable cross_entropy(const Variable& logits, const IntArray& labels, Reduction reduction = Reduction::mean,
                       double label_smoothing = 0, const Variable& class_weights = {}, Where where = Where::here());

}  // namespace xtape::nn
