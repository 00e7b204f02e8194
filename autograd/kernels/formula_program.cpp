#include <xtape/autograd/kernels/formula_program.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace xtape::kernels {

namespace {

using Op = FormulaOp;

constexpr int nowhere = -1;

/// A step before it has places: operands are numbers of the formula's instructions, or of constants added behind them.
struct Draft {
    StepOp step = StepOp::plain;
    Op op = Op::constant;
    std::int32_t out = -1;
    std::int32_t operands[3] = {-1, -1, -1};
};

/// Chooses the steps: merges operations, and tells what stands still from what moves.
class Choice {
public:
    Choice(const Formula& formula, std::uint64_t moves)
        : instructions_(formula.instructions()), uses_(instructions_.size()), read_(instructions_.size()) {
        for (const FormulaInstruction& instruction : instructions_)
            for (std::int32_t operand : instruction.operands)
                if (operand >= 0) ++uses_[at(operand)];
        for (std::int32_t output : formula.outputs()) {
            ++uses_[at(output)];
            read_[at(output)] = true;
        }
        for (std::size_t i = 0; i < instructions_.size(); ++i) {
            const FormulaInstruction& instruction = instructions_[i];
            bool stands = instruction.op != Op::argument || (moves >> i & 1) == 0;
            for (std::int32_t operand : instruction.operands) stands &= operand < 0 || still[at(operand)];
            still.push_back(stands);
        }
        find_shared_exponentials();
        for (auto i = static_cast<std::int32_t>(instructions_.size());
             i-- > static_cast<std::int32_t>(formula.arguments());)
            if (read_[at(i)] && instruction(i).op != Op::constant) choose(i);
        std::reverse(drafts.begin(), drafts.end());
    }

    std::vector<Draft> drafts;
    std::vector<bool> still;                                 ///< by instruction, and by what is added behind them
    std::vector<std::pair<std::int32_t, double>> constants;  ///< those added, with their numbers

private:
    /// Sigmoids and softpluses of a number and of its negative.
    struct Exponential {
        std::int32_t of = -1;     ///< the number
        std::int32_t first = -1;  ///< the first instruction of them
        int members = 0, sigmoids = 0;
        std::int32_t e = -1, larger = -1;  ///< what they share, where that pays
    };

    static std::size_t at(std::int32_t i) { return static_cast<std::size_t>(i); }
    const FormulaInstruction& instruction(std::int32_t i) const { return instructions_[at(i)]; }

    std::int32_t add(bool stands) {
        still.push_back(stands);
        return static_cast<std::int32_t>(still.size()) - 1;
    }

    void push(StepOp step, Op op, std::int32_t out, std::int32_t a, std::int32_t b = -1, std::int32_t c = -1) {
        Draft draft;
        draft.step = step;
        draft.op = op;
        draft.out = out;
        draft.operands[0] = a;
        draft.operands[1] = b;
        draft.operands[2] = c;
        for (std::int32_t operand : draft.operands)
            if (operand >= 0 && at(operand) < read_.size()) read_[at(operand)] = true;
        drafts.push_back(draft);
    }

    bool saturates(std::int32_t i) const {
        return (instruction(i).op == Op::sigmoid || instruction(i).op == Op::softplus) && !still[at(i)];
    }
    bool of_negative(std::int32_t i) const { return instruction(instruction(i).operands[0]).op == Op::negate; }
    std::int32_t base(std::int32_t i) const {
        const std::int32_t operand = instruction(i).operands[0];
        return of_negative(i) ? instruction(operand).operands[0] : operand;
    }
    Exponential* exponential(std::int32_t of) {
        const auto there =
            std::find_if(exponentials_.begin(), exponentials_.end(), [&](const auto& e) { return e.of == of; });
        return there == exponentials_.end() ? nullptr : &*there;
    }

    void find_shared_exponentials() {
        for (std::int32_t i = 0; at(i) < instructions_.size(); ++i) {
            if (!saturates(i)) continue;
            Exponential* there = exponential(base(i));
            if (!there) {
                exponentials_.push_back({});
                there = &exponentials_.back();
                there->of = base(i);
                there->first = i;
            }
            ++there->members;
            if (instruction(i).op == Op::sigmoid) ++there->sigmoids;
        }
        for (Exponential& each : exponentials_) {
            if (each.members > 1) each.e = add(false);
            if (each.sigmoids > 1) each.larger = add(false);
        }
    }

