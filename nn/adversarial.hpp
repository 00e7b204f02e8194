#pragma once

#include <functional>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/random.hpp>

/// Training against a critic, which tells real samples from made ones.
namespace xtape::nn {

/// What gives each of N samples, along axis 0, a score: (N, ...) to (N,) or (N, 1). A module is passed as `std::ref(net)`,
/// or as a lambda that calls it.
using Critic = std::function<Variable(const Variable&)>;

/// How steep a critic is at each sample: the Euclidean norms (N,) of d score / d sample. They are recorded whenever the
/// critic is, so that a loss made of them trains it. Scores must depend on their own sample alone, so that batch
/// normalisation is out. The slope where a gradient is 0 counts as 0. Throws ValueError when
/// the critic, the samples or the scores are empty, ShapeError for scores of other sizes, TapeError when the critic's
/// scores are constants, as under NoGrad unless the critic records by itself.
Variable gradient_norms(const Critic& critic, const Variable& samples, Where where = Where::here());

/// The gradient penalty of Wasserstein critics (WGAN-GP; Gulrajani et al., arXiv:1704.00028): the mean of
/// (|d score / d x| - 1)^2 over points x = e real + (1 - e) fake, with an e, uniform in [0, 1), for each pair of samples.
/// With scores D the critic's loss is `mean(D(fake)) - mean(D(real)) + 10 * gradient_penalty(D, real, fake)`, 10 being
/// the paper's. The samples count as constants. Throws ValueError unless both have values, ShapeError unless they have one
/// shape, DtypeError unless they have one dtype, and what gradient_norms throws.
Variable gradient_penalty(const Critic& critic, const Variable& real, const Variable& fake,
                          Generator& generator = random::generator(), Where where = Where::here());

}  // namespace xtape::nn
