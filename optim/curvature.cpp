#include <xtape/optim/curvature.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/transforms.hpp>
#include <xtape/optim/check.hpp>

namespace xtape::optim {
namespace {

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

void check_arguments(const ParameterList& parameters, const CurvatureOptions& options, Where where) {
    check(!parameters.empty(), "largest_curvature: there is no parameter", where);
    check(options.tolerance > 0, fmt::format("largest_curvature: tolerance must be above 0: {}", options.tolerance),
          where);
    check(options.iterations > 0, fmt::format("largest_curvature: iterations must be above 0: {}", options.iterations),
          where);
    if (!recording()) throw TapeError("largest_curvature: nothing is recorded while a NoGrad lives", where);
}

/// What is left of v without its parts along the directions already found.
Direction without(Direction v, const std::vector<CurvatureDirection>& found) {
    for (const CurvatureDirection& each : found) v = combined(1, v, -dot(v, each.direction), each.direction);
    return v;
}

/// The largest eigenvalue where the directions already found are left out, beginning at v.
CurvatureDirection largest(const Hessian& hessian, Direction v, const std::vector<CurvatureDirection>& found,
                           const CurvatureOptions& options) {
    v = without(std::move(v), found);
    if (length(v) == 0) return {{0, true, 0}, std::move(v)};
    v = scaled(1 / length(v), v);

    Direction product = without(hessian(v), found);
    double size = length(product);  // largest |H v| met
    for (Index iteration = 1;; ++iteration) {
        const double value = dot(v, product);
        Direction rest = combined(1, product, -value, v);
        const double residual = length(rest);
        if (!std::isfinite(residual)) return {{std::numeric_limits<double>::quiet_NaN(), false, iteration}, v};
        if (residual <= options.tolerance * size) return {{value, true, iteration}, v};
        if (iteration == options.iterations) return {{value, false, iteration}, v};

        // The best direction in the plane of v and H v: by a symmetric 2 x 2 eigenproblem, on v and what H adds to it.
        rest = scaled(1 / residual, rest);
        const Direction product_of_rest = without(hessian(rest), found);
        size = std::max(size, length(product_of_rest));
        const double angle = 0.5 * std::atan2(2 * residual, value - dot(rest, product_of_rest));
        v = combined(std::cos(angle), v, std::sin(angle), rest);
        product = combined(std::cos(angle), product, std::sin(angle), product_of_rest);
        const double drift = length(v);
        v = scaled(1 / drift, v);
        product = scaled(1 / drift, product);
    }
}

Curvature largest(const RecordedLoss& loss, const ParameterList& parameters, Direction root_scales,
                  const CurvatureOptions& options, Where where) {
    check_arguments(parameters, options, where);
    const Hessian hessian(loss, parameters, std::move(root_scales), where);
    return largest(hessian, random_direction(parameters, options.seed), {}, options).curvature;
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

std::vector<CurvatureDirection> largest_curvature_directions(const RecordedLoss& loss, const ParameterList& parameters,
                                                             Index count, const CurvatureOptions& options,
                                                             Where where) {
    check_arguments(parameters, options, where);
    Index dimensions = 0;
    for (const ParameterRef& parameter : parameters) dimensions += parameter.array().size();
    check(count > 0 && count <= dimensions,
          fmt::format("largest_curvature_directions: there are {} dimensions, so count must be in [1, {}]: {}",
                      dimensions, dimensions, count),
          where);
    const Hessian hessian(loss, parameters, {}, where);
    std::vector<CurvatureDirection> found;
    for (Index i = 0; i < count; ++i) {
        Direction start = random_direction(parameters, options.seed, static_cast<std::uint64_t>(i));
        found.push_back(largest(hessian, std::move(start), found, options));
    }
    return found;
}

}  // namespace xtape::optim
