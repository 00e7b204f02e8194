#include <xtape/nn/loss_segmentation.hpp>

#include <fmt/format.h>

#include <xtape/nn/loss_parts.hpp>

namespace xtape::nn {

using namespace loss_parts;

namespace {

void check_masks(const char* loss, const Variable& probability, const Variable& target, Where where) {
    check_values(loss, probability, target, where);
    if (probability.rank() < 2)
        throw ShapeError(
            fmt::format("{}: masks must be (N, ...), of two axes or more: {}", loss, to_string(probability.shape())),
            where);
}

void check_not_negative(const char* loss, const char* name, double value, Where where) {
    if (!(value >= 0)) throw ValueError(fmt::format("{}: {} must not be negative: {}", loss, name, value), where);
}

/// Over all axes but the samples'.
Variable of_each_sample(Variable x, Where where) { return sum(flatten(std::move(x), 1, where), 1, false, where); }

/// 1 - (above + smooth) / (below + smooth).
Variable lack(const Variable& above, const Variable& below, double smooth, Where where) {
    return Operand(1, where) - at(at(at(above, where) + smooth, where) / at(at(below, where) + smooth, where), where);
}

}  // namespace

Variable dice(const Variable& p, const Variable& t, double smooth, DiceForm form, Reduction reduction, Where where) {
    check_masks("dice", p, t, where);
    check_not_negative("dice", "smooth", smooth, where);
    const bool squares = form == DiceForm::squares;
    const Variable both = of_each_sample(at(p, where) * t, where);
    static const auto sum_of_squares = elementwise("dice", [](auto a, auto b) { return a * a + b * b; });
    const Variable each = of_each_sample(squares ? Variable(sum_of_squares(at(p, where), t)) : at(p, where) + t, where);
    return reduced(lack(at(both, where) * 2, each, smooth, where), reduction, where);
}

Variable tversky(const Variable& p, const Variable& t, double alpha, double beta, double smooth, Reduction reduction,
                 Where where) {
    check_masks("tversky", p, t, where);
    check_not_negative("tversky", "alpha", alpha, where);
    check_not_negative("tversky", "beta", beta, where);
    check_not_negative("tversky", "smooth", smooth, where);
    const Variable both = of_each_sample(at(p, where) * t, where);
    static const auto both_and_wrong = elementwise("tversky", [](auto a, auto b, auto false_alarms, auto missed) {
        return a * b + false_alarms * a * (1 - b) + missed * (1 - a) * b;
    });
    const Variable all = of_each_sample(both_and_wrong(at(p, where), t, alpha, beta), where);
    return reduced(lack(both, all, smooth, where), reduction, where);
}

}  // namespace xtape::nn
