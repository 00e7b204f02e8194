#pragma once

#include <xtape/nn/loss.hpp>

/// Losses of embeddings: what belongs together is to lie together. Rows are samples; all arguments of one loss have the same
/// shape (N, D), ShapeError otherwise, and the losses are (N,) before the reduction.
namespace xtape::nn {

/// Between two rows: the sum of squared differences, or its root (gradient 0 where they are equal).
enum class Distance { squared, euclidean };

/// max(0, d(anchor, positive) - d(anchor, negative) + margin) (Schroff et al., arXiv:1503.03832, with squared distances;
/// PyTorch's has euclidean ones and margin 1). Squared distances may not overflow: differences between a positive and its
/// negative, with euclidean distances all of them, must stay below the root of the largest number, 1e19 in float32. Throws
/// ValueError on a negative margin.
Variable triplet(const Variable& anchor, const Variable& positive, const Variable& negative, double margin = 0.2,
                 Distance distance = Distance::squared, Reduction reduction = Reduction::mean,
                 Where where = Where::here());

/// InfoNCE (van den Oord et al., arXiv:1807.03748): which of all keys belongs to each query?
///
///     -log(exp(s_ii) / sum_j exp(s_ij)),  s_ij = cos(query_i, key_j) / T
///
/// A row of zeros has cosine 0 with everything and gradient 0; of any other only the direction counts, and its gradient grows
/// as its length shrinks. Throws ValueError unless the temperature T > 0.
Variable info_nce(const Variable& query, const Variable& key, double temperature = 0.1,
                  Reduction reduction = Reduction::mean, Where where = Where::here());

/// NT-Xent (SimCLR; Chen et al., arXiv:2002.05709): the same over the 2 N rows of two views of N samples, each row against all
/// others but itself, with its other view to be found: (2 N,), first those of a. Throws as info_nce does.
Variable nt_xent(const Variable& a, const Variable& b, double temperature = 0.5, Reduction reduction = Reduction::mean,
                 Where where = Where::here());

}  // namespace xtape::nn
