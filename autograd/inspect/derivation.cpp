#include <xtape/autograd/inspect/leibniz.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include <fmt/format.h>

#include <xtape/autograd/differences.hpp>
#include <xtape/autograd/mathematics.hpp>
#include <xtape/autograd/ops.hpp>

namespace xtape::inspect::detail {

namespace {

using Set = std::set<std::size_t>;

/// How wrong something is of which no number can be had.
constexpr double infinitely = std::numeric_limits<double>::infinity();

/// |a - b| at worst, relative to the largest of b; b may be repeated to a's shape or the other way round.
double difference(Variable a, const Array& b) {
    if (a.shape() != b.shape()) {
        if (a.size() != 1) return infinitely;
        a = Variable(Array::filled(b.shape(), float64, a.array().at(0)));
    }
    double worst = 0, largest = 0;
    for (Index i = 0; i < b.size(); ++i) {
        const double gap = std::abs(a.array().at(i) - b.at(i));
        if (!std::isfinite(gap)) return infinitely;
        worst = std::max(worst, gap);
        largest = std::max(largest, std::abs(b.at(i)));
    }
    return largest > 0 ? worst / largest : worst;
}

class Writer {
public:
    Writer(const Recording& recording, const Names& names)
        : recording_(recording), tape_(recording.tape()), names_(names), formula_(tape_) {
        name_values();
        find_tape_gradients();
        find_misfits();
    }

    Derivation write() {
        Derivation result;
        for (std::size_t i = 0; i < tape_.size(); ++i)
            if (formula_.used(i) && !tape_.is_leaf(i) && symbols_[i])
                result.values.push_back(
                    {{to_text(value_[i]), to_text(formed_[i])}, {to_latex(value_[i]), to_latex(formed_[i])}, {}});
        write_gradients();  // once to count the memos, which are numbered from the parameters on
        const int memos = next_memo_;
        write_gradients(memos);
        result.gradients = std::move(equations_);
        return result;
    }

private:
    // ------------------------------------------------------------------------------------------------------- values

    void name_values() {
        const std::size_t n = tape_.size();
        value_.resize(n);
        formed_.resize(n);
        symbols_.resize(n);
        int parameters = 0, values = 0;
        for (std::size_t i = 0; i < n; ++i) {
            if (!formula_.used(i)) continue;
            std::string name = names_.of(*tape_.nodes()[i]);
            const bool shared = formula_.users(i).size() > 1;
            if (name.empty() && tape_.is_leaf(i)) name = fmt::format("p_{}", ++parameters);
            if (name.empty() && i + 1 == n) name = "L";
            if (name.empty() && shared) name = fmt::format("v_{}", ++values);
            if (!tape_.is_leaf(i)) formed_[i] = written(step(i, number(1))).value;
            if (!name.empty()) symbols_[i] = symbol(mathematics::plain(name), mathematics::latex(name), value_of(i));
            value_[i] = symbols_[i] ? symbols_[i] : inlined(i);
        }
    }

    /// Its formula, with the value that was recorded.
    Expression inlined(std::size_t i) {
        Term term = *formed_[i];
        if (formed_[i]->kind == Term::Kind::symbol || formed_[i]->kind == Term::Kind::number) return formed_[i];
        term.value = value_of(i);
        return std::make_shared<const Term>(std::move(term));
    }

    Variable value_of(std::size_t i) const { return Variable(recording_.value(i)); }

    Expression constant(const Array& x) {
        if (x && x.size() == 1) return number(x.at(0));
        if (x && names_.of_equal(x).empty()) {  // labels often come as 1 - y
            const NoGrad nothing;
            const Variable other = 1 - Variable(x.astype(float64));
            if (!names_.of_equal(other.array()).empty()) {
                Term term = *(number(1) - constant(other.array()));
                term.value = Variable(x.astype(float64));
                return std::make_shared<const Term>(std::move(term));
            }
        }
        std::string name = x ? names_.of_equal(x) : "";
        if (name.empty()) {
            const void* key = x ? kept_piece(x).identity : nullptr;
            const auto known = constants_.find(key);
            name = x && known != constants_.end() ? known->second : fmt::format("c_{}", ++next_constant_);
            if (x) constants_[key] = name;
        }
        return symbol(mathematics::plain(name), mathematics::latex(name), x ? Variable(x.astype(float64)) : Variable());
    }

