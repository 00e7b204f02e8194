#include <xtape/autograd/ops/formula_builder.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

namespace xtape {

using Number = FormulaBuilder::Number;
using Op = FormulaOp;

namespace {

constexpr std::size_t first_table = 128;

std::size_t hash_of(const FormulaInstruction& instruction) {
    std::uint64_t bits;
    std::memcpy(&bits, &instruction.constant, sizeof bits);
    const auto part = [](Number n) { return static_cast<std::uint64_t>(static_cast<std::uint32_t>(n)); };
    std::uint64_t h = static_cast<std::uint64_t>(instruction.op) ^ bits;
    for (Number operand : instruction.operands) h = (h ^ part(operand)) * 0x9E3779B97F4A7C15U;
    return static_cast<std::size_t>(h ^ (h >> 29));
}

bool commutes(Op op) {
    return op == Op::add || op == Op::multiply || op == Op::equal || op == Op::both || op == Op::either;
}

}  // namespace

FormulaBuilder::FormulaBuilder(std::size_t arguments) : table_(first_table, -1), arguments_(arguments) {
    instructions_.reserve(first_table / 2);
    instructions_.resize(arguments);
    for (FormulaInstruction& instruction : instructions_) instruction.op = Op::argument;
}

Number FormulaBuilder::find(const FormulaInstruction& wanted) const {
    const std::size_t mask = table_.size() - 1;
    for (std::size_t place = hash_of(wanted) & mask; table_[place] >= 0; place = (place + 1) & mask)
        if ((*this)[table_[place]].computes_same(wanted)) return table_[place];
    return -1;
}

void FormulaBuilder::enter(Number i) {
    const std::size_t mask = table_.size() - 1;
    std::size_t place = hash_of((*this)[i]) & mask;
    while (table_[place] >= 0) place = (place + 1) & mask;
    table_[place] = i;
}

Number FormulaBuilder::push(const FormulaInstruction& instruction) {
    const auto i = static_cast<Number>(size());
    instructions_.push_back(instruction);
    if (2 * size() > table_.size()) {
        table_.assign(2 * table_.size(), -1);
        for (auto k = static_cast<Number>(arguments_); k < i; ++k) enter(k);
    }
    enter(i);
    return i;
}

Number FormulaBuilder::append(Op op, Number a, Number b, Number c, Where where) {
    FormulaInstruction wanted;
    wanted.op = op;
    wanted.operands[0] = a;
    wanted.operands[1] = b;
    wanted.operands[2] = c;
    wanted.where = where;
    if (const Number there = find(wanted); there >= 0) return there;
    if (commutes(op)) {
        std::swap(wanted.operands[0], wanted.operands[1]);
        if (const Number there = find(wanted); there >= 0) return there;
        std::swap(wanted.operands[0], wanted.operands[1]);
    }
    const auto is_constant = [this](Number i) { return i < 0 || is(i, Op::constant); };
    if (is_constant(a) && is_constant(b) && is_constant(c)) {
        const auto value = [this](Number i) { return i < 0 ? 0 : (*this)[i].constant; };
        return constant(evaluate(op, value(a), value(b), value(c)), where);
    }
    return push(wanted);
}

Number FormulaBuilder::constant(double value, Where where) {
    FormulaInstruction wanted;
    wanted.constant = value;
    wanted.where = where;
    if (const Number there = find(wanted); there >= 0) return there;
    return push(wanted);
}

Number FormulaBuilder::one_plus_exp(Number i) const {
    if (!is(i, Op::add)) return -1;
    const Number a = operand(i, 0), b = operand(i, 1);
    if (is(a, 1.0) && is(b, Op::exp)) return operand(b);
    return is(b, 1.0) && is(a, Op::exp) ? operand(a) : -1;
}

Number FormulaBuilder::unary(Op op, Number x, Where where) {
    if (op == Op::negate && is(x, Op::negate)) return operand(x);
    if (op == Op::opposite && is(x, Op::opposite)) return operand(x);
    if (op == Op::log && is(x, Op::sigmoid))
        return unary(Op::negate, unary(Op::softplus, unary(Op::negate, operand(x), where), where), where);
    if (op == Op::log)
        if (const Number u = one_plus_exp(x); u >= 0) return unary(Op::softplus, u, where);
    if (op == Op::log1p && is(x, Op::exp)) return unary(Op::softplus, operand(x), where);
    return append(op, x, -1, -1, where);
}

Number FormulaBuilder::sum(Number a, Number b, Where where) {
    if (is(a, 0.0)) return b;
    if (is(b, 0.0)) return a;
    if (is(b, Op::negate)) return difference(a, operand(b), where);
    if (is(a, Op::negate)) return difference(b, operand(a), where);
    return append(Op::add, a, b, -1, where);
}

Number FormulaBuilder::difference(Number a, Number b, Where where) {
    if (is(b, 0.0)) return a;
    if (is(a, 0.0)) return unary(Op::negate, b, where);
    if (is(b, Op::negate)) return sum(a, operand(b), where);
    if (is(a, 1.0) && is(b, Op::sigmoid)) return unary(Op::sigmoid, unary(Op::negate, operand(b), where), where);
    return append(Op::subtract, a, b, -1, where);
}

Number FormulaBuilder::product(Number a, Number b, Where where) {
    if (is(a, 1.0)) return b;
    if (is(b, 1.0)) return a;
    if (is(a, -1.0)) return unary(Op::negate, b, where);
    if (is(b, -1.0)) return unary(Op::negate, a, where);
    if (is(a, Op::negate)) return unary(Op::negate, product(operand(a), b, where), where);
    if (is(b, Op::negate)) return unary(Op::negate, product(a, operand(b), where), where);
    return append(Op::multiply, a, b, -1, where);
}

Number FormulaBuilder::quotient(Number a, Number b, Where where) {
    if (is(b, 1.0)) return a;
    if (is(b, -1.0)) return unary(Op::negate, a, where);
    if (is(a, Op::negate)) return unary(Op::negate, quotient(operand(a), b, where), where);
    if (is(b, Op::negate)) return unary(Op::negate, quotient(a, operand(b), where), where);
    if (is(a, 1.0))
        if (const Number u = one_plus_exp(b); u >= 0) return unary(Op::sigmoid, unary(Op::negate, u, where), where);
    return append(Op::divide, a, b, -1, where);
}

/// Small whole exponents by multiplication, as pow() of arrays has them.
Number FormulaBuilder::power(Number a, Number b, Where where) {
    if (is(b, 0.0)) return constant(1, where);
    if (is(b, 1.0)) return a;
    if (is(b, 2.0)) return product(a, a, where);
    if (is(b, 3.0)) return product(product(a, a, where), a, where);
    if (is(b, -1.0)) return quotient(constant(1, where), a, where);
    return append(Op::pow, a, b, -1, where);
}

Number FormulaBuilder::binary(Op op, Number a, Number b, Where where) {
    switch (op) {
    case Op::add:
        return sum(a, b, where);
    case Op::subtract:
        return difference(a, b, where);
    case Op::multiply:
        return product(a, b, where);
    case Op::divide:
        return quotient(a, b, where);
    case Op::pow:
        return power(a, b, where);
    case Op::maximum:
    case Op::minimum:
        if (a == b) return a;
        break;
    case Op::both:
        if (is(a, 1.0) || is(b, 0.0)) return b;
        if (is(b, 1.0) || is(a, 0.0)) return a;
        break;
    case Op::either:
        if (is(a, 1.0) || is(b, 0.0)) return a;
        if (is(b, 1.0) || is(a, 0.0)) return b;
        break;
    default:
        break;
    }
    return append(op, a, b, -1, where);
}

Number FormulaBuilder::select(Number condition, Number a, Number b, Where where) {
    if (is(condition, Op::constant)) return (*this)[condition].constant != 0 ? a : b;
    if (a == b) return a;
    if (is(condition, Op::opposite)) return select(operand(condition), b, a, where);
    return append(Op::select, condition, a, b, where);
}

Number FormulaBuilder::make(Op op, const Number* operands, Where where) {
    switch (arity(op)) {
    case 1:
        return unary(op, operands[0], where);
    case 2:
        return binary(op, operands[0], operands[1], where);
    default:
        return select(operands[0], operands[1], operands[2], where);
    }
}

Number FormulaBuilder::complement(Number s, Where where) {
    FormulaInstruction wanted;
    wanted.op = Op::sigmoid;
    if (is(operand(s), Op::negate)) {
        wanted.operands[0] = operand(operand(s));
    } else {
        FormulaInstruction negative;
        negative.op = Op::negate;
        negative.operands[0] = operand(s);
        wanted.operands[0] = find(negative);
    }
    if (wanted.operands[0] >= 0)
        if (const Number there = find(wanted); there >= 0) return there;
    return append(Op::subtract, constant(1, where), s, -1, where);
}

Formula FormulaBuilder::finish(const std::vector<Number>& outputs) const {
    std::vector<bool> needed(size());
    for (std::size_t i = 0; i < arguments_; ++i) needed[i] = true;
    for (Number output : outputs) needed[static_cast<std::size_t>(output)] = true;
    for (std::size_t i = size(); i-- > arguments_;)
        if (needed[i])
            for (Number operand : instructions_[i].operands)
                if (operand >= 0) needed[static_cast<std::size_t>(operand)] = true;
    std::vector<Number> renumbered(size(), -1);
    std::vector<FormulaInstruction> kept;
    kept.reserve(size());
    for (std::size_t i = 0; i < size(); ++i) {
        if (!needed[i]) continue;
        renumbered[i] = static_cast<Number>(kept.size());
        kept.push_back(instructions_[i]);
        for (Number& operand : kept.back().operands)
            if (operand >= 0) operand = renumbered[static_cast<std::size_t>(operand)];
    }
    std::vector<Number> results;
    results.reserve(outputs.size());
    for (Number output : outputs) results.push_back(renumbered[static_cast<std::size_t>(output)]);
    return Formula(std::move(kept), arguments_, std::move(results));
}

}  // namespace xtape
