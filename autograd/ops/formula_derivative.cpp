#include <cmath>

#include <xtape/autograd/ops/formula_builder.hpp>

/// Derivatives of formulas, by the chain rule from the result to the arguments. At kinks and ties they are those of the
/// operations on arrays.
namespace xtape {

namespace {

using Number = FormulaBuilder::Number;
using Op = FormulaOp;

/// The walk back over one formula.
class Derivation {
public:
    /// `further` arguments stand behind f's own.
    Derivation(const Formula& f, const std::vector<bool>& wanted, std::size_t further)
        : f_(f),
          wanted_(wanted),
          build_(f.arguments() + further),
          further_(further),
          depends_(f.instructions().size()) {
        slopes_.assign(depends_.size(), -1);
        copy_formula();
    }

    Formula run(bool with_value) {
        const Number y = f_.outputs()[0];
        const Number first = static_cast<Number>(f_.arguments()), g = first;
        slopes_[static_cast<std::size_t>(y)] = build_.constant(1, at(y).where);
        for (Number i = y; i >= first; --i)
            if (depends_[static_cast<std::size_t>(i)] && slope(i) >= 0) pull(i, slope(i));
        std::vector<Number> outputs;
        if (with_value) outputs.push_back(value(y));
        for (std::size_t i = 0; i < f_.arguments(); ++i) {
            if (!wanted_[i]) continue;
            const Where where = at(y).where;
            const Number slope_in = slopes_[i] < 0 ? build_.constant(0, where) : slopes_[i];
            const bool times_g = further_ > 0 && slopes_[i] >= 0;
            outputs.push_back(times_g ? build_.binary(Op::multiply, slope_in, g, where) : slope_in);
        }
        return build_.finish(outputs);
    }

private:
    const FormulaInstruction& at(Number i) const { return f_.instructions()[static_cast<std::size_t>(i)]; }
    Number value(Number i) const { return values_[static_cast<std::size_t>(i)]; }
    Number slope(Number i) const { return slopes_[static_cast<std::size_t>(i)]; }

    /// The formula's own instructions, one argument more before them.
    void copy_formula() {
        values_.reserve(depends_.size());
        for (std::size_t i = 0; i < depends_.size(); ++i) {
            const FormulaInstruction& from = f_.instructions()[i];
            if (i < f_.arguments()) {
                values_.push_back(static_cast<Number>(i));
                depends_[i] = wanted_[i];
            } else if (from.op == Op::constant) {
                values_.push_back(build_.constant(from.constant, from.where));
            } else {
                Number operands[3] = {-1, -1, -1};
                for (std::size_t k = 0; k < arity(from.op); ++k) {
                    operands[k] = value(from.operands[k]);
                    if (depends_[static_cast<std::size_t>(from.operands[k])]) depends_[i] = true;
                }
                values_.push_back(build_.make(from.op, operands, from.where));
            }
        }
    }

    /// A place in the formula, for building expressions there.
    struct Term {
        Derivation* in;
        Number number;
    };
    Term term(Number number) { return {this, number}; }
    Term constant(double x) { return term(build_.constant(x, where_)); }
    Term apply(Op op, Term x) { return term(build_.unary(op, x.number, where_)); }
    Term apply(Op op, Term a, Term b) { return term(build_.binary(op, a.number, b.number, where_)); }
    Term select(Term c, Term a, Term b) { return term(build_.select(c.number, a.number, b.number, where_)); }
    friend Term operator+(Term a, Term b) { return a.in->apply(Op::add, a, b); }
    friend Term operator-(Term a, Term b) { return a.in->apply(Op::subtract, a, b); }
    friend Term operator*(Term a, Term b) { return a.in->apply(Op::multiply, a, b); }
    friend Term operator/(Term a, Term b) { return a.in->apply(Op::divide, a, b); }
    friend Term operator-(Term a) { return a.in->apply(Op::negate, a); }

    /// Adds to the derivative of operand k of instruction i.
    void give(Number i, int k, Term contribution) {
        Number& sum = slopes_[static_cast<std::size_t>(at(i).operands[k])];
        sum = sum < 0 ? contribution.number : (term(sum) + contribution).number;
    }

