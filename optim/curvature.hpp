#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <xtape/optim/direction.hpp>

/// How strongly a loss bends at the parameters' present values: what decides which learning rates are stable.
namespace xtape::optim {

/// A loss as recorded from the parameters' present values, on data that stay the same: `[&] { return loss_of(X, y); }`.
using RecordedLoss = std::function<Variable()>;

struct CurvatureOptions {
    double tolerance = 1e-3;  ///< of the eigenvalue, relative
    Index iterations = 200;   ///< Hessian-vector products at most
    std::uint64_t seed = 0;   ///< of the direction to start from
};

/// The largest eigenvalue of a Hessian.
struct Curvature {
    double largest;    ///< negative where the loss bends down in every direction
    bool converged;    ///< whether `tolerance` was reached; if not, the true eigenvalue is larger
    Index iterations;  ///< Hessian-vector products taken
};

/// Largest eigenvalue of the loss's Hessian H by Hessian-vector products, each a walk back over the tape of the gradient:
/// the loss is recorded once, the Hessian never stored. As power iteration, but each step goes to the best direction in the
/// plane of v and H v, and so to the largest eigenvalue whatever the signs are. Converged when |H v - lambda v| <=
/// tolerance |H v|: then an eigenvalue lies that near. Where the Hessian is not finite, `largest` is NaN. Parameters and
/// their gradients stay as they are. Throws TapeError under NoGrad and unless the loss has one element, ValueError on
/// options out of range and on an empty list.
Curvature largest_curvature(const RecordedLoss& loss, const ParameterList& parameters,
                            const CurvatureOptions& options = {}, Where where = Where::here());

/// The same as an optimiser's steps see it: of S^1/2 H S^1/2, where S holds Optimizer::step_scale() of every element.
/// Its steps are stable while learning rate times this is below Optimizer::stability_bound(). Throws ValueError for an
/// optimiser whose scales come from gradients and that has made no step yet.
Curvature largest_curvature(const RecordedLoss& loss, const Optimizer& optimizer, const CurvatureOptions& options = {},
                            Where where = Where::here());

/// A direction in which a loss bends: an eigenvector of its Hessian, of length 1, and its eigenvalue.
struct CurvatureDirection {
    Curvature curvature;
    Direction direction;
};

/// The `count` largest eigenvalues of the loss's Hessian, the largest first, with their eigenvectors: each is the largest
/// where the directions before it are left out. Iterations, tolerance and errors are those of largest_curvature for each of
/// them; ValueError, too, unless there are as many parameters as directions.
std::vector<CurvatureDirection> largest_curvature_directions(const RecordedLoss& loss, const ParameterList& parameters,
                                                             Index count = 2, const CurvatureOptions& options = {},
                                                             Where where = Where::here());

}  // namespace xtape::optim
