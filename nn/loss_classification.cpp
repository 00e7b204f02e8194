#include <xtape/nn/loss_classification.hpp>

#include <fmt/format.h>

#include <xtape/nn/loss_parts.hpp>

namespace xtape::nn {

using namespace loss_parts;

namespace {

void check_gamma(const char* loss, double gamma, Where where) {
    if (!(gamma >= 0)) throw ValueError(fmt::format("{}: gamma must not be negative: {}", loss, gamma), where);
}

// In logarithms throughout: (1 - p)^gamma as a power has an infinite derivative at p = 1 for gamma < 1.

const auto& focal_of_logits() {
    static const auto loss =
        elementwise("focal_with_logits", [](auto z, auto t, auto gamma, auto positive, auto negative) {
            const auto missed = softplus(-z), raised = softplus(z);  // -log p and -log(1 - p)
            return positive * t * exp(-gamma * raised) * missed + negative * (1 - t) * exp(-gamma * missed) * raised;
        });
    return loss;
}

/// How far the logits z are above the label's. Its own is left out of sums of e to that: e^-1e4 is 0 beside whatever the loss
/// can tell from 0.
const auto& margins_over_label() {
    static const auto margins = elementwise(
        "margins", [](auto z, auto of_label, auto is_label) { return select(is_label > 0, -1e4, z - of_label); });
    return margins;
}

/// Of the logarithm of the odds against the right class.
const auto& focal_of_odds_against() {
    static const auto loss =
        elementwise("focal", [](auto odds, auto gamma) { return exp(-gamma * softplus(-odds)) * softplus(odds); });
    return loss;
}

}  // namespace

Variable focal_with_logits(const Variable& logits, const Variable& target, double gamma, std::optional<double> alpha,
                           Reduction reduction, Where where) {
    check_values("focal_with_logits", logits, target, where);
    check_gamma("focal_with_logits", gamma, where);
    if (alpha && !(*alpha >= 0 && *alpha <= 1))
        throw ValueError(fmt::format("focal_with_logits: alpha must be in [0, 1]: {}", *alpha), where);
    return reduced(focal_of_logits()(at(logits, where), target, gamma, alpha.value_or(1), alpha ? 1 - *alpha : 1),
                   reduction, where);
}

Variable focal(const Variable& logits, const IntArray& labels, double gamma, Reduction reduction,
               const Variable& class_weights, Where where) {
    check_classes("focal", logits, labels, class_weights, where);
    check_gamma("focal", gamma, where);
    // Those against the label, (1 - p) / p, are what all other classes have of its e^z: no 1 - p is taken.
    const Variable of_label = reshape(picked(logits, labels, where), {logits.shape()[0], 1}, where);
    const Variable is_label = one_hot(labels, logits.shape()[1], logits.dtype(), where);
    const Fused margins = margins_over_label()(at(logits, where), of_label, is_label);
    const Fused losses = focal_of_odds_against()(at(logsumexp(margins, 1, false, where), where), gamma);
    if (!class_weights) return reduced(losses, reduction, where);
    const Variable sample_weights = take(class_weights, labels, 0, where);
    return reduced_classes(at(losses, where) * sample_weights, sample_weights, reduction, where);
}

Variable temperature_cross_entropy(const Variable& logits, const IntArray& labels, double temperature,
                                   Reduction reduction, Where where) {
    check_classes("temperature_cross_entropy", logits, labels, {}, where);
    check_positive("temperature_cross_entropy", "temperature", temperature, where);
    return reduced(softmax_cross_entropy(at(logits, where) / temperature, labels, 0, where), reduction, where);
}

Variable distillation(const Variable& student, const Variable& teacher, double temperature, Reduction reduction,
                      Where where) {
    check_same("distillation", {{"student", student}, {"teacher", teacher}}, where);
    check_positive("distillation", "temperature", temperature, where);
    if (student.rank() != 2)
        throw ShapeError(fmt::format("distillation: logits must be (N, C): {} has {} axes", to_string(student.shape()),
                                     student.rank()),
                         where);
    const Variable log_p = log_softmax(at(student, where) / temperature, 1, where);
    const Variable log_q = log_softmax(at(teacher, where) / temperature, 1, where);
    // Where the teacher's probability is 0, so is the product, whatever the logarithms are.
    static const auto divergence = elementwise(
        "distillation", [](auto p, auto q, auto scale) { return scale * exp(q) * select(exp(q) > 0, q - p, 0); });
    const Fused losses = divergence(at(log_p, where), log_q, temperature * temperature);
    return reduced(sum(losses, 1, false, where), reduction, where);
}

}  // namespace xtape::nn
