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
    Choice(const Formula& formula, std::uint64_t moves) : instructions_(formula.instructions()) {
        const std::size_t count = instructions_.size();
        std::vector<int> uses(count);
        for (const FormulaInstruction& instruction : instructions_)
            for (std::int32_t operand : instruction.operands)
                if (operand >= 0) ++uses[static_cast<std::size_t>(operand)];
        for (std::int32_t output : formula.outputs()) ++uses[static_cast<std::size_t>(output)];
        still.resize(count);
        std::vector<bool> merged(count);
        for (std::size_t i = 0; i < count; ++i) {
            const FormulaInstruction& instruction = instructions_[i];
            if (instruction.op == Op::argument) {
                still[i] = (moves >> i & 1) == 0;
                continue;
            }
            still[i] = true;
            for (std::int32_t operand : instruction.operands)
                if (operand >= 0 && !still[static_cast<std::size_t>(operand)]) still[i] = false;
        }
        for (std::size_t i = count; i-- > formula.arguments();) {
            const FormulaInstruction& instruction = instructions_[i];
            if (merged[i] || instruction.op == Op::constant) continue;
            const auto product = [&](int k) {  // whether operand k is a product that nobody else wants
                const auto n = static_cast<std::size_t>(instruction.operands[k]);
                return instructions_[n].op == Op::multiply && uses[n] == 1 && !still[n] && n >= formula.arguments();
            };
            Draft draft = as_it_stands(static_cast<std::int32_t>(i));
            const auto merge = [&](int k, StepOp step, std::int32_t other) {
                const std::int32_t n = instruction.operands[k];
                merged[static_cast<std::size_t>(n)] = true;
                draft.step = step;
                draft.operands[0] = at(n).operands[0];
                draft.operands[1] = at(n).operands[1];
                draft.operands[2] = other;
            };
            const bool sum = instruction.op == Op::add, difference = instruction.op == Op::subtract;
            if (still[i])
                ;
            else if (sum && product(1))
                merge(1, StepOp::multiply_add, instruction.operands[0]);
            else if (sum && product(0))
                merge(0, StepOp::multiply_add, instruction.operands[1]);
            else if (difference && product(1))
                merge(1, StepOp::subtract_product, instruction.operands[0]);
            else if (difference && product(0))
                merge(0, StepOp::multiply_subtract, instruction.operands[1]);
            else if (instruction.op == Op::negate && product(0))
                merge(0, StepOp::negative_product, -1);
            drafts.push_back(draft);
        }
        std::reverse(drafts.begin(), drafts.end());
    }

    const FormulaInstruction& at(std::int32_t i) const { return instructions_[static_cast<std::size_t>(i)]; }

    std::vector<Draft> drafts;
    std::vector<bool> still;        ///< by instruction, and by added constant behind them
    std::vector<double> constants;  ///< those added

private:
    Draft as_it_stands(std::int32_t i) {
        const FormulaInstruction& instruction = at(i);
        Draft draft;
        draft.op = instruction.op;
        draft.out = i;
        std::copy(std::begin(instruction.operands), std::end(instruction.operands), draft.operands);
        if (instruction.op == Op::multiply && draft.operands[0] == draft.operands[1]) draft.step = StepOp::square;
        if (instruction.op == Op::divide && at(draft.operands[1]).op == Op::constant) {
            // by a power of two: the product with its inverse is the same
            const double divisor = at(draft.operands[1]).constant;
            int exponent = 0;
            if (std::abs(std::frexp(divisor, &exponent)) == 0.5 && std::abs(exponent) < 100) {
                draft.op = Op::multiply;
                draft.operands[1] = static_cast<std::int32_t>(instructions_.size() + constants.size());
                constants.push_back(1 / divisor);
                still.push_back(true);
            }
        }
        return draft;
    }

    const std::vector<FormulaInstruction>& instructions_;
};

}  // namespace

template <class T>
FormulaProgram<T>::FormulaProgram(const Formula& formula, std::uint64_t moving, std::uint64_t as_sums)
    : moves(moving), summed(as_sums), arguments(formula.arguments()), outputs(formula.outputs().size()) {
    Choice choice(formula, moves);
    const std::vector<FormulaInstruction>& instructions = formula.instructions();
    const std::size_t count = instructions.size() + choice.constants.size();
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
        if (i >= instructions.size())
            constants.emplace_back(place_of[i], static_cast<T>(choice.constants[i - instructions.size()]));
        else if (instructions[i].op == Op::constant)
            constants.emplace_back(place_of[i], static_cast<T>(instructions[i].constant));
    }

    const auto step_of = [&](const Draft& draft) {
        Place from[3] = {0, 0, 0};
        unsigned stand = 0;
        for (std::size_t k = 0; k < arity(draft.step, draft.op); ++k) {
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
            sums.push_back({place_of[i], static_cast<std::uint16_t>(o)});
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
