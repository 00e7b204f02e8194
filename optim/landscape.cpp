#include <xtape/optim/landscape.hpp>

#include <cmath>
#include <limits>

#include <fmt/format.h>

#include <xtape/autograd/ops.hpp>
#include <xtape/optim/check.hpp>

namespace xtape::optim {
namespace {

void check_options(const ParameterList& parameters, const LandscapeOptions& options, Where where) {
    check(!parameters.empty(), "landscape: there is no parameter", where);
    check(options.dimensions == 1 || options.dimensions == 2,
          fmt::format("landscape: dimensions must be 1 or 2: {}", options.dimensions), where);
    check(options.points >= 3 && options.points % 2 == 1,
          fmt::format("landscape: points must be odd and 3 at least: {}", options.points), where);
    check(options.reach > 0 && std::isfinite(options.reach),
          fmt::format("landscape: reach must be finite and above 0: {}", options.reach), where);
}

void check_directions(const ParameterList& parameters, const std::vector<Direction>& directions, Where where) {
    check(directions.size() == 1 || directions.size() == 2,
          fmt::format("landscape: there must be one direction or two: {}", directions.size()), where);
    for (std::size_t k = 0; k < directions.size(); ++k) {
        const Direction& direction = directions[k];
        check(direction.size() == parameters.size(),
              fmt::format("landscape: direction {} must have an array for each of {} parameters: {}", k,
                          parameters.size(), direction.size()),
              where);
        for (std::size_t i = 0; i < direction.size(); ++i)
            check_like("landscape", fmt::format("direction {}, array {}", k, i), direction[i], parameters[i].array(),
                       where);
        const double size = length(direction);
        check(size > 0 && std::isfinite(size), fmt::format("landscape: direction {} has length {}", k, size), where);
    }
}

/// Random directions, of a length that does not depend on their number of elements.
std::vector<Direction> random_directions(const ParameterList& parameters, const LandscapeOptions& options) {
    Direction present;
    for (const ParameterRef& parameter : parameters) present.push_back(parameter.array());
    std::vector<Direction> directions;
    for (Index k = 0; k < options.dimensions; ++k) {
        Direction d = random_direction(parameters, options.seed, static_cast<std::uint64_t>(k));
        directions.push_back(options.along == Along::filters ? filter_normalized(std::move(d), parameters)
                                                             : scaled(length(present) / length(d), d));
    }
    return directions;
}

/// The parameters' values, given back when it goes.
class Present {
public:
    Present(const ParameterList& parameters, const Snapshot& others)
        : parameters_(parameters), restore_(snapshot_of(parameters)()), restore_others_(others ? others() : Restore()) {
        for (const ParameterRef& parameter : parameters) values_.push_back(parameter.array());
    }
    ~Present() {
        restore_();
        if (restore_others_) restore_others_();
    }
    Present(const Present&) = delete;
    Present& operator=(const Present&) = delete;

    /// Moves to a point of the plane.
    void go(const std::vector<Direction>& directions, const std::vector<double>& steps) {
        for (std::size_t i = 0; i < values_.size(); ++i) {
            Variable value(values_[i]);
            for (std::size_t k = 0; k < directions.size(); ++k) value = value + steps[k] * Variable(directions[k][i]);
            parameters_[i].assign(value.array());
        }
    }

private:
    ParameterList parameters_;
    Direction values_;
    Restore restore_, restore_others_;
};

/// Losses at all points; the first direction's steps run fastest.
std::vector<double> losses_around(const RecordedLoss& loss, const ParameterList& parameters,
                                  const std::vector<Direction>& directions, const std::vector<double>& steps,
                                  const Snapshot& others, Where where) {
    const NoGrad constant;
    Present present(parameters, others);
    std::vector<double> losses;
    for (const double second : directions.size() == 1 ? std::vector<double>{0} : steps)
        for (const double first : steps) {
            present.go(directions, {first, second});
            losses.push_back(loss().item(where));
        }
    return losses;
}

Landscape around(const RecordedLoss& loss, const ParameterList& parameters, const std::vector<Direction>& directions,
                 const LandscapeOptions& options, std::vector<Curvature> curvatures, Where where) {
    check_directions(parameters, directions, where);
    Landscape result{options.along, static_cast<Index>(directions.size()), {}, {}, std::move(curvatures)};
    const Index half = options.points / 2;
    for (Index i = -half; i <= half; ++i)
        result.steps.push_back(options.reach * static_cast<double>(i) / static_cast<double>(half));
    result.losses = losses_around(loss, parameters, directions, result.steps, options.snapshot, where);
    return result;
}

/// The curvatures that are asked for where the directions do not come from them. What the loss changes is put back.
std::vector<Curvature> sharpness_only(const RecordedLoss& loss, const ParameterList& parameters,
                                      const LandscapeOptions& options, Where where) {
    if (!options.sharpness) return {};
    const Present present(parameters, options.snapshot);
    return {largest_curvature(loss, parameters, options.curvature, where)};
}

}  // namespace

double Landscape::sharpness() const {
    return curvatures.empty() ? std::numeric_limits<double>::quiet_NaN() : curvatures.front().largest;
}

Landscape landscape(const RecordedLoss& loss, const ParameterList& parameters, const LandscapeOptions& options,
                    Where where) {
    check_options(parameters, options, where);
    if (options.along != Along::eigenvectors) {
        const std::vector<Direction> directions = random_directions(parameters, options);
        check_directions(parameters, directions, where);
        return around(loss, parameters, directions, options, sharpness_only(loss, parameters, options, where), where);
    }
    std::vector<Direction> directions;
    std::vector<Curvature> curvatures;
    {
        const Present present(parameters, options.snapshot);
        for (auto& each :
             largest_curvature_directions(loss, parameters, options.dimensions, options.curvature, where)) {
            directions.push_back(std::move(each.direction));
            curvatures.push_back(each.curvature);
        }
    }
    return around(loss, parameters, directions, options, std::move(curvatures), where);
}

Landscape landscape(const RecordedLoss& loss, const ParameterList& parameters, const std::vector<Direction>& directions,
                    LandscapeOptions options, Where where) {
    options.dimensions = static_cast<Index>(directions.size());
    options.along = Along::random;
    check_directions(parameters, directions, where);
    check_options(parameters, options, where);
    return around(loss, parameters, directions, options, sharpness_only(loss, parameters, options, where), where);
}

std::string Landscape::csv() const {
    const auto size = steps.size();
    std::string text = dimensions == 1 ? "step,loss\n" : "first,second,loss\n";
    for (std::size_t i = 0; i < losses.size(); ++i)
        text += dimensions == 1 ? fmt::format("{:.9g},{:.9g}\n", steps[i], losses[i])
                                : fmt::format("{:.9g},{:.9g},{:.9g}\n", steps[i % size], steps[i / size], losses[i]);
    return text;
}

}  // namespace xtape::optim
