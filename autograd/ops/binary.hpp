#pragma once

#include <algorithm>
#include <array>
#include <utility>

#include <xtape/autograd/kernels/deferred_map.hpp>
#include <xtape/autograd/observer.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/tape.hpp>

/// The two helpers behind every element-wise operation: broadcasting and reuse of buffers are handled here, once.
namespace xtape {

/// Throws DtypeError, naming the cast, when dtypes differ; where casts are allowed (see AllowCasts) it casts to float64.
void match_dtypes(const char* op, Variable& a, Variable& b, Where where);
/// The same for three.
inline void match_dtypes(const char* op, Variable& a, Variable& b, Variable& c, Where where) {
    match_dtypes(op, a, b, where);
    match_dtypes(op, a, c, where);
    match_dtypes(op, a, b, where);  // c may have been what a was cast for
}
/// The same for two operands that are arrays.
inline void match_dtypes(const char* op, Operand& left, Operand& right, Where where) {
    if (left.variable().dtype() == right.variable().dtype()) return;
    Variable a = std::move(left).variable(), b = std::move(right).variable();
    match_dtypes(op, a, b, where);
    left = Operand(std::move(a), where);
    right = Operand(std::move(b), where);
}

/// Whether the result of an element-wise operation is better computed when it is read: not while somebody looks on, to whom each
/// operation answers for its own numbers and time.
template <class... Arrays>
[[gnu::always_inline]] inline bool may_wait(const Shape& shape, const Arrays&... operands) {
    const auto fits = [&shape](Index size) { return size == 1 || size == shape.count(); };
    const bool gains = (kernels::DeferredMap::is_worthwhile(operands.size(), operands.dtype()) || ...) ||
                       (Array::any_waits() && (operands.waits() || ...));
    return gains && (fits(operands.size()) && ...) && !detail::looked_at();
}

/// f of operands that broadcast to `shape`, in the buffer of one that nobody else holds or later.
template <class F, class... Arrays>
Array result_of(const Shape& shape, const F& f, Arrays... operands) {
    if (may_wait(shape, operands...)) return kernels::map_later(shape, f, std::move(operands)...);
    if constexpr (sizeof...(Arrays) == 1) return kernels::map(std::move(operands)..., f);
    return kernels::map_broadcast(shape, f, std::move(operands)...);
}

/// The same of operands that are needed further on: no buffer of theirs is taken.
template <class F, class... Arrays>
Array result_beside(const Shape& shape, const F& f, const Arrays&... operands) {
    if (may_wait(shape, operands...)) return kernels::map_later(shape, f, operands...);
    Array y = Array::uninitialized(shape, (operands.dtype(), ...));
    kernels::map_into(y, f, operands...);
    return y;
}

/// y = f(x), with rule(g) or rule(g, y).
template <class F, class Rule>
Variable unary(const char* op, Variable x, Where where, const F& f, Rule rule) {
    auto dx = on(std::move(x).node(), std::move(rule));
    const Shape& shape = x.shape();  // lives in the array's block
    return record(op, where, result_of(shape, f, std::move(x).array()), std::move(dx));
}

/// The same, and keeps x for the rule, which is rule(g, arguments).
template <class F, class Rule>
Variable unary_keeping(const char* op, Variable x, Where where, const F& f, Rule rule) {
    const Shape& shape = x.shape();  // lives in the array's block
    if (!x.requires_grad() || !recording()) return Variable(result_of(shape, f, std::move(x).array()));
    Array y = result_beside(shape, f, x.array());
    return record(op, where, std::move(y), keeping(std::move(x), std::move(rule)));
}

/// The same for operations that others recognise: where nothing is recorded, the result's array remembers x. `op` is a name
/// of recognise.hpp.
template <class F, class Rule>
Variable unary_remembered(const char* op, Variable x, Where where, const F& f, Rule rule) {
    Array y = result_beside(x.shape(), f, x.array());
    if (!x.requires_grad() || !recording()) {
        y.remember(op, x.array());
        return Variable(std::move(y));
    }
    return record(op, where, std::move(y), keeping(std::move(x), std::move(rule)));
}

/// A rule that uses the operation's argument: rule(g, x).
template <class F, class Rule>
Variable unary_of_input(const char* op, Variable x, Where where, const F& f, Rule rule) {
    return unary_keeping(op, std::move(x), where, f,
                         [rule = std::move(rule)](Variable g, Arguments in) { return rule(std::move(g), in[0]); });
}

/// y = f(x...) of operands in one dtype that broadcast to the first; the node keeps them all: rule(g, arguments).
template <class F, class... Rules, std::size_t... I>
Variable elementwise_keeping(const char* op, Where where, const F& f, std::index_sequence<I...>,
                             std::array<Variable, sizeof...(Rules)> x, Rules... rules) {
    const Shape& shape = x[0].shape();  // lives in the operand's block, whoever is given that
    if (!recording() || !(x[I].requires_grad() || ...))
        return Variable(result_of(shape, f, std::move(x[I]).array()...));
    Array y = result_beside(shape, f, x[I].array()...);
    return record(op, where, std::move(y), keeping(std::move(x[I]), std::move(rules))...);
}
template <class F, std::size_t N, class... Rules>
Variable elementwise_keeping(const char* op, Where where, const F& f, std::array<Variable, N> x, Rules... rules) {
    return elementwise_keeping(op, where, f, std::make_index_sequence<N>(), std::move(x), std::move(rules)...);
}

/// A rule of a binary operation that uses the other operand and nothing else: rule(g, other).
template <class Rule>
struct OfOther {
    Rule rule;
};
template <class Rule>
OfOther<Rule> of_other(Rule rule) {
    return {std::move(rule)};
}

namespace detail {

template <class Rule>
inline constexpr bool uses_other = false;
template <class Rule>
inline constexpr bool uses_other<OfOther<Rule>> = true;

/// f with a number as argument I of two.
template <std::size_t I, class F>
auto with_argument(const F& f, double number) {
    const auto bound = [f, number](auto v) {
        if constexpr (I == 0)
            return f(kernels::like(v, number), v);
        else
            return f(v, kernels::like(v, number));
    };
    if constexpr (kernels::is_cheap<F>)
        return kernels::Cheap{bound};
    else
        return bound;
}

/// The rule where the other operand is a number.
template <class Rule>
auto with_number(Rule rule, double number) {
    if constexpr (uses_other<Rule>)
        return [rule = std::move(rule.rule), number](Variable g) { return rule(std::move(g), Operand(number)); };
    else
        return rule;
}

/// The rule of argument I of two or more, whose gradient is summed back to that argument's shape.
template <std::size_t I, class Rule>
auto summed(Rule rule, bool broadcasts) {
    const auto to_argument = [broadcasts](Variable g, Arguments in) {
        return broadcasts ? sum_to(std::move(g), in[I].node()->shape) : g;
    };
    if constexpr (uses_other<Rule>)
        return [rule = std::move(rule.rule), to_argument](Variable g, Arguments in) {
            return to_argument(rule(std::move(g), Operand(in[1 - I])), in);
        };
    else if constexpr (wants_output<Rule>)
        return holding_as(
            [rule = std::move(rule), to_argument](Variable g, const Variable& y, Arguments in) {
                return to_argument(rule(std::move(g), y), in);
            },
            rule);
    else
        return holding_as([rule = std::move(rule),
                           to_argument](Variable g, Arguments in) { return to_argument(rule(std::move(g)), in); },
                          rule);
}

/// An edge whose gradient is summed back to the argument's shape from the operation's.
template <std::size_t I, class Rule>
auto on_broadcast(const Variable& x, const Shape& shape, Rule rule) {
    return on(x, summed<I>(std::move(rule), x.shape() != shape));
}

/// An edge for an operand that is done with, with its value where the other's rule uses that.
template <class Rule>
Edge<Rule> last_use(Operand&& x, bool kept, Rule rule) {
    return keeping(kept ? std::move(x).variable() : Variable(Array(), std::move(x).node()), std::move(rule));
}

/// f(x, number) for I = 0, f(number, x) for I = 1.
template <std::size_t I, class F, class Rule>
Variable unary_operand(const char* op, Operand&& x, double number, Where where, const F& f, Rule rule) {
    const bool shows_number = KeepOutputs::active();
    if (x.owns() && !shows_number) return unary(op, std::move(x).variable(), where, f, std::move(rule));
    const Variable& in = x.variable();
    auto dx = on(in, std::move(rule));
    Array y = result_beside(in.shape(), f, in.array());
    if (!shows_number) return record(op, where, std::move(y), std::move(dx));
    const auto pass = [](Variable g) { return g; };
    auto constant = on(Variable(number, in.dtype()), pass);
    if constexpr (I == 0)
        return record(op, where, std::move(y), std::move(dx), std::move(constant));
    else
        return record(op, where, std::move(y), std::move(constant), std::move(dx));
}

}  // namespace detail

/// y = f(a, b) with broadcasting; a rule is rule(g), rule(g, y) or of_other(rule(g, other)) and gives a gradient of the
/// output's shape.
template <class F, class RuleA, class RuleB>
Variable binary(const char* op, Operand&& left, Operand&& right, const F& f, RuleA rule_a, RuleB rule_b) {
    const Where where = left.where();
    if (left.is_scalar() && right.is_scalar()) left = Operand(Variable(left.scalar()), where);
    if (right.is_scalar()) {
        const double s = right.scalar();
        on(NodePtr(), std::move(rule_b));
        return detail::unary_operand<0>(op, std::move(left), s, where, detail::with_argument<1>(f, s),
                                        detail::with_number(std::move(rule_a), s));
    }
    if (left.is_scalar()) {
        const double s = left.scalar();
        on(NodePtr(), std::move(rule_a));
        return detail::unary_operand<1>(op, std::move(right), s, where, detail::with_argument<0>(f, s),
                                        detail::with_number(std::move(rule_b), s));
    }
    match_dtypes(op, left, right, where);
    const Variable &a = left.variable(), &b = right.variable();
    const bool to_a = a.requires_grad() && recording(), to_b = b.requires_grad() && recording();
    if (!to_a) on(NodePtr(), std::move(rule_a));
    if (!to_b) on(NodePtr(), std::move(rule_b));
    const bool keeps_a = to_b && shows_value(a, detail::uses_other<RuleB>);
    const bool keeps_b = to_a && shows_value(b, detail::uses_other<RuleA>);
    const Shape shape = a.shape() == b.shape() ? a.shape() : shapes::broadcast(op, a.shape(), b.shape(), where);
    const bool a_broadcasts = a.shape() != shape, b_broadcasts = b.shape() != shape;

    Array y;
    if (may_wait(shape, a.array(), b.array())) {
        const auto given = [](Operand& x, bool kept) {
            return x.owns() && !kept ? std::move(x).array() : x.variable().array();
        };
        y = kernels::map_later(shape, f, given(left, keeps_a), given(right, keeps_b));
    } else {
        const Array *from_a = &a.array(), *from_b = &b.array();
        if (left.owns() && !keeps_a && !a_broadcasts && from_a->unique())
            from_a = &(y = std::move(left).array());
        else if (right.owns() && !keeps_b && !b_broadcasts && from_b->unique())
            from_b = &(y = std::move(right).array());
        else
            y = Array::uninitialized(shape, a.dtype());
        kernels::map_into(y, f, *from_a, *from_b);
    }

    if (!to_a && !to_b) return Variable(std::move(y));
    auto da = detail::last_use(std::move(left), keeps_a, detail::summed<0>(std::move(rule_a), a_broadcasts));
    auto db = detail::last_use(std::move(right), keeps_b, detail::summed<1>(std::move(rule_b), b_broadcasts));
    return record(op, where, std::move(y), std::move(da), std::move(db));
}

/// A constant f(a, b): comparisons.
template <class F>
Variable mask(const char* op, Operand&& a, Operand&& b, const F& f) {
    const NoGrad constant;
    const auto none = [](const Variable& g) { return g; };
    return binary(op, std::move(a), std::move(b), kernels::Cheap{f}, none, none);
}

}  // namespace xtape
