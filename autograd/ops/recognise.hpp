#pragma once

#include <optional>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/tape.hpp>

/// Stable forms: an operation that sees a sigmoid, a softmax or an exponential, on the tape or remembered by a constant's
/// array, is evaluated from that one's argument (problems P2 and P3 of the source document). docs/recognised.md says
/// what is recognised; all else is evaluated as it stands.
namespace xtape {

/// What can be recognised: names of nodes and of Array::function(), compared by address.
inline constexpr char exp_name[] = "exp";
inline constexpr char one_plus_exp_name[] = "one_plus_exp";
inline constexpr char sigmoid_name[] = "sigmoid";
inline constexpr char sigmoid_of_negative_name[] = "sigmoid_of_negative";
inline constexpr char softmax_name[] = "softmax";

/// sigmoid(x) in x's buffer when nobody else holds it. Keeps nothing of x, so that it is not recognised: for a value that
/// nobody but a further layer sees.
Variable sigmoid_in_place(Variable x, Where where);

/// sigmoid(X W + bias) as one operation (see linear()), on the same terms.
Variable linear_sigmoid(Variable X, Variable W, Variable bias, Where where);

/// sigmoid(-x), in one pass.
Variable sigmoid_of_negative(Variable x, Where where);

/// sigmoid(x) and sigmoid(-x) where the other one is there already: the derivative, the product of both, then has all its
/// digits however large x is.
Variable sigmoid_beside(const Variable& complement, Variable x, Where where);
Variable sigmoid_of_negative_beside(const Variable& complement, Variable x, Where where);

/// The axis of what is recognised as a softmax.
Index axis_of_softmax(const Variable& x);

/// Whether it is the number 1: only then is anything recognised below.
inline bool is_one(const Operand& x) { return x.is_scalar() && x.scalar() == 1; }

/// sigmoid(-z) when a - b is 1 - sigmoid(z), and back.
std::optional<Variable> one_minus_sigmoid(const Operand& a, const Operand& b);

/// a + b when that is 1 + exp(z) or exp(z) + 1, so that it can be recognised in its turn.
std::optional<Variable> one_plus_exp(const Operand& a, const Operand& b);

/// sigmoid(-z) when a / b is 1 / (1 + exp(z)).
std::optional<Variable> one_by_one_plus_exp(const Operand& a, const Operand& b);

/// log(x) when x is a sigmoid, 1 - sigmoid, softmax or 1 + exp.
std::optional<Variable> log_of_recognised(const Variable& x, Where where);

/// Whether log_of_recognised(x) has a value.
bool log_is_recognised(const Variable& x);

/// log(1 + exp(z)) when x is exp(z).
std::optional<Variable> log1p_of_recognised(const Variable& x, Where where);

/// sigmoid_cross_entropy(z, y), which is -(y log a + (1 - y) log(1 - a)), when a is sigmoid(z) of y's dtype.
std::optional<Variable> log_loss_of_sigmoid(const Variable& a, const Variable& y, Where where);

}  // namespace xtape
