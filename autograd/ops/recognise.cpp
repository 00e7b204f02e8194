#include <xtape/autograd/ops/recognise.hpp>

#include <xtape/autograd/ops/softmax.hpp>

namespace xtape {

namespace {

/// z when x is sigmoid(z) and the tape still has z.
const Variable* argument_of_sigmoid(const Variable& x) {
    const NodePtr& node = x.node();
    return node && node->name == sigmoid_name && !node->freed ? node->arguments() : nullptr;
}

/// y, which goes around x by this rule.
Variable around(Variable y, const Variable& x, Variable (*rule)(const Variable&, const Variable&)) {
    if (y.node()) y.node()->bypass.reset(new Node::Bypass{x, rule});
    return y;
}

}  // namespace

std::optional<Variable> complement_of_sigmoid(const Operand& a, const Operand& b) {
    if (!a.is_scalar() || a.scalar() != 1 || b.is_scalar()) return std::nullopt;
    const Variable* z = argument_of_sigmoid(b.variable());
    if (!z) return std::nullopt;
    Variable y = sigmoid(negative(*z, a.where()), a.where());
    return around(std::move(y), b.variable(), [](const Variable& g, const Variable&) { return -g; });
}

std::optional<Variable> log_of_recognised(const Variable& x, Where where) {
    const Variable* z = argument_of_sigmoid(x);
    auto y = z ? std::optional(log_sigmoid(*z, where)) : log_of_softmax(x, where);
    if (y) y = around(*std::move(y), x, [](const Variable& g, const Variable& operand) { return g / operand; });
    return y;
}

}  // namespace xtape
