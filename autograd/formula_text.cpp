#include <algorithm>
#include <cmath>
#include <cstdint>

#include <fmt/format.h>

#include <xtape/autograd/formula.hpp>

/// Formulas as text and as LaTeX.
namespace xtape {

namespace {

using Op = FormulaOp;

/// How tightly text holds together, from loose to tight.
enum Tightness { any_of, all_of, comparison, sum, product, negative, power, atom };

struct Text {
    std::string text;
    Tightness tightness = atom;
};

class Writer {
public:
    Writer(const Formula& formula, const std::vector<std::string>& names, std::size_t worth_a_name, bool latex)
        : formula_(formula), worth_a_name_(worth_a_name), latex_(latex), written_(formula.instructions().size()) {
        for (std::size_t i = 0; i < formula.arguments(); ++i)
            written_[i].text = i < names.size() ? names[i] : fmt::format(latex ? "x_{{{}}}" : "x{}", i + 1);
    }

    std::string run() {
        std::vector<int> uses(written_.size());
        for (const FormulaInstruction& instruction : formula_.instructions())
            for (std::int32_t operand : instruction.operands)
                if (operand >= 0) ++uses[static_cast<std::size_t>(operand)];
        std::string lines;
        int named = 0;
        for (std::size_t i = formula_.arguments(); i < written_.size(); ++i) {
            written_[i] = text_of(formula_.instructions()[i]);
            if (uses[i] < 2 || written_[i].text.size() < worth_a_name_) continue;
            const std::string name = fmt::format(latex_ ? "u_{{{}}}" : "u{}", ++named);
            lines += name + " = " + written_[i].text + new_line();
            written_[i] = {name, atom};
        }
        for (std::size_t o = 0; o < formula_.outputs().size(); ++o)
            lines += (o > 0 ? new_line() : "") + written_[static_cast<std::size_t>(formula_.outputs()[o])].text;
        return lines;
    }

private:
    std::string new_line() const { return latex_ ? " \\\\\n" : "\n"; }

    std::string in_parentheses(const std::string& text) const {
        return latex_ ? "\\left(" + text + "\\right)" : "(" + text + ")";
    }

    const Text& operand(const FormulaInstruction& instruction, int k) const {
        return written_[static_cast<std::size_t>(instruction.operands[k])];
    }
    /// The operand, in parentheses unless it holds together at least as tightly as said.
    std::string within(const FormulaInstruction& instruction, int k, Tightness least) const {
        const Text& text = operand(instruction, k);
        return text.tightness >= least ? text.text : in_parentheses(text.text);
    }

    Text infix(const FormulaInstruction& instruction, const char* sign, Tightness tightness) const {
        const auto right = static_cast<Tightness>(tightness + 1);
        return {within(instruction, 0, tightness) + " " + sign + " " + within(instruction, 1, right), tightness};
    }

    Text call(const FormulaInstruction& instruction, const std::string& function) const {
        std::string list;
        for (std::size_t k = 0; k < arity(instruction.op); ++k)
            list += (k > 0 ? ", " : "") + operand(instruction, static_cast<int>(k)).text;
        return {function + in_parentheses(list), atom};
    }

    Text number(double value) const {
        Text result{fmt::format("{:.10g}", std::abs(value)), std::signbit(value) ? negative : atom};
        if (latex_) {
            if (std::isinf(value)) result.text = "\\infty";
            if (const std::size_t e = result.text.find('e'); e != std::string::npos && std::isfinite(value)) {
                result.text =
                    fmt::format("{} \\cdot 10^{{{}}}", result.text.substr(0, e), std::stoi(result.text.substr(e + 1)));
                result.tightness = std::min(result.tightness, product);
            }
        }
        if (std::signbit(value) && !std::isnan(value)) result.text = "-" + result.text;
        return result;
    }

    Text raised(const std::string& base, const std::string& exponent) const {
        return {latex_ ? base + "^{" + exponent + "}" : base + "^" + exponent, power};
    }

