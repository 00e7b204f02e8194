#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <xtape/autograd/kernels/broadcast.hpp>
#include <xtape/autograd/kernels/formula_program.hpp>
#include <xtape/autograd/kernels/runs.hpp>
#include <xtape/autograd/kernels/scratch.hpp>
#include <xtape/autograd/kernels/simd.hpp>
#include <xtape/autograd/kernels/streaming.hpp>

/// A formula's program over a part of the elements, block by block.
namespace xtape::kernels {

/// An argument as it lies in memory.
template <class T>
struct FormulaOperand {
    enum Kind {
        flat,       ///< an element for each element of the result
        number,     ///< one for all
        broadcast,  ///< rows, or repeated elements, by the plan
    };
    Kind kind = flat;
    const T* data = nullptr;
    BroadcastPlan<1> plan = {};
};

/// One program with its registers and what stands still in place.
template <class T>
class FormulaMachine {
public:
    using Program = FormulaProgram<T>;

    static std::size_t still_elements(const Program& program) {
        return program.stills * static_cast<std::size_t>(lanes<T>);
    }

    /// `stills` is memory for still_elements(); registers lie one block after another.
    FormulaMachine(const Program& program, T* registers, Index block, T* stills, T** places)
        : program_(program), places_(places) {
        for (std::size_t r = 0; r < program.registers; ++r)
            places_[program.reg(r)] = registers + static_cast<Index>(r) * block;
        for (std::size_t s = 0; s < program.stills; ++s)
            places_[program.still(s)] = stills + static_cast<Index>(s) * lanes<T>;
        for (const auto& [place, value] : program.constants) Batch<T>(value).store_unaligned(places_[place]);
    }

    /// Argument k, which stands still.
    void set_still(const std::vector<const T*>& arguments) {
        for (const auto& [place, k] : program_.still_arguments) Batch<T>(*arguments[k]).store_unaligned(places_[place]);
        for (const auto& step : program_.still_steps) run(step, lanes<T>);
    }

    T*& place(typename Program::Place place) { return places_[place]; }
    const Program& program() const { return program_; }

    /// n a multiple of the batch.
    void run(Index n) {
        for (const auto& step : program_.steps) run(step, n);
    }

    /// The same, and meanwhile has the memory fetched where the next n elements of these arrays lie.
    void run(Index n, const std::vector<const T*>& ahead) {
        constexpr Index line = 64 / static_cast<Index>(sizeof(T));
        const Index share =
            n * static_cast<Index>(ahead.size()) / line / static_cast<Index>(program_.steps.size() + 1) + 1;
        std::size_t array = 0;
        Index next = 0;
        for (const auto& step : program_.steps) {
            for (Index i = 0; i < share && array < ahead.size(); ++i) {
                ask_for(ahead[array], next);
                next += line;
                if (next >= n) {
                    next = 0;
                    ++array;
                }
            }
            run(step, n);
        }
    }

    /// Adds what the sums are of the n elements that run() was for, from the batch's first `used` on only those.
    void add_sums(Index n, double* totals) const {
        std::size_t s = 0;
        for (const auto& sum : program_.sums) totals[s++] += sum_of(sum.place, n);
    }

private:
    void run(const typename Program::Step& step, Index n) {
        step.run(places_[step.out], places_[step.a], places_[step.b], places_[step.c], n);
    }

    double sum_of(typename Program::Place place, Index n) const {
        const T* const from = places_[place];
        if (place >= program_.still(0)) return static_cast<double>(n) * static_cast<double>(*from);
        RunSums<T, 1> sums;
        sums.add(n, [&](Index i, Index size) { return std::array<Batch<T>, 1>{load(from + i, size)}; });
        return static_cast<double>(sums.total()[0]);
    }

    const Program& program_;
    T** places_;
};

template <class T>
class FormulaBlocks {
public:
    using Program = FormulaProgram<T>;

    /// `across` lets all operands move but numbers; `in_rows` lets stand still what does so within the rows of its plan.
    FormulaBlocks(const Program& across, const Program& in_rows, const std::vector<FormulaOperand<T>>& operands,
                  const std::vector<T*>& outputs, Index n)
        : operands_(operands),
          outputs_(outputs),
          arguments_(operands.size()),
          far_(exceeds_near_caches<T>(n * static_cast<Index>(operands.size()))),
          block_(block_size(across, operands, n)),
          memory_(memory_size(across, in_rows)),
          pointers_(static_cast<Index>(across.places() + in_rows.places())),
          across_(across, memory_.data(), block_, stills_of(across, in_rows), pointers_.data()),
          in_rows_(in_rows, memory_.data(), block_,
                   stills_of(across, in_rows) + FormulaMachine<T>::still_elements(across),
                   pointers_.data() + across.places()) {
        for (std::size_t k = 0; k < operands.size(); ++k)
            if (operands[k].kind == FormulaOperand<T>::broadcast) broadcasts_.push_back(k);
    }

    /// Elements [begin, end); adds to `totals` what the sums of them are.
    void run(Index begin, Index end, double* totals) {
        for (std::size_t k = 0; k < operands_.size(); ++k) arguments_[k] = operands_[k].data;
        across_.set_still(arguments_);
        for (Index i = begin; i < end; i += block_) run_block(i, std::min(block_, end - i), totals);
    }

private:
    /// Elements of a block: all registers together stay in the first cache.
    static Index block_size(const Program& program, const std::vector<FormulaOperand<T>>& operands, Index n) {
        constexpr Index bytes = 24 * 1024, most = 4096 / static_cast<Index>(sizeof(T)), least = 4 * lanes<T>;
        const auto used = static_cast<Index>(program.registers + operands.size() + 1);
        const Index fits = bytes / static_cast<Index>(sizeof(T)) / used / least * least;
        const Index needed = (n + lanes<T> - 1) / lanes<T> * lanes<T>;
        return std::min(needed, std::clamp(fits, least, most));
    }

