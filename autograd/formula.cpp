#include <xtape/autograd/formula.hpp>

#include <cmath>
#include <cstring>

#include <fmt/format.h>

namespace xtape {

std::size_t arity(FormulaOp op) {
    if (op <= FormulaOp::constant) return 0;
    if (op <= FormulaOp::opposite) return 1;
    return op <= FormulaOp::either ? 2 : 3;
}

const char* name_of(FormulaOp op) {
    static constexpr const char* names[] = {
        "argument", "constant", "negate",     "abs",      "sign",     "sqrt",    "exp",      "expm1",
        "log",      "log1p",    "sin",        "cos",      "tanh",     "sigmoid", "softplus", "erf",
        "relu",     "not",      "add",        "subtract", "multiply", "divide",  "pow",      "maximum",
        "minimum",  "less",     "less_equal", "equal",    "and",      "or",      "select"};
    return names[static_cast<std::size_t>(op)];
}

bool FormulaInstruction::computes_same(const FormulaInstruction& other) const {
    return op == other.op && operands[0] == other.operands[0] && operands[1] == other.operands[1] &&
           operands[2] == other.operands[2] && std::memcmp(&constant, &other.constant, sizeof constant) == 0;
}

namespace {

double sigmoid_of(double x) {
    const double e = std::exp(-std::abs(x));
    return (x < 0 ? e : 1) / (1 + e);
}

}  // namespace

double evaluate(FormulaOp op, double a, double b, double c) {
    switch (op) {
    case FormulaOp::argument:
    case FormulaOp::constant:
        return a;
    case FormulaOp::negate:
        return -a;
    case FormulaOp::abs:
        return std::abs(a);
    case FormulaOp::sign:
        return a > 0 ? 1 : a < 0 ? -1 : a;
    case FormulaOp::sqrt:
        return std::sqrt(a);
    case FormulaOp::exp:
        return std::exp(a);
    case FormulaOp::expm1:
        return std::expm1(a);
    case FormulaOp::log:
        return std::log(a);
    case FormulaOp::log1p:
        return std::log1p(a);
    case FormulaOp::sin:
        return std::sin(a);
    case FormulaOp::cos:
        return std::cos(a);
    case FormulaOp::tanh:
        return std::tanh(a);
    case FormulaOp::sigmoid:
        return sigmoid_of(a);
    case FormulaOp::softplus:
        return (a < 0 ? 0 : a) + std::log1p(std::exp(-std::abs(a)));
    case FormulaOp::erf:
        return std::erf(a);
    case FormulaOp::relu:
        return a <= 0 ? 0 : a;
    case FormulaOp::opposite:
        return 1 - a;
    case FormulaOp::add:
        return a + b;
    case FormulaOp::subtract:
        return a - b;
    case FormulaOp::multiply:
        return a * b;
    case FormulaOp::divide:
        return a / b;
    case FormulaOp::pow:
        return std::pow(a, b);
    case FormulaOp::maximum:
        return a > b || std::isnan(a) ? a : b;
    case FormulaOp::minimum:
        return a < b || std::isnan(a) ? a : b;
    case FormulaOp::less:
        return a < b;
    case FormulaOp::less_equal:
        return a <= b;
    case FormulaOp::equal:
        return a == b;
    case FormulaOp::both:
        return a * b;
    case FormulaOp::either:
        return a > b ? a : b;
    case FormulaOp::select:
        return a != 0 ? b : c;
    }
    return 0;
}

std::vector<double> Formula::trace_at(const std::vector<double>& arguments, DType dtype) const {
    if (arguments.size() != arguments_)
        throw ValueError(
            fmt::format("trace_at: the formula has {} arguments, {} were given", arguments_, arguments.size()));
    std::vector<double> values;
    values.reserve(instructions_.size());
    const auto value_of = [&](std::int32_t i) { return i < 0 ? 0 : values[static_cast<std::size_t>(i)]; };
    for (const FormulaInstruction& instruction : instructions_) {
        double value = instruction.constant;
        if (instruction.op == FormulaOp::argument)
            value = arguments[values.size()];
        else if (instruction.op != FormulaOp::constant)
            value = evaluate(instruction.op, value_of(instruction.operands[0]), value_of(instruction.operands[1]),
                             value_of(instruction.operands[2]));
        values.push_back(dtype == float32 ? double{static_cast<float>(value)} : value);
    }
    return values;
}

}  // namespace xtape
