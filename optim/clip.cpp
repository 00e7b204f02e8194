#include <xtape/optim/clip.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/optim/check.hpp>

namespace xtape::optim {
namespace {

constexpr Index grain = 16384;

template <class T>
double sum_of_squares(const T* x, Index begin, Index end) {
    std::array<double, 8> lanes{};  // independent sums, which the compiler may keep in one register
    Index i = begin;
    for (; i + 8 <= end; i += 8) {
        for (Index lane = 0; lane < 8; ++lane) {
            const double value = static_cast<double>(x[i + lane]);
            lanes[static_cast<std::size_t>(lane)] += value * value;
        }
    }
    double total = 0;
    for (; i < end; ++i) total += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    for (double lane : lanes) total += lane;
    return total;
}

double sum_of_squares(const Array& array) {
    std::vector<double> pieces(static_cast<std::size_t>((array.size() + grain - 1) / grain));
    dispatch(array.dtype(), [&](auto tag) {
        const auto* x = array.data<decltype(tag)>();
        kernels::parallel_for(array.size(), grain, [&](Index begin, Index end) {
            pieces[static_cast<std::size_t>(begin / grain)] = sum_of_squares(x, begin, end);
        });
    });
    double total = 0;
    for (double piece : pieces) total += piece;
    return total;
}

/// x[i] = f(x[i]), on elements that are the array's own.
template <class F>
void transform(Array& array, F f) {
    dispatch(array.dtype(), [&](auto tag) {
        auto* x = array.mutable_data<decltype(tag)>();
        kernels::parallel_for(array.size(), grain, [&](Index begin, Index end) {
            for (Index i = begin; i < end; ++i) x[i] = f(x[i]);
        });
    });
}

/// Calls f with every gradient, for writing in place.
template <class F>
void for_each_gradient(const ParameterList& parameters, F f) {
    for (const ParameterRef& parameter : parameters) {
        if (Array& gradient = parameter.writable_grad()) f(gradient);
    }
}

template <class F>
void for_each_gradient(std::vector<Variable>& gradients, F f) {
    for (Variable& gradient : gradients) {
        if (!gradient) continue;
        Array own = std::exchange(gradient, {}).array();
        own.make_unique();
        f(own);
        gradient = Variable(std::move(own));
    }
}

double norm_of(const ParameterList& parameters) { return gradient_norm(parameters); }
double norm_of(const std::vector<Variable>& gradients) { return global_norm(gradients); }

template <class Gradients>
double scale_to_norm(Gradients& gradients, double max_norm, Where where) {
    check(std::isfinite(max_norm) && max_norm > 0, fmt::format("clip_by_norm: max_norm must be positive: {}", max_norm),
          where);
    const double norm = norm_of(gradients);
    if (!std::isfinite(norm)) throw Error(fmt::format("clip_by_norm: the norm of the gradients is {}", norm), where);
    if (norm > max_norm) {
        const double factor = max_norm / norm;
        for_each_gradient(gradients, [&](Array& gradient) {
            transform(gradient, [factor](auto g) { return g * static_cast<decltype(g)>(factor); });
        });
    }
    return norm;
}

template <class Gradients>
void limit_values(Gradients& gradients, double limit, Where where) {
    check(std::isfinite(limit) && limit > 0, fmt::format("clip_by_value: limit must be positive: {}", limit), where);
    for_each_gradient(gradients, [&](Array& gradient) {
        transform(gradient, [limit](auto g) {
            const auto bound = static_cast<decltype(g)>(limit);
            return std::clamp(g, -bound, bound);
        });
    });
}

}  // namespace

double gradient_norm(const ParameterList& parameters) {
    double total = 0;
    for (const ParameterRef& parameter : parameters) {
        if (parameter.grad()) total += sum_of_squares(parameter.grad());
    }
    return std::sqrt(total);
}

double global_norm(const std::vector<Variable>& gradients) {
    double total = 0;
    for (const Variable& gradient : gradients) {
        if (gradient) total += sum_of_squares(gradient.array());
    }
    return std::sqrt(total);
}

double clip_by_norm(const ParameterList& parameters, double max_norm, Where where) {
    return scale_to_norm(parameters, max_norm, where);
}

double clip_by_norm(std::vector<Variable>& gradients, double max_norm, Where where) {
    return scale_to_norm(gradients, max_norm, where);
}

void clip_by_value(const ParameterList& parameters, double limit, Where where) {
    limit_values(parameters, limit, where);
}

void clip_by_value(std::vector<Variable>& gradients, double limit, Where where) {
    limit_values(gradients, limit, where);
}

}  // namespace xtape::optim
