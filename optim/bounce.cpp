#include <xtape/optim/bounce.hpp>

#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include <xtape/autograd/ops.hpp>
#include <xtape/optim/check.hpp>
#include <xtape/optim/sgd.hpp>
#include <xtape/optim/train.hpp>

namespace xtape::optim {
namespace {

constexpr std::size_t fewest_costs = 8;
constexpr double unstable_from = 0.8;  // of the bound: measured at one point of the bounce, it is not exact

double mean_of(const double* begin, const double* end) {
    double total = 0;
    for (const double* cost = begin; cost != end; ++cost) total += *cost;
    return total / static_cast<double>(end - begin);
}

}  // namespace

Bounce find_bounce(const std::vector<double>& costs, const BounceOptions& options, Where where) {
    check(options.window >= static_cast<Index>(fewest_costs),
          fmt::format("find_bounce: the window must be at least {}: {}", fewest_costs, options.window), where);
    check(options.reversals >= 0 && options.reversals <= 1,
          fmt::format("find_bounce: reversals must be in [0, 1]: {}", options.reversals), where);
    check_not_negative("find_bounce", "noise", options.noise, where);

    Bounce bounce;
    const std::size_t n = std::min(costs.size(), static_cast<std::size_t>(options.window));
    if (n < fewest_costs) return bounce;
    const double *last = costs.data() + costs.size(), *first = last - n, *middle = first + n / 2;
    std::size_t turns = 0;
    for (const double* cost = first; cost + 1 != last; ++cost) {
        bounce.amplitude += std::abs(cost[1] - cost[0]) / static_cast<double>(n - 1);
        if (cost != first && (cost[0] - cost[-1]) * (cost[1] - cost[0]) < 0) ++turns;
    }
    bounce.level = mean_of(first, last);
    bounce.reversals = static_cast<double>(turns) / static_cast<double>(n - 2);
    bounce.progress = mean_of(first, middle) - mean_of(middle, last);
    bounce.found = bounce.amplitude > 0 && bounce.reversals >= options.reversals &&
                   bounce.amplitude >= options.noise * std::abs(bounce.level) && bounce.progress <= bounce.amplitude;
    return bounce;
}

namespace {

std::vector<Variable> gradients_now(const RecordedLoss& loss, const ParameterList& parameters, Where where) {
    std::vector<Variable> xs;
    for (const ParameterRef& parameter : parameters) xs.emplace_back(parameter.array(), parameter.node());
    return grad(Operand(loss(), where), xs);
}

/// The largest curvature that the optimiser's plain step from here meets; see suggest_step().
double curvature_of_step(const Optimizer& optimizer, const RecordedLoss& loss, Where where) {
    const ParameterList& parameters = optimizer.parameters();
    const auto eigenvalue = [&] { return largest_curvature(loss, optimizer, {}, where).largest; };
    const double here = eigenvalue();
    const std::vector<Variable> slopes = gradients_now(loss, parameters, where);
    std::vector<Variable> steps;
    for (std::size_t i = 0; i < parameters.size(); ++i)
        steps.push_back(optimizer.learning_rate() * Variable(optimizer.step_scale(i)) * slopes[i]);

    struct PutBack {
        Restore restore;
        ~PutBack() { restore(); }
    } const present{snapshot_of(parameters)()};
    const auto go = [&](double part) {
        const NoGrad constant;
        for (std::size_t i = 0; i < parameters.size(); ++i)
            parameters[i].assign((Variable(parameters[i].array()) - part * steps[i]).array(), where);
    };
    go(0.5);
    const double halfway = eigenvalue();
    go(0.5);
    const std::vector<Variable> slopes_after = gradients_now(loss, parameters, where);
    double fall = 0, change = 0;  // by the slope here, and by how much the slope has changed along the step
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        fall += sum(steps[i] * slopes[i]).item();
        change += sum(steps[i] * (slopes[i] - slopes_after[i])).item();
    }
    return std::fmax(std::fmax(here, halfway), change / (optimizer.learning_rate() * fall));
}

std::string described(const StepAdvice& advice, std::optional<double> factor) {
    const std::string bounces = fmt::format("the cost bounces around {:.3g}", advice.bounce.level);
    const std::string rate = fmt::format("the learning rate {:.3g}", advice.learning_rate);
    if (!factor)
        return fmt::format("{} with {}; which ones are stable is not known for this optimiser, a range test shows "
                           "where the loss falls",
                           bounces, rate);
    if (!(advice.curvature > 0))
        return fmt::format(
            "{} with {}; the loss does not bend upwards here, which would say what it should be: try {:.2g}", bounces,
            rate, advice.suggestion);
    const std::string bound = fmt::format("{:.3g} / {:.3g} = {:.3g}", *factor, advice.curvature, advice.bound);
    if (advice.learning_rate > unstable_from * advice.bound)
        return fmt::format("{}: {} {} {}, where steps become unstable; try {:.2g}", bounces, rate,
                           advice.learning_rate > advice.bound ? "is above" : "comes near", bound, advice.suggestion);
    return fmt::format("{}, though {} is below {}, where steps become unstable: it may be the noise of the batches; "
                       "larger batches or a rate of {:.2g} would lessen it",
                       bounces, rate, bound, advice.suggestion);
}

}  // namespace

StepAdvice suggest_step(const std::vector<double>& costs, const Optimizer& optimizer, const RecordedLoss& loss,
                        const BounceOptions& options, Where where) {
    StepAdvice advice;
    advice.bounce = find_bounce(costs, options, where);
    advice.learning_rate = optimizer.learning_rate();
    if (!advice.bounce.found) return advice;
    const std::optional<double> factor = optimizer.stability_bound();
    if (factor) {
        advice.curvature = curvature_of_step(optimizer, loss, where);
        advice.suggestion = advice.learning_rate / 2;
        if (advice.curvature > 0) {
            advice.bound = *factor / advice.curvature;
            advice.suggestion = std::min(advice.bound, advice.learning_rate) / 2;
        }
    }
    advice.text = described(advice, factor);
    return advice;
}

StepAdvice suggest_step(const std::vector<double>& costs, double learning_rate, const ParameterList& parameters,
                        const RecordedLoss& loss, const BounceOptions& options, Where where) {
    return suggest_step(costs, SGD(parameters, learning_rate, where), loss, options, where);
}

}  // namespace xtape::optim
