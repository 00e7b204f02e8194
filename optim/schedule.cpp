#include <xtape/optim/schedule.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include <xtape/optim/check.hpp>

namespace xtape::optim {
namespace {

constexpr double pi = 3.14159265358979323846;

/// From `from` at 0 to `to` at 1 along half a cosine.
double half_cosine(double from, double to, double part) { return to + (from - to) / 2 * (1 + std::cos(pi * part)); }

}  // namespace

StepLR::StepLR(double rate, Index every, double factor, Where where) : rate_(rate), every_(every), factor_(factor) {
    check_not_negative("StepLR", "rate", rate, where);
    check_not_negative("StepLR", "factor", factor, where);
    check(every > 0, fmt::format("StepLR: steps between two changes must be positive: {}", every), where);
}

double StepLR::operator()(Index step) const {
    return rate_ * std::pow(factor_, static_cast<double>(std::max<Index>(step, 0) / every_));
}

CosineLR::CosineLR(double rate, Index total, Index warmup, double final_rate, Where where)
    : rate_(rate), total_(total), warmup_(warmup), final_rate_(final_rate) {
    check_not_negative("CosineLR", "rate", rate, where);
    check_not_negative("CosineLR", "final rate", final_rate, where);
    check(total > 0, fmt::format("CosineLR: the number of steps must be positive: {}", total), where);
    check(warmup >= 0 && warmup <= total,
          fmt::format("CosineLR: warm-up is outside the steps: {} of {}", warmup, total), where);
}

double CosineLR::operator()(Index step) const {
    step = std::max<Index>(step, 0);
    if (step < warmup_) return rate_ * static_cast<double>(step + 1) / static_cast<double>(warmup_);
    if (step >= total_) return final_rate_;
    return half_cosine(rate_, final_rate_, static_cast<double>(step - warmup_) / static_cast<double>(total_ - warmup_));
}

OneCycleLR::OneCycleLR(double max_rate, Index total, double rise, double divisor, double final_divisor, Where where)
    : max_rate_(max_rate),
      total_(static_cast<double>(total)),
      rise_(rise),
      divisor_(divisor),
      final_divisor_(final_divisor) {
    check_not_negative("OneCycleLR", "max_rate", max_rate, where);
    check(total > 0, fmt::format("OneCycleLR: the number of steps must be positive: {}", total), where);
    check(rise > 0 && rise < 1, fmt::format("OneCycleLR: rise is outside (0, 1): {}", rise), where);
    check(divisor > 0 && final_divisor > 0 && std::isfinite(divisor * final_divisor),
          fmt::format("OneCycleLR: divisors must be positive: {}, {}", divisor, final_divisor), where);
}

double OneCycleLR::operator()(Index step) const {
    const double last = total_ - 1;
    const double peak = rise_ * total_ - 1;  // where PyTorch has it; below 0 for very short cycles
    const double at = std::clamp(static_cast<double>(step), 0.0, last);
    const double start = max_rate_ / divisor_;
    if (at <= peak) return peak > 0 ? half_cosine(start, max_rate_, at / peak) : max_rate_;
    return half_cosine(max_rate_, start / final_divisor_, (at - peak) / (last - peak));
}

ReduceOnPlateau::ReduceOnPlateau(double rate, const PlateauOptions& options, Where where)
    : rate_(rate),
      options_(options),
      best_(options.better == Better::lower ? std::numeric_limits<double>::infinity()
                                            : -std::numeric_limits<double>::infinity()) {
    check_not_negative("ReduceOnPlateau", "rate", rate, where);
    check_range("ReduceOnPlateau", "factor", options.factor, 0, 1, where);
    check_not_negative("ReduceOnPlateau", "threshold", options.threshold, where);
    check_not_negative("ReduceOnPlateau", "min_rate", options.min_rate, where);
    check(options.patience >= 0 && options.cooldown >= 0,
          fmt::format("ReduceOnPlateau: patience and cooldown must not be negative: {}, {}", options.patience,
                      options.cooldown),
          where);
}

double ReduceOnPlateau::operator()(double metric) {
    const double margin = std::isfinite(best_) ? options_.threshold * std::abs(best_) : 0;
    const bool better = options_.better == Better::lower ? metric < best_ - margin : metric > best_ + margin;
    if (better) {
        best_ = metric;
        waited_ = 0;
    } else {
        ++waited_;
    }
    if (cooling_ > 0) {
        --cooling_;
        waited_ = 0;
    }
    if (waited_ > options_.patience) {
        rate_ = std::min(rate_, std::max(rate_ * options_.factor, options_.min_rate));
        cooling_ = options_.cooldown;
        waited_ = 0;
    }
    return rate_;
}

}  // namespace xtape::optim
