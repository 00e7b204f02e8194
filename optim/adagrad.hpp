#pragma once

#include <xtape/optim/optimizer.hpp>

namespace xtape::optim {

/// In the order of `{1e-2, /*weight_decay*/ 1e-4}`.
struct AdagradOptions {
    double learning_rate = 1e-2;
    double weight_decay = 0;
    double rate_decay = 0;
    double epsilon = 1e-10;
};

/// Adagrad (Duchi, Hazan and Singer, JMLR 2011): g += weight_decay w; s += g^2; w -= rate / (1 + (t - 1) rate_decay)
/// g / (sqrt(s) + epsilon). State: "square".
class Adagrad final : public Optimizer {
public:
    /// Throws ValueError on a negative rate, decay or epsilon.
    explicit Adagrad(const ParameterList& parameters, const AdagradOptions& options = {}, Where where = Where::here());
    template <class T, class = IfNumber<T>>
    Adagrad(const ParameterList& parameters, T learning_rate, Where where = Where::here())
        : Adagrad(parameters, AdagradOptions{static_cast<double>(learning_rate)}, where) {}

    /// 2, while the scales change slowly.
    std::optional<double> stability_bound() const override;

private:
    Variable scale_by_state(const std::vector<Array>& slots, Index updates) const override;
    void update(const Update& u, Index begin, Index end) const override;

    AdagradOptions options_;
};

}  // namespace xtape::optim
