#pragma once

#include <vector>

#include <xtape/nn/loss.hpp>

namespace xtape::nn {

/// Connectionist temporal classification (Graves, Fernández, Gomez and Schmidhuber, ICML 2006, doi:10.1145/1143844.1143891): -log of
/// the probability that frames spell a target, summed over all alignments. A frame says a class or `blank`; repeats are merged,
/// then blanks dropped.
///
/// `log_probabilities` is (T, N, C), as `log_softmax(logits, 2)` gives it; `targets` (N, S) holds classes other than the blank, what
/// lies behind a target's length is not looked at. `input_lengths` and `target_lengths` have N entries each; an empty list means
/// that all are T, or S.
///
/// The losses are (N,). As in PyTorch the mean divides each by its target's length (by 1 where that is 0) before it is taken over
/// the samples. A target that no alignment can spell, for it is too long for its frames, has an infinite loss, or 0 with
/// `zero_infinity`; its gradient is 0 either way. Unlike PyTorch's, the gradient is that of the log probabilities as they are, also
/// where those do not come from log_softmax.
///
/// Forward and backward sums are taken in logarithms and in double. Throws ShapeError when shapes or the numbers of lengths do
/// not fit, ValueError on a length, class or blank out of range.
Variable ctc(const Variable& log_probabilities, const IntArray& targets, const std::vector<Index>& input_lengths = {},
             const std::vector<Index>& target_lengths = {}, Index blank = 0, Reduction reduction = Reduction::mean,
             bool zero_infinity = false, Where where = Where::here());

}  // namespace xtape::nn
