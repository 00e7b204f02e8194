#pragma once

#include <utility>

#include <xtape/autograd/kernels/map.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/tape.hpp>

/// The two helpers behind every element-wise operation: broadcasting and reuse of buffers are handled here, once.
namespace xtape {

/// Throws DtypeError, naming the cast, when dtypes differ; where casts are allowed (see AllowCasts) it casts to float64.
void match_dtypes(const char* op, Variable& a, Variable& b, Where where);

/// y = f(x), with rule(g) or rule(g, y).
template <class F, class Rule>
Variable unary(const char* op, Variable x, Where where, const F& f, Rule rule) {
    auto dx = on(x, std::move(rule));
    return record(op, where, kernels::map(std::move(x).array(), f), std::move(dx));
}

/// A rule that uses the operation's argument: rule(g, x).
template <class F, class Rule>
Variable unary_of_input(const char* op, Variable x, Where where, const F& f, Rule rule) {
    auto dx = on(x, [x, rule](Variable g) { return rule(std::move(g), x); });
    return record(op, where, kernels::map(std::move(x).array(), f), std::move(dx));
}

namespace detail {

/// An edge whose gradient is summed back to the argument's shape. The parent outlives the rule that looks at its shape.
template <class Rule>
auto on_broadcast(const Variable& x, Rule rule) {
    const Node* parent = x.node().get();
    if constexpr (wants_output<Rule>)
        return on(x, [rule = std::move(rule), parent](Variable g, const Variable& y) {
            return sum_to(rule(std::move(g), y), parent->shape);
        });
    else
        return on(x,
                  [rule = std::move(rule), parent](Variable g) { return sum_to(rule(std::move(g)), parent->shape); });
}

}  // namespace detail

/// y = f(a, b) with broadcasting; a rule is rule(g) or rule(g, y) and gives a gradient of the output's shape.
template <class F, class RuleA, class RuleB>
Variable binary(const char* op, Operand&& left, Operand&& right, const F& f, RuleA rule_a, RuleB rule_b) {
    const Where where = left.where();
    if (left.is_scalar() && right.is_scalar()) left = Operand(Variable(left.scalar()), where);
    if (right.is_scalar()) {
        const double s = right.scalar();
        Variable a = std::move(left).variable();
        on(Variable(), std::move(rule_b));
        return unary(
            op, std::move(a), where, [&](auto v) { return f(v, kernels::like(v, s)); }, std::move(rule_a));
    }
    if (left.is_scalar()) {
        const double s = left.scalar();
        Variable b = std::move(right).variable();
        on(Variable(), std::move(rule_a));
        return unary(
            op, std::move(b), where, [&](auto v) { return f(kernels::like(v, s), v); }, std::move(rule_b));
    }
    Variable a = std::move(left).variable();
    Variable b = std::move(right).variable();
    match_dtypes(op, a, b, where);
    const Shape shape = shapes::broadcast(op, a.shape(), b.shape(), where);
    auto da = detail::on_broadcast(a, std::move(rule_a));
    auto db = detail::on_broadcast(b, std::move(rule_b));
    Array y = kernels::map_broadcast(shape, f, std::move(a).array(), std::move(b).array());
    return record(op, where, std::move(y), std::move(da), std::move(db));
}

/// A constant f(a, b): comparisons.
template <class F>
Variable mask(const char* op, Operand&& a, Operand&& b, const F& f) {
    const NoGrad constant;
    const auto none = [](const Variable& g) { return g; };
    return binary(op, std::move(a), std::move(b), f, none, none);
}

}  // namespace xtape
