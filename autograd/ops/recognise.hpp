#pragma once

#include <optional>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/tape.hpp>

/// Stable forms: an operation that sees a sigmoid or softmax on the tape is evaluated from that one's argument (problems P2
/// and P3 of the source document). What is not recognised is evaluated as it stands.
namespace xtape {

/// Names compared by address.
inline constexpr char sigmoid_name[] = "sigmoid";
inline constexpr char sigmoid_of_negative_name[] = "sigmoid_of_negative";

/// sigmoid(-x), in one pass.
Variable sigmoid_of_negative(Variable x, Where where);

/// sigmoid(-z) when a - b is 1 - sigmoid(z).
std::optional<Variable> complement_of_sigmoid(const Operand& a, const Operand& b);

/// sigmoid_cross_entropy(z, y), which is -(y log a + (1 - y) log(1 - a)), when a is sigmoid(z) of y's dtype.
std::optional<Variable> log_loss_of_sigmoid(const Variable& a, const Variable& y, Where where);

/// log_sigmoid(z) or log_softmax(z) when x is sigmoid(z) or softmax(z).
std::optional<Variable> log_of_recognised(const Variable& x, Where where);

}  // namespace xtape
