#include <xtape/autograd/symbol.hpp>

#include <fmt/format.h>

#include <xtape/autograd/ops/formula_trace.hpp>

namespace xtape {

using Op = FormulaOp;
using detail::FormulaTrace;
using detail::TracedValue;

namespace {

/// The trace of this thread, which must be the one that a value belongs to.
FormulaTrace& trace_of(TracedValue value, Where where) {
    FormulaTrace* trace = FormulaTrace::current();
    if (!trace || trace->id() != value.trace)
        throw Error("elementwise: a symbol was used outside of the lambda that it was handed to", where);
    return *trace;
}

/// The trace of the terms, of which one at least is a symbol.
FormulaTrace& trace_of(const Term& a, const Term& b) { return trace_of((a.is_number() ? b : a).traced(), a.where()); }

FormulaBuilder::Number number_in(FormulaTrace& trace, const Term& x) {
    if (x.is_number()) return trace.builder().constant(x.number(), x.where());
    trace_of(x.traced(), x.where());
    return x.traced().number;
}

TracedValue unary(Op op, const Symbol& x, Where where) {
    FormulaTrace& trace = trace_of(x.traced(), where);
    return trace.value(trace.builder().unary(op, x.traced().number, where));
}

TracedValue binary(Op op, const Term& a, const Term& b, Where where) {
    if (a.is_number() && b.is_number()) {
        FormulaTrace* trace = FormulaTrace::current();
        if (!trace) throw Error("elementwise: numbers alone were handed to an operation on symbols", where);
        return trace->value(trace->builder().constant(evaluate(op, a.number(), b.number()), where));
    }
    FormulaTrace& trace = trace_of(a, b);
    const auto left = number_in(trace, a);
    return trace.value(trace.builder().binary(op, left, number_in(trace, b), where));
}

TracedValue binary(Op op, const Term& a, const Term& b) { return binary(op, a, b, a.where()); }

TracedValue conditions(Op op, const Condition& a, const Condition& b) {
    FormulaTrace& trace = trace_of(a.traced(), {"", 0});
    trace_of(b.traced(), {"", 0});
    const Where where = trace.builder()[a.traced().number].where;
    return trace.value(trace.builder().binary(op, a.traced().number, b.traced().number, where));
}

}  // namespace

Symbol operator+(Term a, Term b) { return Symbol(binary(Op::add, a, b)); }
Symbol operator-(Term a, Term b) { return Symbol(binary(Op::subtract, a, b)); }
Symbol operator*(Term a, Term b) { return Symbol(binary(Op::multiply, a, b)); }
Symbol operator/(Term a, Term b) { return Symbol(binary(Op::divide, a, b)); }
Symbol operator-(Term x) { return Symbol(unary(Op::negate, Symbol(x.traced()), x.where())); }
Symbol& operator+=(Symbol& a, Term b) { return a = Symbol(binary(Op::add, a, b, b.where())); }
Symbol& operator-=(Symbol& a, Term b) { return a = Symbol(binary(Op::subtract, a, b, b.where())); }
Symbol& operator*=(Symbol& a, Term b) { return a = Symbol(binary(Op::multiply, a, b, b.where())); }
Symbol& operator/=(Symbol& a, Term b) { return a = Symbol(binary(Op::divide, a, b, b.where())); }

Condition operator<(Term a, Term b) { return Condition(binary(Op::less, a, b)); }
Condition operator<=(Term a, Term b) { return Condition(binary(Op::less_equal, a, b)); }
Condition operator>(Term a, Term b) { return Condition(binary(Op::less, b, a, a.where())); }
Condition operator>=(Term a, Term b) { return Condition(binary(Op::less_equal, b, a, a.where())); }
Condition operator==(Term a, Term b) { return Condition(binary(Op::equal, a, b)); }
Condition operator!=(Term a, Term b) { return !(a == b); }
Condition operator&&(const Condition& a, const Condition& b) { return Condition(conditions(Op::both, a, b)); }
Condition operator||(const Condition& a, const Condition& b) { return Condition(conditions(Op::either, a, b)); }
Condition operator!(const Condition& a) {
    FormulaTrace& trace = trace_of(a.traced(), {"", 0});
    const Where where = trace.builder()[a.traced().number].where;
    return Condition(trace.value(trace.builder().unary(Op::opposite, a.traced().number, where)));
}
Condition equal(const Symbol& a, Term b) { return Condition(binary(Op::equal, a, b, b.where())); }
Condition equal(double a, const Symbol& b, Where where) { return Condition(binary(Op::equal, a, b, where)); }
Condition not_equal(const Symbol& a, Term b) { return !equal(a, b); }
Condition not_equal(double a, const Symbol& b, Where where) { return !equal(a, b, where); }

Symbol select(const Condition& condition, Term a, Term b) {
    FormulaTrace& trace = trace_of(condition.traced(), a.where());
    const auto left = number_in(trace, a), right = number_in(trace, b);
    return Symbol(trace.value(trace.builder().select(condition.traced().number, left, right, a.where())));
}
Symbol where(const Condition& condition, Term a, Term b) { return select(condition, a, b); }

Symbol negative(const Symbol& x, Where where) { return Symbol(unary(Op::negate, x, where)); }
Symbol abs(const Symbol& x, Where where) { return Symbol(unary(Op::abs, x, where)); }
Symbol sign(const Symbol& x, Where where) { return Symbol(unary(Op::sign, x, where)); }
Symbol square(const Symbol& x, Where where) { return Symbol(binary(Op::multiply, x, x, where)); }
Symbol sqrt(const Symbol& x, Where where) { return Symbol(unary(Op::sqrt, x, where)); }
Symbol reciprocal(const Symbol& x, Where where) { return Symbol(binary(Op::divide, 1, x, where)); }
Symbol exp(const Symbol& x, Where where) { return Symbol(unary(Op::exp, x, where)); }
Symbol expm1(const Symbol& x, Where where) { return Symbol(unary(Op::expm1, x, where)); }
Symbol log(const Symbol& x, Where where) { return Symbol(unary(Op::log, x, where)); }
Symbol log1p(const Symbol& x, Where where) { return Symbol(unary(Op::log1p, x, where)); }
Symbol sin(const Symbol& x, Where where) { return Symbol(unary(Op::sin, x, where)); }
Symbol cos(const Symbol& x, Where where) { return Symbol(unary(Op::cos, x, where)); }
Symbol tanh(const Symbol& x, Where where) { return Symbol(unary(Op::tanh, x, where)); }
Symbol sigmoid(const Symbol& x, Where where) { return Symbol(unary(Op::sigmoid, x, where)); }
Symbol log_sigmoid(const Symbol& x, Where where) { return log(sigmoid(x, where), where); }
Symbol softplus(const Symbol& x, Where where) { return Symbol(unary(Op::softplus, x, where)); }
Symbol relu(const Symbol& x, Where where) { return Symbol(unary(Op::relu, x, where)); }
Symbol erf(const Symbol& x, Where where) { return Symbol(unary(Op::erf, x, where)); }

Symbol leaky_relu(const Symbol& x, double slope, Where where) {
    return select(Term(0, where) < x, Term(x, where), x * Term(slope, where));
}

Symbol elu(const Symbol& x, double alpha, Where where) {
    return select(Term(0, where) < x, Term(x, where), Term(alpha, where) * expm1(x, where));
}

Symbol heaviside(const Symbol& x, Where where) {
    return select(Term(0, where) < x, Term(1, where),
                  select(Term(x, where) < 0, Term(0, where), Term(x, where) * 0 + 0.5));  // NaN stays
}

Symbol clip(const Symbol& x, double low, double high, Where where) {
    if (!(low <= high)) throw ValueError(fmt::format("clip: low {} is above high {}", low, high), where);
    const Symbol above = select(Term(x, where) < low, Term(low, where), x);
    return select(Term(high, where) < above, Term(high, where), above);
}

Symbol pow(const Symbol& a, const Symbol& b, Where where) { return Symbol(binary(Op::pow, a, b, where)); }
Symbol pow(const Symbol& a, double b, Where where) { return Symbol(binary(Op::pow, a, b, where)); }
Symbol pow(double a, const Symbol& b, Where where) { return Symbol(binary(Op::pow, a, b, where)); }
Symbol maximum(const Symbol& a, const Symbol& b, Where where) { return Symbol(binary(Op::maximum, a, b, where)); }
Symbol maximum(const Symbol& a, double b, Where where) { return Symbol(binary(Op::maximum, a, b, where)); }
Symbol maximum(double a, const Symbol& b, Where where) { return Symbol(binary(Op::maximum, a, b, where)); }
Symbol minimum(const Symbol& a, const Symbol& b, Where where) { return Symbol(binary(Op::minimum, a, b, where)); }
Symbol minimum(const Symbol& a, double b, Where where) { return Symbol(binary(Op::minimum, a, b, where)); }
Symbol minimum(double a, const Symbol& b, Where where) { return Symbol(binary(Op::minimum, a, b, where)); }

}  // namespace xtape