    void pull(Number i, Number slope_of_i) {
        const FormulaInstruction& step = at(i);
        where_ = step.where;
        const auto depends = [&](int k) {
            return step.operands[k] >= 0 && depends_[static_cast<std::size_t>(step.operands[k])];
        };
        const auto operand = [&](int k) { return term(step.operands[k] < 0 ? -1 : value(step.operands[k])); };
        const Term g = term(slope_of_i), y = term(value(i)), a = operand(0), b = operand(1);
        switch (step.op) {
        case Op::add:
            if (depends(0)) give(i, 0, g);
            if (depends(1)) give(i, 1, g);
            break;
        case Op::subtract:
            if (depends(0)) give(i, 0, g);
            if (depends(1)) give(i, 1, -g);
            break;
        case Op::multiply:
            if (step.operands[0] == step.operands[1]) {
                give(i, 0, g * (constant(2) * a));
                break;
            }
            if (depends(0)) give(i, 0, g * b);
            if (depends(1)) give(i, 1, g * a);
            break;
        case Op::divide:
            if (depends(0)) give(i, 0, g / b);
            if (depends(1)) give(i, 1, -(g * y / b));
            break;
        case Op::pow:
            pull_power(i, g, y, a, b, depends(0), depends(1));
            break;
        case Op::maximum:
            if (depends(0)) give(i, 0, share(g, b, a));
            if (depends(1)) give(i, 1, share(g, a, b));
            break;
        case Op::minimum:
            if (depends(0)) give(i, 0, share(g, a, b));
            if (depends(1)) give(i, 1, share(g, b, a));
            break;
        case Op::select: {
            const Term zero = constant(0);
            if (depends(1)) give(i, 1, select(a, g, zero));
            if (depends(2)) give(i, 2, select(a, zero, g));
            break;
        }
        default:
            if (depends(0)) pull_unary(i, g, y, a);
        }
    }

    /// g where the larger one is larger, half of it where both are equal.
    Term share(Term g, Term smaller, Term larger) {
        const Term tie = select(apply(Op::equal, smaller, larger), constant(0.5) * g, constant(0));
        return select(apply(Op::less, smaller, larger), g, tie);
    }

    void pull_power(Number i, Term g, Term y, Term a, Term b, bool to_base, bool to_exponent) {
        if (to_base) {
            const FormulaInstruction& exponent = build_[b.number];
            if (exponent.op == Op::constant) {
                give(i, 0, g * (b * apply(Op::pow, a, constant(exponent.constant - 1))));
            } else {  // 1 in place of the base where the exponent is 0, so that 0 comes out
                const Term base = select(apply(Op::equal, b, constant(0)), constant(1), a);
                give(i, 0, g * (b * apply(Op::pow, base, b - constant(1))));
            }
        }
        if (to_exponent) {
            const Term base = select(apply(Op::equal, a, constant(0)), constant(1), a);
            give(i, 1, g * (y * apply(Op::log, base)));
        }
    }

    void pull_unary(Number i, Term g, Term y, Term x) {
        switch (at(i).op) {
        case Op::negate:
            return give(i, 0, -g);
        case Op::abs:
            return give(i, 0, g * apply(Op::sign, x));
        case Op::sqrt:
            return give(i, 0, constant(0.5) * g / y);
        case Op::exp:
            return give(i, 0, g * y);
        case Op::expm1:
            return give(i, 0, g * (y + constant(1)));
        case Op::log:
            return give(i, 0, g / x);
        case Op::log1p:
            return give(i, 0, g / (constant(1) + x));
        case Op::sin:
            return give(i, 0, g * apply(Op::cos, x));
        case Op::cos:
            return give(i, 0, -(g * apply(Op::sin, x)));
        case Op::tanh:
            return give(i, 0, g * (constant(1) - y * y));
        case Op::sigmoid:
            // y may have been written as something else; then 1 - y is as good as anything
            return give(i, 0,
                        g * (y * term(build_[y.number].op == Op::sigmoid ? build_.complement(y.number, where_)
                                                                         : (constant(1) - y).number)));
        case Op::softplus:
            return give(i, 0, g * apply(Op::sigmoid, x));
        case Op::erf:
            return give(i, 0, g * (constant(M_2_SQRTPI) * apply(Op::exp, -(x * x))));
        case Op::relu:
            return give(i, 0, select(apply(Op::less, constant(0), x), g, constant(0)));
        default:
            return;  // steps and conditions: their derivative is 0
        }
    }

    const Formula& f_;
    const std::vector<bool>& wanted_;
    FormulaBuilder build_;
    std::size_t further_;
    std::vector<Number> values_;  ///< what the formula's instructions are in what is built
    std::vector<Number> slopes_;  ///< derivatives of the output in them; -1 is 0
    std::vector<bool> depends_;   ///< on a wanted argument
    Where where_ = {"", 0};
};

}  // namespace

Formula gradient_of(const Formula& f, const std::vector<bool>& wanted, bool with_value) {
    return Derivation(f, wanted, 1).run(with_value);
}

Formula slope_of(const Formula& f, std::size_t argument) {
    std::vector<bool> wanted(f.arguments());
    wanted[argument] = true;
    return Derivation(f, wanted, 0).run(false);
}

}  // namespace xtape
