#include <xtape/optim/direction.hpp>

#include <cmath>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/random.hpp>

namespace xtape::optim {

double dot(const Direction& a, const Direction& b) {
    double total = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        dispatch(a[i].dtype(), [&](auto tag) {
            const auto *x = a[i].data<decltype(tag)>(), *y = b[i].template data<decltype(tag)>();
            for (Index k = 0; k < a[i].size(); ++k) total += static_cast<double>(x[k]) * static_cast<double>(y[k]);
        });
    }
    return total;
}

double length(const Direction& a) { return std::sqrt(dot(a, a)); }

Direction combined(double s, const Direction& a, double t, const Direction& b) {
    const NoGrad constant;
    Direction result;
    for (std::size_t i = 0; i < a.size(); ++i) result.push_back((s * Variable(a[i]) + t * Variable(b[i])).array());
    return result;
}

Direction scaled(double s, const Direction& a) {
    const NoGrad constant;
    Direction result;
    for (const Array& part : a) result.push_back((s * Variable(part)).array());
    return result;
}

Direction random_direction(const ParameterList& parameters, std::uint64_t seed, std::uint64_t stream) {
    Direction result;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        Generator generator(seed, stream * parameters.size() + i);
        result.push_back(random::normal(parameters[i].shape(), 0, 1, generator, parameters[i].array().dtype()));
    }
    return result;
}

Direction filter_normalized(Direction direction, const ParameterList& parameters) {
    const NoGrad constant;
    for (std::size_t i = 0; i < direction.size(); ++i) {
        const Variable d(direction[i]), w(parameters[i].array());
        if (d.rank() < 2) {
            direction[i] = Array::filled(d.shape(), d.dtype(), 0);
            continue;
        }
        Axes within = Index{0};
        if (d.rank() > 2) {
            within = Axes();
            for (Index axis = 1; axis < d.rank(); ++axis) within.list.push_back(axis);
        }
        const Variable own = norm(d, within, true);
        direction[i] = (d * (norm(w, within, true) / masked_fill(own, equal(own, 0), 1))).array();
    }
    return direction;
}

}  // namespace xtape::optim
