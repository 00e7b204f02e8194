#include <xtape/optim/curvature.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/random.hpp>
#include <xtape/autograd/transforms.hpp>
#include <xtape/optim/check.hpp>

namespace xtape::optim {
namespace {

/// One direction in the space of all parameters.
using Direction = std::vector<Array>;

/// Inner product in double, whatever the element types.
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

/// s a + t b.
Direction combined(double s, const Direction& a, double t, const Direction& b) {
    const NoGrad constant;
    Direction result;
    for (std::size_t i = 0; i < a.size(); ++i) result.push_back((s * Variable(a[i]) + t * Variable(b[i])).array());
    return result;
}

Direction scaled(double s, const Direction& a) { return combined(s, a, 0, a); }

/// v times its factors, element by element; without any v itself.
Direction times(const Direction& v, const Direction& factors) {
    if (factors.empty()) return v;
    const NoGrad constant;
    Direction result;
    for (std::size_t i = 0; i < v.size(); ++i) result.push_back((Variable(v[i]) * Variable(factors[i])).array());
    return result;
}

/// R H R v with the diagonal R of the scales' roots.
class Hessian {
public:
    Hessian(const RecordedLoss& loss, const ParameterList& parameters, Direction root_scales, Where where)
        : product_(Recorded(loss, where), parameters), root_scales_(std::move(root_scales)) {}

    Direction operator()(const Direction& v) const {
        Direction product;
        for (const Variable& each : product_(times(v, root_scales_))) product.push_back(each.array());
        return times(product, root_scales_);
    }

private:
    HessianProduct product_;
    Direction root_scales_;
};

Curvature largest(const RecordedLoss& loss, const ParameterList& parameters, Direction root_scales,
                  const CurvatureOptions& options, Where where) {
    check(!parameters.empty(), "largest_curvature: there is no parameter", where);
    check(options.tolerance > 0, fmt::format("largest_curvature: tolerance must be above 0: {}", options.tolerance),
          where);
    check(options.iterations > 0, fmt::format("largest_curvature: iterations must be above 0: {}", options.iterations),
          where);
    if (!recording()) throw TapeError("largest_curvature: nothing is recorded while a NoGrad lives", where);

    const Hessian hessian(loss, parameters, std::move(root_scales), where);
    Direction v;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        Generator generator(options.seed, i);
        v.push_back(random::normal(parameters[i].shape(), 0, 1, generator, parameters[i].array().dtype()));
    }
    if (length(v) == 0) return {0, true, 0};
    v = scaled(1 / length(v), v);

    Direction product = hessian(v);
    double size = length(product);  // largest |H v| met
    for (Index iteration = 1;; ++iteration) {
        const double value = dot(v, product);
        Direction rest = combined(1, product, -value, v);
        const double residual = length(rest);
        if (!std::isfinite(residual)) return {std::numeric_limits<double>::quiet_NaN(), false, iteration};
        if (residual <= options.tolerance * size) return {value, true, iteration};
        if (iteration == options.iterations) return {value, false, iteration};

        // The best direction in the plane of v and H v: by a symmetric 2 x 2 eigenproblem, on v and what H adds to it.
        rest = scaled(1 / residual, rest);
        const Direction product_of_rest = hessian(rest);
        size = std::max(size, length(product_of_rest));
        const double angle = 0.5 * std::atan2(2 * residual, value - dot(rest, product_of_rest));
        v = combined(std::cos(angle), v, std::sin(angle), rest);
        product = combined(std::cos(angle), product, std::sin(angle), product_of_rest);
        const double drift = length(v);
        v = scaled(1 / drift, v);
        product = scaled(1 / drift, product);
    }
}

}  // namespace

Curvature largest_curvature(const RecordedLoss& loss, const ParameterList& parameters, const CurvatureOptions& options,
                            Where where) {
    return largest(loss, parameters, {}, options, where);
}

Curvature largest_curvature(const RecordedLoss& loss, const Optimizer& optimizer, const CurvatureOptions& options,
                            Where where) {
    const ParameterList& parameters = optimizer.parameters();
    Direction roots;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        const Array scale = optimizer.step_scale(i);
        check(static_cast<bool>(scale),
              "largest_curvature: the optimiser scales its steps by their gradients and has made none yet", where);
        const NoGrad constant;
        roots.push_back(sqrt(Variable(scale)).array());
    }
    return largest(loss, parameters, std::move(roots), options, where);
}

}  // namespace xtape::optim