    /// a a as a square, a a a as a cube.
    Text multiplication(const FormulaInstruction& instruction) const {
        const std::int32_t a = instruction.operands[0], b = instruction.operands[1];
        if (a == b) return raised(within(instruction, 0, atom), "2");
        const FormulaInstruction& left = formula_.instructions()[static_cast<std::size_t>(a)];
        if (left.op == Op::multiply && left.operands[0] == b && left.operands[1] == b)
            return raised(within(instruction, 1, atom), "3");
        return {within(instruction, 0, product) + (latex_ ? " " : " * ") +
                    within(instruction, 1, static_cast<Tightness>(product + 1)),
                product};
    }

    /// What both write in the same way, but for the signs.
    Text text_of(const FormulaInstruction& i) const {
        const auto sign = [&](const char* plain, const char* latex) { return latex_ ? latex : plain; };
        switch (i.op) {
        case Op::constant:
            return number(i.constant);
        case Op::negate:
            return {"-" + within(i, 0, product), negative};
        case Op::add:
            return infix(i, "+", sum);
        case Op::subtract:
            return infix(i, "-", sum);
        case Op::multiply:
            return multiplication(i);
        case Op::maximum:
            return call(i, sign("max", "\\max"));
        case Op::minimum:
            return call(i, sign("min", "\\min"));
        case Op::less:
            return infix(i, "<", comparison);
        case Op::less_equal:
            return infix(i, sign("<=", "\\le"), comparison);
        case Op::equal:
            return infix(i, sign("==", "="), comparison);
        case Op::both:
            return infix(i, sign("and", "\\land"), all_of);
        case Op::either:
            return infix(i, sign("or", "\\lor"), any_of);
        default:
            return latex_ ? latex_of(i) : plain_of(i);
        }
    }

    Text plain_of(const FormulaInstruction& i) const {
        switch (i.op) {
        case Op::opposite:
            return call(i, "not");
        case Op::divide:
            return infix(i, "/", product);
        case Op::pow:
            return raised(within(i, 0, atom), within(i, 1, atom));
        default:
            return call(i, name_of(i.op));
        }
    }

    Text latex_of(const FormulaInstruction& i) const {
        switch (i.op) {
        case Op::abs:
            return {"\\left|" + operand(i, 0).text + "\\right|", atom};
        case Op::sqrt:
            return {"\\sqrt{" + operand(i, 0).text + "}", atom};
        case Op::exp:
            return raised("e", operand(i, 0).text);
        case Op::expm1:
            return {raised("e", operand(i, 0).text).text + " - 1", sum};
        case Op::log:
            return call(i, "\\log");
        case Op::log1p:
            return {"\\log" + in_parentheses("1 + " + operand(i, 0).text), atom};
        case Op::sin:
            return call(i, "\\sin");
        case Op::cos:
            return call(i, "\\cos");
        case Op::tanh:
            return call(i, "\\tanh");
        case Op::sigmoid:
            return call(i, "\\sigma");
        case Op::opposite:
            return {"\\lnot " + within(i, 0, atom), negative};
        case Op::divide:
            return {"\\frac{" + operand(i, 0).text + "}{" + operand(i, 1).text + "}", product};
        case Op::pow:
            return raised(within(i, 0, atom), operand(i, 1).text);
        case Op::select:
            return {"\\begin{cases} " + operand(i, 1).text + " & \\text{if } " + operand(i, 0).text + " \\\\ " +
                        operand(i, 2).text + " & \\text{else} \\end{cases}",
                    any_of};
        default:
            return call(i, fmt::format("\\operatorname{{{}}}", name_of(i.op)));
        }
    }

    const Formula& formula_;
    std::size_t worth_a_name_;
    bool latex_;
    std::vector<Text> written_;  ///< by instruction
};

}  // namespace

std::string to_string(const Formula& formula, const std::vector<std::string>& names, std::size_t worth_a_name) {
    return Writer(formula, names, worth_a_name, false).run();
}

std::string to_latex(const Formula& formula, const std::vector<std::string>& names, std::size_t worth_a_name) {
    return Writer(formula, names, worth_a_name, true).run();
}

}  // namespace xtape
