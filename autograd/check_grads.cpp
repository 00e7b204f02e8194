#include <xtape/autograd/check_grads.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include <xtape/autograd/casts.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/tape.hpp>
#include <xtape/autograd/wrong_rule.hpp>

namespace xtape {

using namespace detail;

namespace {

/// Ends the check with a reason other than a wrong number.
struct Failed {
    std::string why;
};

const char* ordinal(int order) { return order == 1 ? "first" : "second"; }

std::vector<Variable> pull(const Variable& y, const Variable& seed, const std::vector<Variable>& xs, bool record) {
    try {
        return pullback(y, seed, xs, record, Where::here());
    } catch (const Error& error) {
        throw Failed{error.what()};
    }
}

/// The direction that moves one element.
Array unit(const Array& x, Index element) {
    Array result = Array::filled(x.shape(), float64, 0);
    result.mutable_data<double>()[element] = std::max(1.0, std::abs(x.at(element)));
    return result;
}

/// The part of a direction from one element to another.
Array part(const Array& direction, Index begin, Index end) {
    Array result = Array::filled(direction.shape(), float64, 0);
    const double* from = direction.data<double>();
    std::copy(from + begin, from + end, result.mutable_data<double>() + begin);
    return result;
}

std::string position(const Shape& shape, Index element) {
    Shape indices = shape;
    for (Index axis = shape.rank(); axis-- > 0;) {
        indices[axis] = element % shape[axis];
        element /= shape[axis];
    }
    return to_string(indices);
}

void demand_finite(const std::string& what, const Array& x) {
    for (Index i = 0; i < x.size(); ++i)
        if (!std::isfinite(x.at(i)))
            throw Failed{fmt::format("{} is not finite: {} at element {}", what, x.at(i), position(x.shape(), i))};
}

/// The check of one order.
class Check {
public:
    Check(const Subject& subject, const std::vector<Array>& xs, int order, const GradCheckOptions& options)
        : subject_(subject),
          xs_(xs),
          order_(order),
          options_(options),
          generator_(options.seed + static_cast<std::uint64_t>(order)),
          sum_(subject, xs, options.step, options.tolerance, generator_) {}

    GradCheck run() {
        for (const Variable& y : sum_.outputs())
            demand_finite(order_ == 1 ? "the function" : "the first-order gradient", y.array());
        differentiate();
        for (std::size_t k = 0; k < xs_.size(); ++k) {
            demand_finite(fmt::format("the gradient {}", argument_text(k)), gradients_[k]);
            if (const auto wrong = find_wrong(k)) return verdict(k, *wrong);
        }
        return {};
    }

private:
    /// A direction along which the gradient is wrong, and the element that is most so.
    struct Wrong {
        Array direction;
        Index element;
    };

    void differentiate() {
        const std::vector<Variable> at = leaves(xs_);
        const std::vector<Variable> ys = subject_(at);
        for (const Array& x : xs_) gradients_.push_back(Array::filled(x.shape(), float64, 0));
        for (std::size_t j = 0; j < ys.size(); ++j) {
            if (!ys[j].requires_grad()) continue;
            const auto gradients = pull(ys[j], sum_.weights()[j], at, false);
            for (std::size_t k = 0; k < xs_.size(); ++k) gradients_[k] = plus(gradients_[k], 1, gradients[k].array());
        }
    }

    /// Nothing when the gradient in argument k is right.
    std::optional<Wrong> find_wrong(std::size_t k) {
        const Array& x = xs_[k];
        if (x.size() == 0) return std::nullopt;
        for (int i = 0; i < options_.directions; ++i) {
            const Array direction = random_direction(k, i % 2 == 1);
            if (!compare(k, direction).ok) return Wrong{direction, worst_along(k, direction)};
        }
        if (x.size() > options_.each_element) return std::nullopt;
        const Index worst = worst_between(k, 0, x.size());
        if (compare(k, unit(x, worst)).ok) return std::nullopt;
        return Wrong{unit(x, worst), worst};
    }

