#include <xtape/autograd/differences.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace xtape::detail {

std::vector<Variable> leaves(const std::vector<Array>& values) {
    std::vector<Variable> result;
    for (const Array& value : values) result.push_back(Parameter(value).variable());
    return result;
}

std::vector<Variable> outputs_near(const Subject& subject, const std::vector<Array>& xs, std::size_t k,
                                   const Array& direction, double step) {
    std::vector<Array> moved = xs;
    moved[k] = plus(xs[k], step, direction);
    return subject(leaves(moved));
}

Array uneven(const Shape& shape, Generator& generator) {
    Array result = Array::uninitialized(shape, float64);
    for (Index i = 0; i < result.size(); ++i) {
        const double size = 0.5 + generator.uniform();
        result.mutable_data<double>()[i] = generator.bits() & 1U ? size : -size;
    }
    return result;
}

Array plus(const Array& x, double step, const Array& direction) {
    Array result = x.copy();
    for (Index i = 0; i < x.size(); ++i) result.mutable_data<double>()[i] += step * direction.at(i);
    return result;
}

double inner(const Array& a, const Array& b) {
    double total = 0;
    for (Index i = 0; i < a.size(); ++i) total += a.at(i) * b.at(i);
    return total;
}

double inner_abs(const Array& a, const Array& b) {
    double total = 0;
    for (Index i = 0; i < a.size(); ++i) total += std::abs(a.at(i) * b.at(i));
    return total;
}

double largest(const Array& x) {
    double most = 0;
    for (Index i = 0; i < x.size(); ++i) most = std::max(most, std::abs(x.at(i)));
    return most;
}

double Comparison::mismatch() const { return std::abs(tape - differences); }
double Comparison::scale() const { return std::max(std::abs(tape), std::abs(differences)); }

Differences::Differences(const Subject& subject, const std::vector<Array>& xs, double step, double tolerance,
                         Generator& generator)
    : subject_(subject), xs_(xs), step_(step), tolerance_(tolerance), outputs_(subject(leaves(xs))) {
    for (const Variable& y : outputs_) {
        weights_.push_back(uneven(y.shape(), generator));
        magnitude_ += inner_abs(weights_.back(), y.array());
    }
}

double Differences::slope(std::size_t k, const Array& direction, double from, double to) const {
    const auto before = outputs_near(subject_, xs_, k, direction, from);
    const auto after = outputs_near(subject_, xs_, k, direction, to);
    double rise = 0;
    for (std::size_t j = 0; j < weights_.size(); ++j) {
        if (before[j].shape() != weights_[j].shape() || after[j].shape() != weights_[j].shape())
            throw ShapeError(fmt::format("check_grads: the function gives {} at one place and {} beside it",
                                         to_string(before[j].shape()), to_string(after[j].shape())));
        for (Index i = 0; i < weights_[j].size(); ++i)
            rise += weights_[j].at(i) * (after[j].array().at(i) - before[j].array().at(i));
    }
    return rise / (to - from);
}

Comparison Differences::compare(std::size_t k, const Array& gradient, const Array& direction) const {
    const double tape = inner(gradient, direction);
    const double floor = 1e-3 * tolerance_ * largest(gradient);
    Comparison best{false, false, tape, std::numeric_limits<double>::quiet_NaN()};
    double first_error = 0, least_error = std::numeric_limits<double>::infinity();
    for (double step = step_; step > step_ / 1000; step /= 8) {
        const double coarse = slope(k, direction, -step, step), fine = slope(k, direction, -step / 2, step / 2);
        Comparison found{false, false, tape, extrapolated(coarse, fine)};
        if (!std::isfinite(found.differences)) continue;
        const double rounding = 16 * std::numeric_limits<double>::epsilon() * magnitude_ / step;
        if (found.mismatch() <= tolerance_ * found.scale() + rounding + floor) {
            found.ok = found.settled = true;
            return found;
        }
        const double error = std::abs(found.differences - fine) + rounding;
        first_error = std::max(first_error, error);
        // a derivative of zero has no scale of its own: differences must fall towards it with the step
        if (std::abs(tape) <= error && found.mismatch() <= error && error <= 1e-3 * first_error) {
            found.ok = found.settled = true;
            return found;
        }
        if (error < least_error) {
            least_error = error;
            found.settled = error <= 1e-4 * found.scale() + floor;
            best = found;
        }
    }
    best.ok =
        best.settled && best.mismatch() <= tolerance_ * best.scale() + std::min(4 * least_error, 1e-5 * best.scale());
    return best;
}

std::string Differences::kink(std::size_t k, const Array& direction, double scale) const {
    const double h = step_ / 100;
    const double left = slope(k, direction, -h, 0), right = slope(k, direction, 0, h);
    if (std::abs(left - right) < 0.01 * scale) return "";
    return fmt::format("; slopes {:.6g} before and {:.6g} after it: a kink?", left, right);
}

}  // namespace xtape::detail