    Step step(std::size_t i, const Expression& g) {
        Node& node = *tape_.nodes()[i];
        Step result{node, g, nullptr, {}, {}, formula_.around(i)};
        const bool known = value_[i] && symbols_[i];
        result.y = known ? value_[i] : symbol(fmt::format("y_{}", i), fmt::format("y_{{{}}}", i), value_of(i));
        for (const FormulaArgument& argument : formula_.arguments(i)) {
            const bool on_tape = argument.position != Tape::absent;
            result.x.push_back(on_tape ? value_[argument.position] : constant(argument.constant));
            result.shapes.push_back(on_tape             ? tape_.nodes()[argument.position]->shape
                                    : argument.constant ? argument.constant.shape()
                                                        : node.shape);
        }
        if (!known && formed_[i]) result.y = inlined(i);
        return result;
    }

    // ------------------------------------------------------------------------------------------------------- checks

    void find_tape_gradients() {
        std::vector<Variable> xs;
        std::vector<std::size_t> at;
        for (std::size_t i = 0; i < tape_.size(); ++i)
            if (formula_.used(i)) {
                xs.emplace_back(recording_.value(i), NodePtr(tape_.nodes()[i]));
                at.push_back(i);
            }
        const Variable& y = recording_.result();
        const auto found = pullback(y, unit_seed(y, Where::here()), xs, false, Where::here());
        tape_gradient_.resize(tape_.size());
        for (std::size_t k = 0; k < at.size(); ++k) tape_gradient_[at[k]] = found[k].array();
    }

    /// How far each operation's derivatives, as they are printed, are from central differences.
    void find_misfits() {
        Generator generator(1);
        constexpr double nothing = 1e-7;  // differences cannot tell less from 0; parameters move by about 1
        misfit_.assign(tape_.size(), 0);
        for (std::size_t i = 0; i < tape_.size(); ++i) {
            if (!formula_.used(i) || tape_.is_leaf(i)) continue;
            if (!recording_.steady(i)) {
                misfit_[i] = std::nullopt;
                continue;
            }
            const Array g = xtape::detail::uneven(tape_.nodes()[i]->shape, generator);
            const Written local = written(step(i, symbol("g", "g", Variable(g))));
            const auto count = static_cast<double>(g.size());
            double gap = xtape::detail::inner(g, recording_.rate(i)),
                   size = xtape::detail::inner_abs(g, recording_.rate(i)) + nothing * count;
            for (std::size_t p = 0; p < local.gradients.size(); ++p) {
                const std::uint32_t from = formula_.arguments(i)[p].position;
                if (from == Tape::absent) continue;
                Variable gradient = evaluate(local.gradients[p]);
                const Array& rate = recording_.rate(from);
                if (gradient && gradient.shape() != rate.shape() && gradient.size() == 1)
                    gradient = Variable(Array::filled(rate.shape(), float64, gradient.array().at(0)));
                if (!gradient || gradient.shape() != rate.shape()) {
                    misfit_[i] = std::nullopt;
                    break;
                }
                gap -= xtape::detail::inner(gradient.array(), rate);
                size += xtape::detail::inner_abs(gradient.array(), rate);
            }
            if (!misfit_[i]) continue;
            const double misfit = size == 0 ? 0 : std::abs(gap) / size;
            misfit_[i] = std::isfinite(misfit) ? misfit : infinitely;
        }
    }

    std::optional<double> error_of(std::size_t i, const Expression& printed, const Set& through) const {
        const Variable value = evaluate(printed);
        if (!value) return std::nullopt;
        double worst = difference(value, tape_gradient_[i]);
        for (const std::size_t operation : through) {
            if (!misfit_[operation]) return std::nullopt;
            worst = std::max(worst, *misfit_[operation]);
        }
        return worst;
    }

