#include <xtape/optim/adagrad.hpp>

#include <cmath>

#include <xtape/autograd/ops.hpp>
#include <xtape/optim/check.hpp>

namespace xtape::optim {

Adagrad::Adagrad(const ParameterList& parameters, const AdagradOptions& options, Where where)
    : Optimizer(parameters, options.learning_rate, options.weight_decay, {"square"}, where), options_(options) {
    check_not_negative("Adagrad", "rate decay", options.rate_decay, where);
    check_not_negative("Adagrad", "epsilon", options.epsilon, where);
}

std::optional<double> Adagrad::stability_bound() const { return 2; }

Variable Adagrad::scale_by_state(const std::vector<Array>& slots, Index updates) const {
    if (!slots[0]) return {};
    const double rate_now = 1 / (1 + static_cast<double>(updates - 1) * options_.rate_decay);
    return rate_now / (sqrt(Variable(slots[0])) + options_.epsilon);
}

void Adagrad::update(const Update& u, Index begin, Index end) const {
    const double rate_now = u.rate / (1 + static_cast<double>(u.number - 1) * options_.rate_decay);
    dispatch(u.value.dtype(), [&](auto tag) {
        using T = decltype(tag);
        T* w = u.value.mutable_data<T>();
        T* square = u.slots[0]->template mutable_data<T>();
        const T* gradient = u.gradient.data<T>();
        const T rate = static_cast<T>(rate_now);
        const T decay = static_cast<T>(u.weight_decay);
        const T epsilon = static_cast<T>(options_.epsilon);
        for (Index i = begin; i < end; ++i) {
            const T g = gradient[i] + decay * w[i];
            square[i] += g * g;
            w[i] -= rate * g / (std::sqrt(square[i]) + epsilon);
        }
    });
}

}  // namespace xtape::optim