    /// Registers, broadcast operands written out, the last batch of operands and outputs, what stands still.
    Index memory_size(const Program& across, const Program& in_rows) {
        const std::size_t blocks = std::max(across.registers, in_rows.registers) + operands_.size();
        const std::size_t batches = operands_.size() + outputs_.size() + across.stills + in_rows.stills;
        return static_cast<Index>(blocks) * block_ + static_cast<Index>(batches) * lanes<T>;
    }
    T* expanded(std::size_t k) { return expanded_ + static_cast<Index>(k) * block_; }
    T* last_batch(std::size_t i) { return last_batches_ + static_cast<Index>(i) * lanes<T>; }
    T* stills_of(const Program& across, const Program& in_rows) {
        expanded_ = memory_.data() + static_cast<Index>(std::max(across.registers, in_rows.registers)) * block_;
        last_batches_ = expanded_ + static_cast<Index>(operands_.size()) * block_;
        return last_batches_ + static_cast<Index>(operands_.size() + outputs_.size()) * lanes<T>;
    }

    void run_block(Index first, Index n, double* totals) {
        for (std::size_t k = 0; k < operands_.size(); ++k)
            if (operands_[k].kind == FormulaOperand<T>::flat) arguments_[k] = operands_[k].data + first;
        if (broadcasts_.empty()) return run_on(across_, first, n, totals);
        bool within_rows = true;
        for (std::size_t k : broadcasts_) within_rows &= first % operands_[k].plan.run + n <= operands_[k].plan.run;
        for (std::size_t k : broadcasts_)
            arguments_[k] = within_rows ? within_row(operands_[k], first) : written_out(k, first, n);
        if (within_rows) in_rows_.set_still(arguments_);
        run_on(within_rows ? in_rows_ : across_, first, n, totals);
    }

    static Index row_offset(const FormulaOperand<T>& operand, Index row) {
        Index offset = 0;
        for (Index axis = operand.plan.outer.rank() - 1; axis >= 0; --axis) {
            const Index size = operand.plan.outer[axis];
            offset += row % size * operand.plan.outer_strides[0][axis];
            row /= size;
        }
        return offset;
    }

    static const T* within_row(const FormulaOperand<T>& operand, Index first) {
        const Index row = first / operand.plan.run, within = first - row * operand.plan.run;
        return operand.data + row_offset(operand, row) + (operand.plan.moves[0] ? within : 0);
    }

    /// The operand's elements for n elements from `first` on, in a block of their own.
    const T* written_out(std::size_t k, Index first, Index n) {
        const FormulaOperand<T>& operand = operands_[k];
        const Index run = operand.plan.run;
        Index row = first / run, within = first - row * run;
        T* to = expanded(k);
        for (Index left = n; left > 0; ++row, within = 0) {
            const Index count = std::min(left, run - within);
            const T* from = operand.data + row_offset(operand, row);
            if (operand.plan.moves[0])
                std::copy_n(from + within, count, to);
            else
                std::fill_n(to, count, *from);
            to += count;
            left -= count;
        }
        return expanded(k);
    }

    void run_on(FormulaMachine<T>& machine, Index first, Index n, double* totals) {
        const Program& program = machine.program();
        const Index whole = n / lanes<T> * lanes<T>, rest = n - whole;
        if (whole > 0) {
            for (std::size_t k = 0; k < operands_.size(); ++k)
                machine.place(program.argument(k)) = const_cast<T*>(arguments_[k]);
            for (std::size_t o = 0; o < outputs_.size(); ++o)
                machine.place(program.output(o)) = outputs_[o] ? outputs_[o] + first : nullptr;
            if (far_) {
                ahead_.clear();
                for (std::size_t k = 0; k < operands_.size(); ++k)
                    if (operands_[k].kind == FormulaOperand<T>::flat)
                        ahead_.push_back(operands_[k].data + first + whole);
                for (T* output : outputs_)
                    if (output) ahead_.push_back(output + first + whole);
                machine.run(whole, ahead_);
            } else {
                machine.run(whole);
            }
            machine.add_sums(whole, totals);
        }
        if (rest == 0) return;
        // The last, partial batch goes through the same instructions.
        for (std::size_t k = 0; k < operands_.size(); ++k) {
            const bool moves = (program.moves >> k & 1) != 0;
            if (moves) load_partial(arguments_[k] + whole, rest).store_unaligned(last_batch(k));
            machine.place(program.argument(k)) = last_batch(k);
        }
        for (std::size_t o = 0; o < outputs_.size(); ++o)
            machine.place(program.output(o)) = last_batch(operands_.size() + o);
        machine.run(lanes<T>);
        for (std::size_t o = 0; o < outputs_.size(); ++o)
            if (outputs_[o])
                store_partial(outputs_[o] + first + whole, Batch<T>::load_unaligned(last_batch(operands_.size() + o)),
                              rest);
        machine.add_sums(rest, totals);
    }

    const std::vector<FormulaOperand<T>>& operands_;
    const std::vector<T*>& outputs_;
    std::vector<const T*> arguments_;  ///< where each argument's elements of this block begin
    std::vector<std::size_t> broadcasts_;
    std::vector<const T*> ahead_;
    bool far_;  ///< the arrays are not in the near caches
    Index block_;
    Scratch<T> memory_;
    T* expanded_ = nullptr;
    T* last_batches_ = nullptr;
    Scratch<T*> pointers_;
    FormulaMachine<T> across_, in_rows_;
};

}  // namespace xtape::kernels
