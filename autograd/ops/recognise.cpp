#include <xtape/autograd/ops/recognise.hpp>

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

/// y, which goes around x by this rule.
Variable around(Variable y, const Variable& x, Variable (*rule)(const Variable&, const Variable&)) {
    if (y.node()) y.node()->bypass.reset(new Node::Bypass{x, rule});
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

std::optional<Variable> log_of_recognised(const Variable& x, Where where) {
    const Sigmoid of(x);
    auto y = !of.argument     ? log_of_softmax(x, where)
             : of.of_negative ? std::optional(log_sigmoid(negative(*of.argument, where), where))
                              : std::optional(log_sigmoid(*of.argument, where));
    if (y) y = around(*std::move(y), x, [](const Variable& g, const Variable& operand) { return g / operand; });
    return y;
}

}  // namespace xtape
