#pragma once

#include <cstdint>
#include <type_traits>

#include <xtape/autograd/error.hpp>
#include <xtape/autograd/formula.hpp>

/// What a lambda handed to elementwise() is called with: symbols, which write down what is done with them. Operators and functions are
/// those of arrays, with the same values and derivatives, so that a generic lambda can also be called with Variables.
namespace xtape {

namespace detail {

/// A value of the formula being written on this thread. Elsewhere and later it is an Error to use it.
struct TracedValue {
    std::uint32_t trace = 0;
    std::int32_t number = -1;
};

template <class>
inline constexpr bool never = false;

}  // namespace detail

/// One number of an elementwise lambda.
class Symbol {
public:
    explicit Symbol(detail::TracedValue value) : value_(value) {}
    detail::TracedValue traced() const { return value_; }

private:
    detail::TracedValue value_;
};

/// A comparison of symbols. What it will be is not known while the lambda runs, so it is nothing to branch on.
class Condition {
public:
    explicit Condition(detail::TracedValue value) : value_(value) {}
    detail::TracedValue traced() const { return value_; }

    template <class T, class = std::enable_if_t<std::is_same_v<T, bool>>>
    explicit operator T() const {
        static_assert(detail::never<T>,
                      "elementwise: a comparison differs from element to element, and the lambda runs once for all; "
                      "write select(condition, a, b) in place of if (condition) and condition ? a : b");
        return false;
    }

private:
    detail::TracedValue value_;
};

/// An operand of an operator: a symbol or a plain number. Remembers the line.
class Term {
public:
    Term(const Symbol& symbol, Where where = Where::here()) : value_(symbol.traced()), where_(where) {}
    template <class T, class = std::enable_if_t<std::is_arithmetic_v<T>>>
    Term(T number, Where where = Where::here()) : number_(static_cast<double>(number)), where_(where) {}

    bool is_number() const { return value_.number < 0; }
    double number() const { return number_; }
    detail::TracedValue traced() const { return value_; }
    Where where() const { return where_; }

private:
    detail::TracedValue value_;
    double number_ = 0;
    Where where_;
};

Symbol operator+(Term a, Term b);
Symbol operator-(Term a, Term b);
Symbol operator*(Term a, Term b);
Symbol operator/(Term a, Term b);
Symbol operator-(Term x);
inline Symbol operator+(const Symbol& x) { return x; }
Symbol& operator+=(Symbol& a, Term b);
Symbol& operator-=(Symbol& a, Term b);
Symbol& operator*=(Symbol& a, Term b);
Symbol& operator/=(Symbol& a, Term b);

Condition operator<(Term a, Term b);
Condition operator<=(Term a, Term b);
Condition operator>(Term a, Term b);
Condition operator>=(Term a, Term b);
Condition operator==(Term a, Term b);
Condition operator!=(Term a, Term b);
Condition operator&&(const Condition& a, const Condition& b);
Condition operator||(const Condition& a, const Condition& b);
Condition operator!(const Condition& a);
/// Where a = b; operator== by the name that arrays have for it.
Condition equal(const Symbol& a, Term b);
Condition equal(double a, const Symbol& b, Where where = Where::here());
/// Where a != b.
Condition not_equal(const Symbol& a, Term b);
Condition not_equal(double a, const Symbol& b, Where where = Where::here());

/// a where the condition holds, else b.
Symbol select(const Condition& condition, Term a, Term b);
/// The same by the name that arrays have for it.
Symbol where(const Condition& condition, Term a, Term b);

// Functions of one number; each is documented with the arrays' (ops.hpp).
Symbol negative(const Symbol& x, Where where = Where::here());
Symbol abs(const Symbol& x, Where where = Where::here());
Symbol sign(const Symbol& x, Where where = Where::here());
Symbol square(const Symbol& x, Where where = Where::here());
Symbol sqrt(const Symbol& x, Where where = Where::here());
Symbol reciprocal(const Symbol& x, Where where = Where::here());
Symbol exp(const Symbol& x, Where where = Where::here());
Symbol expm1(const Symbol& x, Where where = Where::here());
Symbol log(const Symbol& x, Where where = Where::here());
Symbol log1p(const Symbol& x, Where where = Where::here());
Symbol sin(const Symbol& x, Where where = Where::here());
Symbol cos(const Symbol& x, Where where = Where::here());
Symbol tanh(const Symbol& x, Where where = Where::here());
Symbol sigmoid(const Symbol& x, Where where = Where::here());
Symbol log_sigmoid(const Symbol& x, Where where = Where::here());
Symbol softplus(const Symbol& x, Where where = Where::here());
Symbol relu(const Symbol& x, Where where = Where::here());
Symbol leaky_relu(const Symbol& x, double slope = 0.01, Where where = Where::here());
Symbol elu(const Symbol& x, double alpha = 1, Where where = Where::here());
Symbol erf(const Symbol& x, Where where = Where::here());
Symbol heaviside(const Symbol& x, Where where = Where::here());
/// Throws ValueError when low > high.
Symbol clip(const Symbol& x, double low, double high, Where where = Where::here());

/// a to the power b.
Symbol pow(const Symbol& a, const Symbol& b, Where where = Where::here());
Symbol pow(const Symbol& a, double b, Where where = Where::here());
Symbol pow(double a, const Symbol& b, Where where = Where::here());
/// The larger of both; a tie shares the gradient in halves.
Symbol maximum(const Symbol& a, const Symbol& b, Where where = Where::here());
Symbol maximum(const Symbol& a, double b, Where where = Where::here());
Symbol maximum(double a, const Symbol& b, Where where = Where::here());
/// The smaller of both; a tie shares the gradient in halves.
Symbol minimum(const Symbol& a, const Symbol& b, Where where = Where::here());
Symbol minimum(const Symbol& a, double b, Where where = Where::here());
Symbol minimum(double a, const Symbol& b, Where where = Where::here());
/// maximum by the name that numbers have for it.
inline Symbol max(const Symbol& a, const Symbol& b, Where where = Where::here()) { return maximum(a, b, where); }
inline Symbol max(const Symbol& a, double b, Where where = Where::here()) { return maximum(a, b, where); }
inline Symbol max(double a, const Symbol& b, Where where = Where::here()) { return maximum(a, b, where); }
/// minimum by the name that numbers have for it.
inline Symbol min(const Symbol& a, const Symbol& b, Where where = Where::here()) { return minimum(a, b, where); }
inline Symbol min(const Symbol& a, double b, Where where = Where::here()) { return minimum(a, b, where); }
inline Symbol min(double a, const Symbol& b, Where where = Where::here()) { return minimum(a, b, where); }

}  // namespace xtape