    /// Along the gradient, where nothing cancels, or anywhere.
    Array random_direction(std::size_t k, bool along_gradient) {
        Array direction = uneven(xs_[k].shape(), generator_);
        for (Index i = 0; i < direction.size(); ++i) {
            double& v = direction.mutable_data<double>()[i];
            if (along_gradient) v = std::copysign(v, gradients_[k].at(i));
            v *= std::max(1.0, std::abs(xs_[k].at(i)));
        }
        return direction;
    }

    /// Halves the direction towards the larger mismatch until few enough elements are left to try each.
    Index worst_along(std::size_t k, const Array& direction) {
        Index begin = 0, end = direction.size();
        while (end - begin > std::max<Index>(options_.each_element, 1)) {
            const Index middle = begin + (end - begin) / 2;
            const double left = compare(k, part(direction, begin, middle)).mismatch();
            const double right = compare(k, part(direction, middle, end)).mismatch();
            (left >= right ? end : begin) = middle;
        }
        return worst_between(k, begin, end);
    }

    Index worst_between(std::size_t k, Index begin, Index end) {
        Index worst = begin;
        double most = 0;
        for (Index i = begin; i < end; ++i) {
            const double mismatch = compare(k, unit(xs_[k], i)).mismatch();
            if (std::isnan(mismatch)) return i;  // nothing is worse
            if (mismatch <= most) continue;
            most = mismatch;
            worst = i;
        }
        return worst;
    }

    Comparison compare(std::size_t k, const Array& direction) const {
        return sum_.compare(k, gradients_[k], direction);
    }

    bool is_seed(std::size_t k) const { return order_ == 2 && k + 1 == xs_.size(); }
    std::string argument_text(std::size_t k) const {
        return is_seed(k) ? "in the gradient that flows in" : fmt::format("in argument {}", k + 1);
    }

    GradCheck verdict(std::size_t k, const Wrong& place) {
        const Array single = unit(xs_[k], place.element);
        const bool stands_out = !compare(k, single).ok;  // else only many together are wrong enough to tell
        const Array& direction = stands_out ? single : place.direction;
        const double length = stands_out ? single.at(place.element) : 1;
        const Comparison found = compare(k, direction);
        const NodePtr wrong = wrong_rule(subject_, xs_, k, direction, options_.step, generator_);
        const NodePtr outermost = sum_.outputs().front().node();
        const NodePtr& named = wrong ? wrong : outermost;

        GradCheck result;
        result.ok = false;
        result.order = order_;
        result.operation = named ? named->name : "a constant";
        result.argument = is_seed(k) ? 0 : k + 1;
        result.element = place.element;
        result.tape = found.tape / length;
        result.differences = found.differences / length;
        result.message = fmt::format(
            "check_grads: wrong {}-order gradient: {}, {}, {}element {}: tape {:.10g}, differences "
            "{:.10g}, relative difference {:.2g}",
            ordinal(order_), result.operation, argument_text(k), stands_out ? "" : "along a direction, most at ",
            position(xs_[k].shape(), place.element), result.tape, result.differences, found.mismatch() / found.scale());
        if (!found.settled) result.message += "; differences do not settle: a kink, a jump, or float32 on the way?";
        result.message += sum_.kink(k, direction, found.scale());
        if (named) result.message = Error(result.message, named->where).what();
        return result;
    }

