#include <xtape/optim/rmsprop.hpp>

#include <algorithm>
#include <cmath>

#include <xtape/autograd/ops.hpp>
#include <xtape/optim/check.hpp>

namespace xtape::optim {
namespace {

std::vector<std::string> slots_for(const RMSPropOptions& options) {
    std::vector<std::string> names{"square"};
    if (options.centered) names.push_back("mean");
    if (options.momentum != 0) names.push_back("momentum");
    return names;
}

}  // namespace

RMSProp::RMSProp(const ParameterList& parameters, const RMSPropOptions& options, Where where)
    : Optimizer(parameters, options.learning_rate, options.weight_decay, slots_for(options), where), options_(options) {
    check_range("RMSProp", "momentum", options.momentum, 0, 1, where);
    check_range("RMSProp", "smoothing", options.smoothing, 0, 1, where);
    check_not_negative("RMSProp", "epsilon", options.epsilon, where);
}

std::optional<double> RMSProp::stability_bound() const { return 2 * (1 + options_.momentum); }

Variable RMSProp::scale_by_state(const std::vector<Array>& slots, Index) const {
    if (!slots[0]) return {};
    Variable spread = slots[0];
    if (options_.centered) spread = maximum(spread - square(Variable(slots[1])), 0.0);
    return 1 / (sqrt(spread) + options_.epsilon);
}

void RMSProp::update(const Update& u, Index begin, Index end) const {
    dispatch(u.value.dtype(), [&](auto tag) {
        using T = decltype(tag);
        T* w = u.value.mutable_data<T>();
        T* square = u.slots[0]->template mutable_data<T>();
        T* mean = options_.centered ? u.slots[1]->template mutable_data<T>() : nullptr;
        T* m = options_.momentum != 0 ? u.slots.back()->template mutable_data<T>() : nullptr;
        const T* gradient = u.gradient.data<T>();
        const T rate = static_cast<T>(u.rate);
        const T decay = static_cast<T>(u.weight_decay);
        const T keep = static_cast<T>(options_.smoothing), rest = static_cast<T>(1 - options_.smoothing);
        const T momentum = static_cast<T>(options_.momentum);
        const T epsilon = static_cast<T>(options_.epsilon);
        if (!mean && !m) {  // the usual case, vectorised
            for (Index i = begin; i < end; ++i) {
                const T g = gradient[i] + decay * w[i];
                square[i] = keep * square[i] + rest * g * g;
                w[i] -= rate * g / (std::sqrt(square[i]) + epsilon);
            }
            return;
        }
        for (Index i = begin; i < end; ++i) {
            const T g = gradient[i] + decay * w[i];
            T spread = square[i] = keep * square[i] + rest * g * g;
            if (mean) {
                mean[i] = keep * mean[i] + rest * g;
                spread = std::max(spread - mean[i] * mean[i], T(0));  // rounding may take it below
            }
            T step = g / (std::sqrt(spread) + epsilon);
            if (m) step = m[i] = momentum * m[i] + step;
            w[i] -= rate * step;
        }
    });
}

}  // namespace xtape::optim
