#include <xtape/autograd/ops/recognise.hpp>

#include <memory>
#include <utility>

#include <xtape/autograd/ops/softmax.hpp>

namespace xtape {

namespace {

/// x = sigmoid(argument), or of its negative, when the tape still has the argument.
struct Sigmoid {
    const Variable* argument = nullptr;
    bool of_negative = false;

    explicit Sigmoid(const Variable& x) {
        const NodePtr& node = x.node();
        if (!node || node->freed) return;
        of_negative = node->name == sigmoid_of_negative_name;
        if (of_negative || node->name == sigmoid_name) argument = node->arguments();
    }
};

template <class Rule>
struct BypassBy final : Node::Bypass {
    BypassBy(Variable x, Rule by) : Bypass(std::move(x)), rule(std::move(by)) {}
    Variable pull(const Variable& g) const override { return rule(g, operand); }
    Rule rule;
};

/// y, which goes around x by this rule(g, x).
template <class Rule>
Variable around(Variable y, const Variable& x, Rule rule) {
    if (y.node()) y.node()->bypass = std::make_unique<BypassBy<Rule>>(x, std::move(rule));
    return y;
}

}  // namespace

std::optional<Variable> complement_of_sigmoid(const Operand& a, const Operand& b) {
    if (!a.is_scalar() || a.scalar() != 1 || b.is_scalar()) return std::nullopt;
    const Sigmoid of(b.variable());
    if (!of.argument) return std::nullopt;
    Variable y = of.of_negative ? sigmoid(*of.argument, a.where()) : sigmoid_of_negative(*of.argument, a.where());
    return around(std::move(y), b.variable(), [](const Variable& g, const Variable&) { return -g; });
}

std::optional<Variable> log_loss_of_sigmoid(const Variable& a, const Variable& y, Where where) {
    const Sigmoid of(a);
    if (!of.argument || of.of_negative || !recording() || a.dtype() != y.dtype()) return std::nullopt;
    return around(sigmoid_cross_entropy(*of.argument, y, where), a, [y](const Variable& g, const Variable& operand) {
        return g * ((1 - y) / (1 - operand) - y / operand);
    });
}

std::optional<Variable> log_of_recognised(const Variable& x, Where where) {
    const Sigmoid of(x);
    auto y = !of.argument     ? log_of_softmax(x, where)
             : of.of_negative ? std::optional(log_sigmoid(negative(*of.argument, where), where))
                              : std::optional(log_sigmoid(*of.argument, where));
    if (y) y = around(*std::move(y), x, [](const Variable& g, const Variable& operand) { return g / operand; });
    return y;
}

}  // namespace xtape