    const Subject& subject_;
    const std::vector<Array>& xs_;
    int order_;
    const GradCheckOptions& options_;
    Generator generator_;
    Differences sum_;
    std::vector<Array> gradients_;
};

Variable as_float64(Variable y) { return y.dtype() == float64 ? y : astype(std::move(y), float64); }

bool same_bits(const Array& a, const Array& b) {
    return a.shape() == b.shape() &&
           std::memcmp(a.data<double>(), b.data<double>(), static_cast<std::size_t>(a.size()) * sizeof(double)) == 0;
}

/// A rule may compute a gradient in one way and record it in another. Both must be one gradient: differences of either alone
/// do not see that. `at` ends with the gradient that flows in.
GradCheck compare_forms(const Subject& first, const Subject& second, const std::vector<Array>& at, double tolerance) {
    const std::vector<Variable> recorded = second(leaves(at)), all = leaves(at);
    const std::vector<Variable> x(all.begin(), all.end() - 1);
    const Variable y = first(x)[0];
    const std::vector<Variable> computed = pull(y, all.back(), x, false);
    for (std::size_t k = 0; k < x.size(); ++k) {
        const Array &a = computed[k].array(), &b = recorded[k].array();
        demand_finite("the first-order gradient", b);
        double scale = 0, most = 0;
        Index worst = 0;
        for (Index i = 0; i < a.size(); ++i) {
            scale = std::max({scale, std::abs(a.at(i)), std::abs(b.at(i))});
            if (const double gap = std::abs(a.at(i) - b.at(i)); gap > most) most = gap, worst = i;
        }
        if (most <= tolerance * scale) continue;
        GradCheck result;
        result.ok = false;
        result.order = 2;
        result.operation = y.node()->name;
        result.argument = k + 1;
        result.element = worst;
        result.tape = b.at(worst);
        result.differences = a.at(worst);
        result.message =
            Error(fmt::format("check_grads: wrong second-order gradient: {}, in argument {}, element {}: the "
                              "gradient to be differentiated is {:.10g} under create_graph, {:.10g} without it",
                              result.operation, result.argument, position(a.shape(), worst), result.tape,
                              result.differences),
                  y.node()->where)
                .what();
        return result;
    }
    return {};
}

void demand_sense(const std::vector<Variable>& xs, const GradCheckOptions& options) {
    if (options.order != 1 && options.order != 2)
        throw ValueError(fmt::format("check_grads: order must be 1 or 2, not {}", options.order));
    if (!(options.step > 0) || !(options.tolerance > 0))
        throw ValueError(fmt::format("check_grads: step and tolerance must be positive, not {} and {}", options.step,
                                     options.tolerance));
    if (xs.empty()) throw ValueError("check_grads: no argument to differentiate by");
    if (!recording()) throw TapeError("check_grads: nothing is recorded while a NoGrad lives");
}

}  // namespace

GradCheck gradient_check(const Function& f, const std::vector<Variable>& xs, const GradCheckOptions& options) {
    demand_sense(xs, options);
    const AllowCasts scope;
    std::vector<Array> at;
    for (const Variable& x : xs) at.push_back(x.array().astype(float64));
    const Subject first = [&f](const std::vector<Variable>& x) { return std::vector<Variable>{as_float64(f(x))}; };

    int order = 1;
    try {
        const Variable y = first(leaves(at))[0];
        if (!same_bits(y.array(), first(leaves(at))[0].array()))
            throw Failed{"the function is not the same at two calls: does it draw random numbers?"};
        GradCheck verdict = Check(first, at, 1, options).run();
        if (!verdict || options.order == 1 || !y.requires_grad()) return verdict;

        order = 2;  // the gradients are functions of x and, linearly, of the gradient that flows in
        Generator generator(options.seed);
        at.push_back(uneven(y.shape(), generator));
        const Subject second = [&f](const std::vector<Variable>& all) {
            const std::vector<Variable> x(all.begin(), all.end() - 1);
            return pull(as_float64(f(x)), all.back(), x, true);
        };
        verdict = compare_forms(first, second, at, options.tolerance);
        return verdict ? Check(second, at, 2, options).run() : verdict;
    } catch (const Failed& failed) {
        GradCheck verdict;
        verdict.ok = false;
        verdict.order = order;
        verdict.message = fmt::format("check_grads: {} order: {}", ordinal(order), failed.why);
        return verdict;
    }
}

void detail::check_grads(const Function& f, const std::vector<Variable>& xs, const GradCheckOptions& options) {
    const GradCheck verdict = gradient_check(f, xs, options);
    if (!verdict) throw Error(verdict.message);
}

}  // namespace xtape