    // ---------------------------------------------------------------------------------------------------- gradients

    void write_gradients(int memos = 0) {
        equations_.clear();
        next_memo_ = 0;
        memos_ = memos;
        gradient_.assign(tape_.size(), nullptr);
        sum_.assign(tape_.size(), nullptr);
        through_.assign(tape_.size(), {});
        waiting_.assign(tape_.size(), 0);
        for (std::size_t i = 0; i < tape_.size(); ++i) waiting_[i] = formula_.users(i).size();
        sum_.back() = number(1);
        for (std::size_t i = tape_.size(); i-- > 0;) {
            if (!formula_.used(i) || tape_.is_leaf(i)) continue;
            finish(i);
            const Shape& shape = tape_.nodes()[i]->shape;
            const Expression g = is_number(gradient_[i]) ? spread(gradient_[i], shape) : gradient_[i];
            const Written local = written(step(i, g));
            const Set& through = through_[i];
            for (std::size_t p = 0; p < formula_.arguments(i).size(); ++p) {
                const std::uint32_t to = formula_.arguments(i)[p].position;
                if (to == Tape::absent) continue;
                sum_[to] = sum_[to] ? sum_[to] + local.gradients[p] : local.gradients[p];
                through_[to].insert(through.begin(), through.end());
                through_[to].insert(i);
                if (--waiting_[to] == 0 && tape_.is_leaf(to)) finish(to);
            }
        }
    }

    /// All its users have had their turn: gives the gradient a name and an equation, or puts it in where it is used.
    void finish(std::size_t i) {
        const Expression& sum = sum_[i];
        const bool leaf = tape_.is_leaf(i), named = !names_.of(*tape_.nodes()[i]).empty();
        std::size_t uses = 0;
        for (const FormulaArgument& argument : formula_.arguments(i)) uses += argument.position != Tape::absent;
        const bool memo = uses > 1 && !is_short(sum);
        if (i + 1 == tape_.size() || (!leaf && !named && !memo)) {
            gradient_[i] = sum;
            return;
        }
        Equation equation;
        const auto side = [&](const std::string& text, const std::string& latex) {
            if (text.empty() || (!equation.text.empty() && equation.text.back() == text)) return;
            equation.text.push_back(text);
            equation.latex.push_back(latex);
        };
        if (memo) {
            const std::string name = fmt::format("base_{}", memos_ - next_memo_);
            ++next_memo_;
            gradient_[i] = symbol(name, mathematics::latex(name), Variable(tape_gradient_[i]));
            side(name, mathematics::latex(name));
        }
        if (symbols_[i]) {
            const auto whole = leibniz_.partial(tape_.size() - 1, i);
            if (!memo) gradient_[i] = symbol(whole.first, whole.second, Variable(tape_gradient_[i]));
            side(whole.first, whole.second);
            for (const auto& chain : {leibniz_.whole_chain(i), leibniz_.last_step(i, gradient_)})
                if (chain) side(chain->first, chain->second);
        }
        side(to_text(sum), to_latex(sum));
        equation.error = error_of(i, sum, through_[i]);
        through_[i].clear();  // whoever uses it from here on uses its name
        equations_.push_back(std::move(equation));
    }

    const Recording& recording_;
    const Tape& tape_;
    const Names& names_;
    const WrittenTape formula_;
    const Leibniz leibniz_{formula_, symbols_};
    std::vector<Expression> symbols_, value_, formed_, gradient_, sum_;
    std::map<const void*, std::string> constants_;
    int next_constant_ = 0, next_memo_ = 0, memos_ = 0;
    std::vector<Array> tape_gradient_;
    std::vector<std::optional<double>> misfit_;
    std::vector<Set> through_;
    std::vector<std::size_t> waiting_;
    std::vector<Equation> equations_;
};

}  // namespace

Derivation derive(const Recording& recording, const Names& names) { return Writer(recording, names).write(); }

}  // namespace xtape::inspect::detail
