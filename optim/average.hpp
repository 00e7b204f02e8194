#pragma once

#include <vector>

#include <xtape/optim/train.hpp>

namespace xtape::optim {

/// Exponential moving average of the weights over the steps of a training (Polyak and Juditsky, 1992; as in Tarvainen and Valpola,
/// arXiv:1703.01780), which is calmer than the last weights and mostly better. With n values seen, the one before k steps has the
/// weight decay^k / (1 + decay + ... + decay^(n - 1)), as Adam corrects its moments, so that no starting value is left in it.
///
///     optim::WeightAverage average(net.parameters(), 0.999);
///     ...  opt.step();  average.update();
///     const optim::Restore trained = average.apply();
///
/// Running statistics of batch normalisation are not in it: after apply(), let training batches pass through the net.
class WeightAverage {
public:
    /// Refers to the parameters as an optimiser does. Throws ValueError unless 0 <= decay < 1.
    explicit WeightAverage(const ParameterList& parameters, double decay = 0.999, Where where = Where::here());

    /// Takes in the present values; call it after each step.
    void update();

    /// Gives the parameters their averages, and returns what gives them back their present values. Throws Error before the first
    /// update().
    Restore apply(Where where = Where::here()) const;

private:
    ParameterList parameters_;
    double decay_;
    double total_ = 0;             // 1 + decay + ... for as many values as were seen
    std::vector<Array> averages_;  // parallel to parameters_
};

}  // namespace xtape::optim
