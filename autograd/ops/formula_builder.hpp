#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <xtape/autograd/formula.hpp>

namespace xtape {

/// Puts a Formula together. What was computed before is not computed again, operations on numbers are done at once, what changes
/// nothing is left out where that is exact, and the stable forms of docs/recognised.md stand in place of what breaks.
class FormulaBuilder {
public:
    using Number = std::int32_t;  ///< of an instruction

    explicit FormulaBuilder(std::size_t arguments);

    std::size_t size() const { return instructions_.size(); }
    const FormulaInstruction& operator[](Number i) const { return instructions_[static_cast<std::size_t>(i)]; }

    Number constant(double value, Where where);
    Number unary(FormulaOp op, Number x, Where where);
    Number binary(FormulaOp op, Number a, Number b, Where where);
    Number select(Number condition, Number a, Number b, Where where);
    /// Any of the above.
    Number make(FormulaOp op, const Number* operands, Where where);

    /// 1 - s as it stands, where s is a sigmoid: s (1 - s) needs no second exponential. Its complement when that is there anyway.
    Number complement(Number s, Where where);

    /// What the outputs need, and all arguments.
    Formula finish(const std::vector<Number>& outputs) const;

private:
    bool is(Number i, FormulaOp op) const { return (*this)[i].op == op; }
    bool is(Number i, double value) const { return is(i, FormulaOp::constant) && (*this)[i].constant == value; }
    Number operand(Number i, int which = 0) const { return (*this)[i].operands[which]; }
    /// u when i is 1 + exp(u) or exp(u) + 1, else -1.
    Number one_plus_exp(Number i) const;

    Number sum(Number a, Number b, Where where);
    Number difference(Number a, Number b, Where where);
    Number product(Number a, Number b, Where where);
    Number quotient(Number a, Number b, Where where);
    Number power(Number a, Number b, Where where);

    Number find(const FormulaInstruction& instruction) const;
    Number append(FormulaOp op, Number a, Number b, Number c, Where where);
    /// Adds what find() has not found. At most half of the table is taken, so that looking for something in it ends.
    Number push(const FormulaInstruction& instruction);
    void enter(Number i);

    std::vector<FormulaInstruction> instructions_;
    std::vector<Number> table_;  ///< by hash; -1 is free
    std::size_t arguments_;
};

}  // namespace xtape
