#pragma once

#include <xtape/autograd/shape.hpp>

/// Schedules map the number of a step (from 0; a batch or an epoch, as the caller counts) to a learning rate:
/// `opt.learning_rate(schedule(step++))`. They hold no optimiser. Steps below 0 count as 0.
namespace xtape::optim {

/// rate * factor^floor(step / every).
class StepLR {
public:
    /// Throws ValueError unless every > 0, rate >= 0 and factor >= 0.
    StepLR(double rate, Index every, double factor = 0.1, Where where = Where::here());
    double operator()(Index step) const;

private:
    double rate_;
    Index every_;
    double factor_;
};

/// Rises in a line over the first `warmup` steps, rate (step + 1) / warmup, then falls along half a cosine from rate to
/// `final_rate`, which it reaches at step `total` and keeps. (Loshchilov and Hutter, arXiv:1608.03983, without
/// restarts.)
class CosineLR {
public:
    /// Throws ValueError unless 0 <= warmup <= total, total > 0 and the rates are not negative.
    CosineLR(double rate, Index total, Index warmup = 0, double final_rate = 0, Where where = Where::here());
    double operator()(Index step) const;

private:
    double rate_;
    Index total_;
    Index warmup_;
    double final_rate_;
};

/// One cycle (Smith and Topin, arXiv:1708.07120), both halves along a cosine, as PyTorch's OneCycleLR: from max_rate /
/// divisor up to max_rate over the first `rise` of `total` steps, then down to max_rate / (divisor final_divisor) at
/// the last one, and stays there.
class OneCycleLR {
public:
    /// Throws ValueError unless total > 0, 0 < rise < 1, max_rate >= 0 and the divisors are positive.
    OneCycleLR(double max_rate, Index total, double rise = 0.3, double divisor = 25, double final_divisor = 1e4,
               Where where = Where::here());
    double operator()(Index step) const;

private:
    double max_rate_;
    double total_;
    double rise_;
    double divisor_;
    double final_divisor_;
};

/// What counts as better.
enum class Better { lower, higher };

struct PlateauOptions {
    double factor = 0.1;
    Index patience = 10;  ///< epochs without improvement that pass before the rate falls
    Better better = Better::lower;
    double threshold = 1e-4;  ///< a change below threshold * |best| is none
    Index cooldown = 0;       ///< epochs after a fall in which none are counted
    double min_rate = 0;
};

/// Multiplies the rate by `factor` when a metric has stopped to improve: called with each epoch's metric, gives the
/// rate to go on with, as PyTorch's ReduceLROnPlateau. A metric that is NaN is no improvement.
class ReduceOnPlateau {
public:
    /// Throws ValueError unless 0 <= factor < 1 and the other numbers are not negative.
    explicit ReduceOnPlateau(double rate, const PlateauOptions& options = {}, Where where = Where::here());
    double operator()(double metric);
    double rate() const { return rate_; }

private:
    double rate_;
    PlateauOptions options_;
    double best_;
    Index waited_ = 0;
    Index cooling_ = 0;
};

}  // namespace xtape::optim