    /// The step for instruction i, and before it what it shares with later ones; in reverse order.
    void choose(std::int32_t i) {
        if (saturates(i)) return choose_saturating(i);
        const FormulaInstruction& from = instruction(i);
        const std::int32_t *operands = from.operands, a = operands[0], b = operands[1];
        const auto product = [&](std::int32_t n) {  // that nobody else wants
            return instruction(n).op == Op::multiply && uses_[at(n)] == 1 && !still[at(n)];
        };
        const auto merge = [&](std::int32_t n, StepOp step, std::int32_t other = -1) {
            push(step, from.op, i, instruction(n).operands[0], instruction(n).operands[1], other);
        };
        const bool moving = !still[at(i)];
        if (moving && from.op == Op::add && product(b)) return merge(b, StepOp::multiply_add, a);
        if (moving && from.op == Op::add && product(a)) return merge(a, StepOp::multiply_add, b);
        if (moving && from.op == Op::subtract && product(b)) return merge(b, StepOp::subtract_product, a);
        if (moving && from.op == Op::subtract && product(a)) return merge(a, StepOp::multiply_subtract, b);
        if (moving && from.op == Op::negate && product(a)) return merge(a, StepOp::negative_product);
        if (from.op == Op::multiply && a == b) return push(StepOp::square, from.op, i, a);
        if (from.op == Op::divide && is_power_of_two(b)) {  // the product with its inverse is the same
            constants.emplace_back(add(true), 1 / instruction(b).constant);
            return push(StepOp::plain, Op::multiply, i, a, constants.back().first);
        }
        push(StepOp::plain, from.op, i, a, b, operands[2]);
    }

    bool is_power_of_two(std::int32_t i) const {
        int exponent = 0;
        return instruction(i).op == Op::constant && std::abs(std::frexp(instruction(i).constant, &exponent)) == 0.5 &&
               std::abs(exponent) < 100;
    }

    void choose_saturating(std::int32_t i) {
        const Exponential& shared = *exponential(base(i));
        const Op op = instruction(i).op;
        const bool negative = of_negative(i), is_sigmoid = op == Op::sigmoid;
        if (shared.e < 0)
            push(StepOp::plain, op, i, instruction(i).operands[0]);
        else if (is_sigmoid && shared.larger >= 0)
            push(negative ? StepOp::sigmoid_of_negative_by_both : StepOp::sigmoid_by_both, op, i, shared.of, shared.e,
                 shared.larger);
        else if (is_sigmoid)
            push(negative ? StepOp::sigmoid_of_negative_by : StepOp::sigmoid_by, op, i, shared.of, shared.e);
        else
            push(negative ? StepOp::softplus_of_negative_by : StepOp::softplus_by, op, i, shared.of, shared.e);
        if (i != shared.first) return;
        if (shared.larger >= 0) push(StepOp::one_by_one_plus, op, shared.larger, shared.e);
        if (shared.e >= 0) push(StepOp::exp_minus_abs, op, shared.e, shared.of);
    }

    const std::vector<FormulaInstruction>& instructions_;
    std::vector<int> uses_;
    std::vector<bool> read_;  ///< by a step that was chosen, or from outside
    std::vector<Exponential> exponentials_;
};

}  // namespace

