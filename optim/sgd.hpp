#pragma once

#include <xtape/optim/optimizer.hpp>

namespace xtape::optim {

/// In the order of `{0.1, /*momentum*/ 0.9, /*nesterov*/ true}`.
struct SGDOptions {
    double learning_rate = 1e-3;
    double momentum = 0;
    bool nesterov = false;
    double weight_decay = 0;
};

/// Stochastic gradient descent: g += weight_decay w; m = momentum m + g; w -= rate m, or with Nesterov's look-ahead w
/// -= rate (g + momentum m). State: "momentum", when there is momentum. (Sutskever et al., ICML 2013, as PyTorch has
/// it.)
class SGD final : public Optimizer {
public:
    /// Throws ValueError on momentum outside [0, 1), a negative rate or decay, nesterov without momentum.
    explicit SGD(const ParameterList& parameters, const SGDOptions& options = {}, Where where = Where::here());
    template <class T, class = IfNumber<T>>
    SGD(const ParameterList& parameters, T learning_rate, Where where = Where::here())
        : SGD(parameters, SGDOptions{static_cast<double>(learning_rate)}, where) {}

    /// 2 (1 + momentum), with Nesterov's look-ahead 2 (1 + momentum) / (1 + 2 momentum).
    std::optional<double> stability_bound() const override;

private:
    void update(const Update& u, Index begin, Index end) const override;

    double momentum_;
    bool nesterov_;
};

}  // namespace xtape::optim
