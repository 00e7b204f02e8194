#include <xtape/nn/loss.hpp>

#include <fmt/format.h>

#include <xtape/autograd/ops/recognise.hpp>
#include <xtape/nn/labels.hpp>
#include <xtape/nn/loss_parts.hpp>

namespace xtape::nn {

using namespace loss_parts;

namespace {

/// y log a, and 0 with gradient 0 where both are 0.
Variable times_log(const Variable& y, const Variable& a, Where where) {
    if (log_is_recognised(a)) return at(y, where) * at(log(a, where), where);  // finite as it is
    const Variable both_zero = equal(at(y.detach(), where), 0) * equal(at(a.detach(), where), 0);
    return at(y, where) * at(log(masked_fill(a, both_zero, 1, where), where), where);
}

}  // namespace

Variable log_loss(const Variable& a, const Variable& y, Reduction reduction, Where where) {
    check_values("log_loss", a, y, where);
    if (auto losses = log_loss_of_sigmoid(a, y, where)) return reduced(*std::move(losses), reduction, where);
    Variable likelihood =
        at(times_log(y, a, where), where) + times_log(Operand(1, where) - y, Operand(1, where) - a, where);
    return reduced(negative(std::move(likelihood), where), reduction, where);
}

Variable bce_with_logits(const Variable& z, const Variable& y, Reduction reduction, Where where) {
    check_values("bce_with_logits", z, y, where);
    return reduced(sigmoid_cross_entropy(z, y, where), reduction, where);
}

Variable mse(const Variable& prediction, const Variable& target, Reduction reduction, Where where) {
    check_values("mse", prediction, target, where);
    return reduced(square(at(prediction, where) - target, where), reduction, where);
}

Variable l1(const Variable& prediction, const Variable& target, Reduction reduction, Where where) {
    check_values("l1", prediction, target, where);
    return reduced(abs(at(prediction, where) - target, where), reduction, where);
}

Variable huber(const Variable& prediction, const Variable& target, double delta, Reduction reduction, Where where) {
    check_values("huber", prediction, target, where);
    check_positive("huber", "delta", delta, where);
    return reduced(huber_loss(prediction, target, delta, where), reduction, where);
}

Variable quantile(const Variable& prediction, const Variable& target, double tau, Reduction reduction, Where where) {
    check_values("quantile", prediction, target, where);
    if (!(tau > 0 && tau < 1)) throw ValueError(fmt::format("quantile: tau must be in (0, 1): {}", tau), where);
    static const auto pinball = elementwise("quantile", [](auto p, auto t, auto share) {
        const auto e = t - p;
        return share * relu(e) + (1 - share) * relu(-e);
    });
    return reduced(pinball(at(prediction, where), target, tau), reduction, where);
}

Variable kl_div(const Variable& q, const Variable& t, Reduction reduction, Where where) {
    check_values("kl_div", q, t, where);
    // Where t is 0, 1 in place of t and 0 in place of q: finite, and so are the gradients.
    const Variable zero = equal(at(t.detach(), where), 0);
    const Variable log_t = log(masked_fill(t, zero, 1, where), where);
    return reduced(at(t, where) * (at(log_t, where) - masked_fill(q, zero, 0, where)), reduction, where);
}

Variable hinge(const Variable& score, const Variable& target, Reduction reduction, Where where) {
    check_values("hinge", score, target, where);
    for (Index i = 0; i < target.size(); ++i)
        if (const double label = target.array().at(i); label != 1 && label != -1)
            throw ValueError(fmt::format("hinge: the label at position {} must be -1 or 1: {}",
                                         labels::position(target.shape(), i), label),
                             where);
    return reduced(relu(Operand(1, where) - at(target, where) * score, where), reduction, where);
}

// -------------------------------------------------------------------------------------------------------- with classes

Variable nll(const Variable& log_probabilities, const IntArray& labels, Reduction reduction,
             const Variable& class_weights, Where where) {
    check_classes("nll", log_probabilities, labels, class_weights, where);
    Variable losses = negative(picked(log_probabilities, labels, where), where);
    Variable sample_weights;
    if (class_weights) {
        sample_weights = take(class_weights, labels, 0, where);
        losses = at(std::move(losses), where) * sample_weights;
    }
    return reduced_classes(std::move(losses), sample_weights, reduction, where);
}

Variable cross_entropy(const Variable& logits, const IntArray& labels, Reduction reduction, double label_smoothing,
                       const Variable& class_weights, Where where) {
    check_classes("cross_entropy", logits, labels, class_weights, where);
    if (!(label_smoothing >= 0 && label_smoothing <= 1))
        throw ValueError(fmt::format("cross_entropy: label_smoothing must be in [0, 1]: {}", label_smoothing), where);
    if (!class_weights) return reduced(softmax_cross_entropy(logits, labels, label_smoothing, where), reduction, where);

    const Variable log_probabilities = log_softmax(logits, 1, where);
    Variable losses = nll(log_probabilities, labels, Reduction::none, class_weights, where);
    if (label_smoothing > 0) {
        const Variable all_classes = sum(at(log_probabilities, where) * class_weights, 1, false, where);
        const double share = label_smoothing / static_cast<double>(logits.shape()[1]);
        losses = at(at(losses, where) * (1 - label_smoothing), where) - at(all_classes, where) * share;
    }
    return reduced_classes(std::move(losses), take(class_weights, labels, 0, where), reduction, where);
}

}  // namespace xtape::nn