template <class T>
FormulaProgram<T>::FormulaProgram(const Formula& formula, std::uint64_t moving, std::uint64_t as_sums)
    : moves(moving), summed(as_sums), arguments(formula.arguments()), outputs(formula.outputs().size()) {
    Choice choice(formula, moves);
    const std::vector<FormulaInstruction>& instructions = formula.instructions();
    const std::size_t count = choice.still.size();
    std::vector<Draft> moving_drafts, still_drafts;
    for (const Draft& draft : choice.drafts)
        (choice.still[static_cast<std::size_t>(draft.out)] ? still_drafts : moving_drafts).push_back(draft);
    const auto moves_along = [&](std::int32_t i) { return !choice.still[static_cast<std::size_t>(i)]; };

    // Where a number is read last, by moving steps; what is added up is read after all of them.
    std::vector<std::ptrdiff_t> last_read(count, nowhere), written(count, nowhere);
    const auto end = static_cast<std::ptrdiff_t>(moving_drafts.size());
    for (std::ptrdiff_t s = 0; s < end; ++s) {
        for (std::int32_t operand : moving_drafts[static_cast<std::size_t>(s)].operands)
            if (operand >= 0) last_read[static_cast<std::size_t>(operand)] = s;
        written[static_cast<std::size_t>(moving_drafts[static_cast<std::size_t>(s)].out)] = s;
    }
    // A moving result goes straight to the first output that it is.
    std::vector<int> direct(count, nowhere);
    for (std::size_t o = 0; o < outputs; ++o) {
        const auto i = static_cast<std::size_t>(formula.outputs()[o]);
        const bool is_sum = (summed >> o & 1) != 0;
        if (is_sum || direct[i] != nowhere || i < arguments || choice.still[i])
            last_read[i] = end;
        else
            direct[i] = static_cast<int>(o);
    }

    // Registers, then the numbers of all places.
    std::vector<int> register_of(count, nowhere);
    std::vector<int> free_registers;
    for (std::ptrdiff_t s = 0; s < end; ++s) {
        const Draft& draft = moving_drafts[static_cast<std::size_t>(s)];
        for (std::size_t k = 0; k < 3; ++k) {  // an operand read for the last time may be overwritten batch by batch
            const std::int32_t operand = draft.operands[k];
            if (operand < 0 || last_read[static_cast<std::size_t>(operand)] != s) continue;
            int& reg_of = register_of[static_cast<std::size_t>(operand)];
            if (reg_of == nowhere || std::find(draft.operands, draft.operands + k, operand) != draft.operands + k)
                continue;
            free_registers.push_back(reg_of);
        }
        const auto out = static_cast<std::size_t>(draft.out);
        if (direct[out] != nowhere) continue;
        if (free_registers.empty()) {
            register_of[out] = static_cast<int>(registers++);
        } else {
            register_of[out] = free_registers.back();
            free_registers.pop_back();
        }
    }
    std::vector<Place> place_of(count);
    for (std::size_t i = 0; i < count; ++i) {
        const bool is_argument = i < arguments;
        if (choice.still[i])
            place_of[i] = still(stills++);
        else if (is_argument)
            place_of[i] = argument(i);
        else if (direct[i] != nowhere)
            place_of[i] = output(static_cast<std::size_t>(direct[i]));
        else if (register_of[i] != nowhere)
            place_of[i] = reg(static_cast<std::size_t>(register_of[i]));
        if (choice.still[i] && is_argument) still_arguments.emplace_back(place_of[i], i);
        if (i < instructions.size() && instructions[i].op == Op::constant)
            constants.emplace_back(place_of[i], static_cast<T>(instructions[i].constant));
    }
    for (const auto& [i, value] : choice.constants)
        constants.emplace_back(place_of[static_cast<std::size_t>(i)], static_cast<T>(value));

    const auto step_of = [&](const Draft& draft) {
        Place from[3] = {0, 0, 0};
        unsigned stand = 0;
        for (std::size_t k = 0; k < 3 && draft.operands[k] >= 0; ++k) {
            from[k] = place_of[static_cast<std::size_t>(draft.operands[k])];
            if (!moves_along(draft.operands[k])) stand |= 1U << k;
        }
        return Step{step_function<T>(draft.step, draft.op, stand), place_of[static_cast<std::size_t>(draft.out)],
                    from[0], from[1], from[2]};
    };
    for (const Draft& draft : still_drafts) still_steps.push_back(step_of(draft));
    for (const Draft& draft : moving_drafts) steps.push_back(step_of(draft));

    // What no step writes: arguments and numbers that stand still, and results that are several outputs.
    for (std::size_t o = 0; o < outputs; ++o) {
        const auto i = static_cast<std::size_t>(formula.outputs()[o]);
        std::ptrdiff_t stored = written[i];
        if ((summed >> o & 1) != 0) {
            sums.push_back({place_of[i], o});
        } else if (direct[i] != static_cast<int>(o)) {
            stored = end;
            const StepOp store = choice.still[i] ? StepOp::fill : StepOp::copy;
            steps.push_back(
                {step_function<T>(store, Op::constant, 0), output(o), place_of[i], place_of[i], place_of[i]});
        }
        const auto last = static_cast<std::int32_t>(arguments) - 1;
        const bool is_result = std::count(formula.outputs().begin(), formula.outputs().end(), last) > 0;
        may_overwrite.push_back(arguments > 0 && !is_result && stored >= last_read[arguments - 1]);
    }
}

template struct FormulaProgram<float>;
template struct FormulaProgram<double>;

}  // namespace xtape::kernels
