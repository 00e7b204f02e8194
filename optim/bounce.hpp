#pragma once

#include <string>
#include <vector>

#include <xtape/optim/curvature.hpp>

/// A cost that goes up and down around a level in place of falling (problem P4 of the source document), and the step
/// that would let it fall.
namespace xtape::optim {

struct BounceOptions {
    Index window = 20;       ///< the last costs that are looked at; at least 8
    double reversals = 0.4;  ///< the least share of costs at which its direction turns
    double noise = 0.05;     ///< the least mean change from one cost to the next, relative to the level; see below
};

/// What the last costs of a training do.
struct Bounce {
    bool found = false;    ///< they bounce
    double level = 0;      ///< their mean
    double amplitude = 0;  ///< mean change from one cost to the next, up or down
    double reversals = 0;  ///< share of inner costs that are above or below both neighbours
    double progress = 0;   ///< mean of the earlier half less mean of the later half
};

/// Whether a cost bounces: in its last `window` values the direction turns at `reversals` of the inner ones or more
/// (a smooth curve: 0; independent noise: 2/3; up and down in turn: 1), the mean change is at least `noise` times the
/// level, and the later half is not lower than the earlier one by more than that mean change. So the noise of batches is
/// taken for bouncing only where its standard deviation exceeds 0.89 noise times the level (4.4 %), for the mean change
/// of independent normal numbers is 1.13 deviations. Where every cost is that of the same data, as in full-batch
/// descent, there is no noise but rounding: then noise = 1e-3 sees smaller bounces. With fewer than 8 costs nothing is
/// found. Throws ValueError on options out of range.
Bounce find_bounce(const std::vector<double>& costs, const BounceOptions& options = {}, Where where = Where::here());

/// What is said about the step after a training.
struct StepAdvice {
    Bounce bounce;
    double learning_rate = 0;
    double curvature = 0;   ///< as the optimiser's steps see it; 0 where it was not measured
    double bound = 0;       ///< larger learning rates are unstable: 2 / curvature for gradient descent; 0 if unknown
    double suggestion = 0;  ///< half the bound or half the learning rate, whichever is less
    std::string text;       ///< all of it in one sentence; empty unless the cost bounces
};

/// Looks at the costs of a training; where they bounce, measures the curvature and suggests a learning rate:
///
///     the cost bounces around 0.43: the learning rate 0.7 is above 2 / 3.1 = 0.645, where steps become unstable; try 0.32
///
/// Both ends of a step that is too long lie on the walls of a valley, which may be flatter than its bottom. So the
/// curvature is the largest of three: the Hessian's largest eigenvalue at the present parameters, that half a step down
/// the gradient, and the mean curvature along the whole step, from the gradients at its ends. Parameters are put back bit
/// for bit. Nothing is measured unless the cost bounces. Throws as largest_curvature().
StepAdvice suggest_step(const std::vector<double>& costs, const Optimizer& optimizer, const RecordedLoss& loss,
                        const BounceOptions& options = {}, Where where = Where::here());

/// The same for W -= learning_rate * dW written by hand.
StepAdvice suggest_step(const std::vector<double>& costs, double learning_rate, const ParameterList& parameters,
                        const RecordedLoss& loss, const BounceOptions& options = {}, Where where = Where::here());

}  // namespace xtape::optim
