#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <xtape/autograd/dtype.hpp>
#include <xtape/autograd/error.hpp>

/// Scalar formulas as data: what a lambda handed to elementwise() becomes when it is called once with symbols.
namespace xtape {

/// What an instruction computes. Conditions are numbers, 0 or 1.
enum class FormulaOp : std::uint8_t {
    argument,
    constant,
    // of one operand
    negate,
    abs,
    sign,
    sqrt,
    exp,
    expm1,
    log,
    log1p,
    sin,
    cos,
    tanh,
    sigmoid,
    softplus,
    erf,
    relu,
    opposite,  ///< 1 - c of a condition
    // of two
    add,
    subtract,
    multiply,
    divide,
    pow,
    maximum,
    minimum,
    less,
    less_equal,
    equal,
    both,
    either,
    // of three
    select  ///< the second where the first is not 0, else the third
};

/// How many operands it has.
std::size_t arity(FormulaOp op);
/// "exp", "add", ...
const char* name_of(FormulaOp op);

/// One step: its operands are numbers of earlier ones.
struct FormulaInstruction {
    FormulaOp op = FormulaOp::constant;
    std::int32_t operands[3] = {-1, -1, -1};
    double constant = 0;    ///< the number, where op is constant
    Where where = {"", 0};  ///< the user's line inside the lambda

    friend bool operator==(const FormulaInstruction& a, const FormulaInstruction& b) {
        return a.computes_same(b) && a.where.line == b.where.line && a.where.file == b.where.file;
    }
    friend bool operator!=(const FormulaInstruction& a, const FormulaInstruction& b) { return !(a == b); }
    /// Whether both are the same but for the line they stand in.
    bool computes_same(const FormulaInstruction& other) const;
};

/// A formula of real numbers: instructions of which the first are the arguments, in their order, and which of them are the
/// results. No two compute the same, none is for nothing.
class Formula {
public:
    Formula() = default;
    Formula(std::vector<FormulaInstruction> instructions, std::size_t arguments, std::vector<std::int32_t> outputs)
        : instructions_(std::move(instructions)), arguments_(arguments), outputs_(std::move(outputs)) {}

    const std::vector<FormulaInstruction>& instructions() const { return instructions_; }
    std::size_t arguments() const { return arguments_; }
    /// Numbers of the instructions that are results.
    const std::vector<std::int32_t>& outputs() const { return outputs_; }

    /// The value of every instruction at one point: entry i belongs to instructions()[i]. Computed in float64, with each
    /// value rounded where dtype is float32. Throws ValueError when the number of arguments is another.
    std::vector<double> trace_at(const std::vector<double>& arguments, DType dtype = float64) const;

    friend bool operator==(const Formula& a, const Formula& b) {
        return a.arguments_ == b.arguments_ && a.outputs_ == b.outputs_ && a.instructions_ == b.instructions_;
    }

private:
    std::vector<FormulaInstruction> instructions_;
    std::size_t arguments_ = 0;
    std::vector<std::int32_t> outputs_;
};

/// What an operation makes of numbers.
double evaluate(FormulaOp op, double a, double b = 0, double c = 0);

/// The derivatives of f's one output in the arguments `wanted`, each times a further argument, which is the last one: the
/// gradient of the output. With `with_value` the output itself comes first.
Formula gradient_of(const Formula& f, const std::vector<bool>& wanted, bool with_value);
/// The derivative of f's one output in an argument by itself, of f's own arguments.
Formula slope_of(const Formula& f, std::size_t argument);

/// The formula as one would write it: "-(1 - q)^2 * log(q)". Arguments are called as given, the others x1, x2, ... What occurs
/// again and takes so many characters that it is worth a name is given one, and a line of its own before. Several results are
/// separated by lines too.
std::string to_string(const Formula& formula, const std::vector<std::string>& names = {},
                      std::size_t worth_a_name = 24);
/// The same for LaTeX's mathematical mode: "-\left(1 - q\right)^{2} \log\left(q\right)".
std::string to_latex(const Formula& formula, const std::vector<std::string>& names = {}, std::size_t worth_a_name = 40);

}  // namespace xtape
