#include <xtape/autograd/ops/recognise.hpp>

#include <xtape/autograd/ops/softmax.hpp>

namespace xtape {

namespace {

/// z when x is sigmoid(z) and the tape still has z.
const Variable* argument_of_sigmoid(const Variable& x) {
    const NodePtr& node = x.node();
    return node && node->name == sigmoid_name && node->argument ? &node->argument : nullptr;
}

}  // namespace

std::optional<Variable> complement_of_sigmoid(const Operand& a, const Operand& b) {
    if (!a.is_scalar() || a.scalar() != 1 || b.is_scalar()) return std::nullopt;
    const Variable* z = argument_of_sigmoid(b.variable());
    if (!z) return std::nullopt;
    return sigmoid(negative(*z, a.where()), a.where());
}

std::optional<Variable> log_of_recognised(const Variable& x, Where where) {
    if (const Variable* z = argument_of_sigmoid(x)) return log_sigmoid(*z, where);
    return log_of_softmax(x);
}

}  // namespace xtape
