#pragma once

#include <xtape/optim/optimizer.hpp>

namespace xtape::optim {

/// In the order of `{1e-2, /*momentum*/ 0.9}`.
struct RMSPropOptions {
    double learning_rate = 1e-2;
    double momentum = 0;
    double weight_decay = 0;
    double smoothing = 0.99;
    double epsilon = 1e-8;
    bool centered = false;
};

/// RMSProp (Hinton, lecture 6e, 2012, as PyTorch has it): g += weight_decay w; s = smoothing s + (1 - smoothing) g^2; d
/// = g / (sqrt(s) + epsilon), where centered takes s - mean(g)^2 for s; m = momentum m + d; w -= rate m. State:
/// "square", and "mean" when centered, "momentum" when there is momentum.
class RMSProp final : public Optimizer {
public:
    /// Throws ValueError on momentum or smoothing outside [0, 1) or a negative rate, decay or epsilon.
    explicit RMSProp(const ParameterList& parameters, const RMSPropOptions& options = {}, Where where = Where::here());
    template <class T, class = IfNumber<T>>
    RMSProp(const ParameterList& parameters, T learning_rate, Where where = Where::here())
        : RMSProp(parameters, RMSPropOptions{static_cast<double>(learning_rate)}, where) {}

    /// 2 (1 + momentum), while the scales change slowly.
    std::optional<double> stability_bound() const override;

private:
    Variable scale_by_state(const std::vector<Array>& slots, Index updates) const override;
    void update(const Update& u, Index begin, Index end) const override;

    RMSPropOptions options_;
};

}  // namespace xtape::optim
