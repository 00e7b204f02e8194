#include <xtape/optim/sgd.hpp>

#include <xtape/optim/check.hpp>

namespace xtape::optim {
namespace {

std::vector<std::string> slots_for(const SGDOptions& options) {
    if (options.momentum == 0) return {};
    return {"momentum"};
}

}  // namespace

SGD::SGD(const ParameterList& parameters, const SGDOptions& options, Where where)
    : Optimizer(parameters, options.learning_rate, options.weight_decay, slots_for(options), where),
      momentum_(options.momentum),
      nesterov_(options.nesterov) {
    check_range("SGD", "momentum", momentum_, 0, 1, where);
    check(!nesterov_ || momentum_ > 0, "SGD: Nesterov's look-ahead needs momentum: 0", where);
}

// On a quadratic of curvature c, with a = rate c, steps obey z^2 - (1 + momentum - a) z + momentum = 0; with the look-ahead
// z^2 - (1 + momentum) (1 - a) z + momentum (1 - a) = 0. The first root to leave the unit circle is z = -1.
std::optional<double> SGD::stability_bound() const { return 2 * (1 + momentum_) / (nesterov_ ? 1 + 2 * momentum_ : 1); }

void SGD::update(const Update& u, Index begin, Index end) const {
    dispatch(u.value.dtype(), [&](auto tag) {
        using T = decltype(tag);
        T* w = u.value.mutable_data<T>();
        const T* gradient = u.gradient.data<T>();
        const T rate = static_cast<T>(u.rate);
        const T decay = static_cast<T>(u.weight_decay);
        if (u.slots.empty()) {
            for (Index i = begin; i < end; ++i) w[i] -= rate * (gradient[i] + decay * w[i]);
            return;
        }
        T* m = u.slots[0]->template mutable_data<T>();
        const T momentum = static_cast<T>(momentum_);
        const T own = nesterov_ ? T(1) : T(0);
        const T averaged = nesterov_ ? momentum : T(1);
        for (Index i = begin; i < end; ++i) {
            const T g = gradient[i] + decay * w[i];
            m[i] = momentum * m[i] + g;
            w[i] -= rate * (own * g + averaged * m[i]);
        }
    });
}

}  // namespace xtape::optim
