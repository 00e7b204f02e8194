#pragma once

#include <xtape/optim/optimizer.hpp>

namespace xtape::optim {

/// In the order of `{1e-3, /*weight_decay*/ 1e-4}`.
struct AdamOptions {
    double learning_rate = 1e-3;
    double weight_decay = 0;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
};

/// The same with AdamW's default decay.
struct AdamWOptions {
    double learning_rate = 1e-3;
    double weight_decay = 1e-2;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
};

/// Adam (Kingma and Ba, arXiv:1412.6980): g += weight_decay w; m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2)
/// g^2; w -= rate m' / (sqrt(v') + epsilon) with m' = m / (1 - beta1^t), v' = v / (1 - beta2^t). State: "first_moment",
/// "second_moment".
class Adam : public Optimizer {
public:
    /// Throws ValueError on a beta outside [0, 1) or a negative rate, decay or epsilon.
    explicit Adam(const ParameterList& parameters, const AdamOptions& options = {}, Where where = Where::here());
    template <class T, class = IfNumber<T>>
    Adam(const ParameterList& parameters, T learning_rate, Where where = Where::here())
        : Adam(parameters, AdamOptions{static_cast<double>(learning_rate)}, where) {}

    /// 2 (1 + beta1) / (1 - beta1), while the scales change slowly (Cohen et al., arXiv:2207.14484): 38 by default.
    std::optional<double> stability_bound() const override;

protected:
    enum class Decay { in_gradient, decoupled };
    Adam(const ParameterList& parameters, const AdamOptions& options, Decay decay, Where where);

private:
    Variable scale_by_state(const std::vector<Array>& slots, Index updates) const override;
    void update(const Update& u, Index begin, Index end) const override;

    AdamOptions options_;
    Decay decay_;
};

/// Adam with decoupled weight decay (Loshchilov and Hutter, arXiv:1711.05101): w -= rate weight_decay w, apart from the
/// gradient and its moments.
class AdamW final : public Adam {
public:
    /// Throws ValueError on a beta outside [0, 1) or a negative rate, decay or epsilon.
    explicit AdamW(const ParameterList& parameters, const AdamWOptions& options = {}, Where where = Where::here());
    template <class T, class = IfNumber<T>>
    AdamW(const ParameterList& parameters, T learning_rate, Where where = Where::here())
        : AdamW(parameters, AdamWOptions{static_cast<double>(learning_rate)}, where) {}
};

}  // namespace xtape::optim
