#include <xtape/optim/adam.hpp>

#include <cmath>

#include <xtape/autograd/ops.hpp>
#include <xtape/optim/check.hpp>

namespace xtape::optim {

Adam::Adam(const ParameterList& parameters, const AdamOptions& options, Where where)
    : Adam(parameters, options, Decay::in_gradient, where) {}

Adam::Adam(const ParameterList& parameters, const AdamOptions& options, Decay decay, Where where)
    : Optimizer(parameters, options.learning_rate, options.weight_decay, {"first_moment", "second_moment"}, where),
      options_(options),
      decay_(decay) {
    const char* name = decay == Decay::decoupled ? "AdamW" : "Adam";
    check_range(name, "beta1", options.beta1, 0, 1, where);
    check_range(name, "beta2", options.beta2, 0, 1, where);
    check_not_negative(name, "epsilon", options.epsilon, where);
}

AdamW::AdamW(const ParameterList& parameters, const AdamWOptions& o, Where where)
    : Adam(parameters, {o.learning_rate, o.weight_decay, o.beta1, o.beta2, o.epsilon}, Decay::decoupled, where) {}

std::optional<double> Adam::stability_bound() const { return 2 * (1 + options_.beta1) / (1 - options_.beta1); }

Variable Adam::scale_by_state(const std::vector<Array>& slots, Index updates) const {
    if (!slots[1]) return {};
    const double correction2 = 1 - std::pow(options_.beta2, static_cast<double>(updates));
    return 1 / (sqrt(Variable(slots[1])) / std::sqrt(correction2) + options_.epsilon);
}

void Adam::update(const Update& u, Index begin, Index end) const {
    const double t = static_cast<double>(u.number);
    const double correction1 = 1 - std::pow(options_.beta1, t);
    const double correction2 = 1 - std::pow(options_.beta2, t);
    const bool decoupled = decay_ == Decay::decoupled;
    dispatch(u.value.dtype(), [&](auto tag) {
        using T = decltype(tag);
        T* w = u.value.mutable_data<T>();
        T* m = u.slots[0]->template mutable_data<T>();
        T* v = u.slots[1]->template mutable_data<T>();
        const T* gradient = u.gradient.data<T>();
        const T beta1 = static_cast<T>(options_.beta1), rest1 = static_cast<T>(1 - options_.beta1);
        const T beta2 = static_cast<T>(options_.beta2), rest2 = static_cast<T>(1 - options_.beta2);
        const T keep = static_cast<T>(decoupled ? 1 - u.rate * u.weight_decay : 1);
        const T decay = static_cast<T>(decoupled ? 0 : u.weight_decay);
        const T rate = static_cast<T>(u.rate / correction1);
        const T scale = static_cast<T>(1 / std::sqrt(correction2));
        const T epsilon = static_cast<T>(options_.epsilon);
        for (Index i = begin; i < end; ++i) {
            const T g = gradient[i] + decay * w[i];
            m[i] = beta1 * m[i] + rest1 * g;
            v[i] = beta2 * v[i] + rest2 * g * g;
            w[i] = keep * w[i] - rate * m[i] / (std::sqrt(v[i]) * scale + epsilon);
        }
    });
}

}  // namespace xtape::optim
