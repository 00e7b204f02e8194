#include <xtape/autograd/ops/recognise.hpp>

#include <memory>
#include <utility>

#include <xtape/autograd/ops/binary.hpp>
#include <xtape/autograd/registered_hooks.hpp>

namespace xtape {

namespace {

/// Whether what comes past a node would not go where its hooks send it.
bool is_hooked(const Node& node) { return node.hooks && node.hooks->may_replace(); }

/// The name of the function that gave x, when the tape still has its argument or the array remembers it; else some other
/// name or null.
const char* function_of(const Variable& x) {
    if (const NodePtr& node = x.node())
        return node->freed || Border::hides(*node) || is_hooked(*node) ? nullptr : node->name;
    return x.array().function();
}

/// The argument of what function_of() has named.
Variable argument_of(const Variable& x) { return x.node() ? *x.node()->arguments() : Variable(x.array().argument()); }

template <class Rule>
struct BypassBy final : Node::Bypass {
    BypassBy(Variable x, Rule by) : Bypass(std::move(x)), rule(std::move(by)) {}
    Variable pull(const Variable& g) const override { return rule(g, operand); }
    void keep(Kept& kept) const override { kept.add_rule(rule); }
    Rule rule;
};

/// y, which goes around x by this rule(g, x); a constant x wants no gradient, though y may have one in something else.
template <class Rule>
Variable around(Variable y, const Variable& x, Rule rule) {
    if (y.node() && x.node()) y.node()->go_around(std::make_unique<BypassBy<Rule>>(x, std::move(rule)));
    return y;
}

/// The operand that is an array where the other one is the number 1; else null.
const Variable* beside_one(const Operand& one, const Operand& other) {
    return is_one(one) && !other.is_scalar() ? &other.variable() : nullptr;
}

}  // namespace

std::optional<Variable> one_minus_sigmoid(const Operand& a, const Operand& b) {
    const Variable* x = beside_one(a, b);
    const char* function = x ? function_of(*x) : nullptr;
    if (function != sigmoid_name && function != sigmoid_of_negative_name) return std::nullopt;
    Variable y = function == sigmoid_name ? sigmoid_of_negative_beside(*x, argument_of(*x), a.where())
                                          : sigmoid_beside(*x, argument_of(*x), a.where());
    return around(std::move(y), *x, [](const Variable& g, const Variable&) { return -g; });
}

std::optional<Variable> one_plus_exp(const Operand& a, const Operand& b) {
    const Variable* x = beside_one(a, b);
    if (!x) x = beside_one(b, a);
    if (!x || function_of(*x) != exp_name) return std::nullopt;
    Variable z = argument_of(*x);
    Array y = result_beside(
        x->shape(), [](auto e) { return e + kernels::like(e, 1); }, x->array());
    if (!z.requires_grad() || !recording()) {
        y.remember(one_plus_exp_name, z.array());
        return Variable(std::move(y));
    }
    auto dz = keeping(std::move(z), holding([e = *x](const Variable& g) { return g * e; }, *x));
    return around(record(one_plus_exp_name, a.where(), std::move(y), std::move(dz)), *x,
                  [](const Variable& g, const Variable&) { return g; });
}

std::optional<Variable> one_by_one_plus_exp(const Operand& a, const Operand& b) {
    const Variable* x = beside_one(a, b);
    if (!x || function_of(*x) != one_plus_exp_name) return std::nullopt;
    return around(sigmoid_of_negative(argument_of(*x), a.where()), *x,
                  [](const Variable& g, const Variable& divisor) { return -(g / divisor) / divisor; });
}

bool log_is_recognised(const Variable& x) {
    const char* function = function_of(x);
    return function == sigmoid_name || function == sigmoid_of_negative_name || function == softmax_name ||
           function == one_plus_exp_name;
}

std::optional<Variable> log_of_recognised(const Variable& x, Where where) {
    if (!log_is_recognised(x)) return std::nullopt;
    const char* function = function_of(x);
    const Variable z = argument_of(x);
    Variable y = function == sigmoid_name               ? log_sigmoid(z, where)
                 : function == sigmoid_of_negative_name ? log_sigmoid(negative(z, where), where)
                 : function == softmax_name             ? log_softmax(z, axis_of_softmax(x), where)
                                                        : softplus(z, where);
    return around(std::move(y), x, [](const Variable& g, const Variable& operand) { return g / operand; });
}

std::optional<Variable> log1p_of_recognised(const Variable& x, Where where) {
    if (function_of(x) != exp_name) return std::nullopt;
    return around(softplus(argument_of(x), where), x,
                  [](const Variable& g, const Variable& operand) { return g / (1 + operand); });
}

std::optional<Variable> log_loss_of_sigmoid(const Variable& a, const Variable& y, Where where) {
    if (function_of(a) != sigmoid_name || a.dtype() != y.dtype()) return std::nullopt;
    return around(
        sigmoid_cross_entropy(argument_of(a), y, where), a,
        holding([y](const Variable& g, const Variable& operand) { return g * ((1 - y) / (1 - operand) - y / operand); },
                y));
}

}  // namespace xtape
