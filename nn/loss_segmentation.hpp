#pragma once

#include <xtape/nn/loss.hpp>

/// Losses of overlap between a predicted mask of probabilities and a true one, both (N, ...): axis 0 is the samples, over all
/// others is summed, and one loss for each sample comes out before the reduction. For one of each class too, reshape
/// (N, C, H, W) to (N C, H W). `smooth` is added above and below, so that two empty masks agree. ShapeError unless both have
/// the same shape of two axes or more, ValueError on a negative number.
namespace xtape::nn {

/// What stands below in dice(): squares, as in the paper, or the sums that make it a Tversky loss.
enum class DiceForm { squares, sums };

/// 1 - (2 sum(p t) + smooth) / (sum(p^2) + sum(t^2) + smooth) (Milletari et al., arXiv:1606.04797), or with p and t below in
/// place of their squares.
Variable dice(const Variable& probability, const Variable& target, double smooth = 1, DiceForm form = DiceForm::squares,
              Reduction reduction = Reduction::mean, Where where = Where::here());

/// 1 - (TP + smooth) / (TP + alpha FP + beta FN + smooth) with TP = sum(p t), FP = sum(p (1 - t)), FN = sum((1 - p) t) (Salehi
/// et al., arXiv:1706.05721): beta > alpha punishes what is missed more than false alarms. alpha = beta = 1/2 is dice by sums
/// with twice this `smooth`.
Variable tversky(const Variable& probability, const Variable& target, double alpha = 0.3, double beta = 0.7,
                 double smooth = 1, Reduction reduction = Reduction::mean, Where where = Where::here());

}  // namespace xtape::nn
