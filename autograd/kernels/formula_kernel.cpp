#include <xtape/autograd/kernels/formula_kernel.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <type_traits>
#include <utility>

#include <xtape/autograd/kernels/formula_blocks.hpp>
#include <xtape/autograd/kernels/map.hpp>
#include <xtape/autograd/kernels/parallel.hpp>

namespace xtape::kernels {

FormulaKernel::FormulaKernel(Formula formula) : formula_(std::move(formula)) {}
FormulaKernel::~FormulaKernel() = default;

template <class T>
FormulaKernel::Programs<T>& FormulaKernel::programs() const {
    if constexpr (std::is_same_v<T, float>)
        return of_float_;
    else
        return of_double_;
}

template <class T>
const FormulaProgram<T>& FormulaKernel::program(std::uint64_t moves, std::uint64_t summed) const {
    std::lock_guard lock(mutex_);
    for (const auto& there : programs<T>())
        if (there->moves == moves && there->summed == summed) return *there;
    programs<T>().push_back(std::make_unique<FormulaProgram<T>>(formula_, moves, summed));
    return *programs<T>().back();
}

namespace {

/// Adds up rows of partial sums, in pairs of pairs.
void add_up(double* partials, Index chunks, std::size_t sums) {
    const auto row = [&](Index chunk) { return partials + chunk * static_cast<Index>(sums); };
    for (Index step = 1; step < chunks; step *= 2)
        for (Index i = 0; i + step < chunks; i += 2 * step)
            for (std::size_t s = 0; s < sums; ++s) row(i)[s] += row(i + step)[s];
}

}  // namespace

template <class T>
void FormulaKernel::run_as(const Shape& shape, const std::vector<const Array*>& arguments,
                           std::vector<FormulaOutput>& outputs, Array* spare) const {
    const Index n = shape.count();
    std::uint64_t moves = 0, moves_in_rows = 0, summed = 0;
    std::vector<FormulaOperand<T>> operands(arguments.size());
    bool broadcasts = false;
    for (std::size_t k = 0; k < arguments.size(); ++k) {
        const Array& x = *arguments[k];
        FormulaOperand<T>& operand = operands[k];
        operand.data = x.data<T>();
        if (x.size() == n && n != 1) {
            operand.kind = FormulaOperand<T>::flat;
        } else if (x.size() == 1) {
            operand.kind = n == 1 ? FormulaOperand<T>::flat : FormulaOperand<T>::number;
        } else {
            operand.kind = FormulaOperand<T>::broadcast;
            operand.plan = plan_broadcast<1>(shape, {&x.shape()});
            broadcasts = true;
        }
        const std::uint64_t bit = std::uint64_t{1} << k;
        if (operand.kind != FormulaOperand<T>::number) moves |= bit;
        if (operand.kind == FormulaOperand<T>::flat ||
            (operand.kind == FormulaOperand<T>::broadcast && operand.plan.moves[0]))
            moves_in_rows |= bit;
    }
    for (std::size_t o = 0; o < outputs.size(); ++o)
        if (outputs[o].summed) summed |= std::uint64_t{1} << o;

    const FormulaProgram<T>& across = program<T>(moves, summed);
    const FormulaProgram<T>& in_rows = program<T>(moves_in_rows, summed);
    if (spare && spare->shape() == shape && spare->unique())
        for (std::size_t o = 0; o < outputs.size() && spare; ++o)
            if (!outputs[o].summed && across.may_overwrite[o] && in_rows.may_overwrite[o]) {
                outputs[o].array = *spare;
                spare = nullptr;
            }
    std::vector<T*> to(outputs.size());
    for (std::size_t o = 0; o < outputs.size(); ++o) {
        outputs[o].total = 0;
        if (outputs[o].summed) continue;
        if (!outputs[o].array) outputs[o].array = Array::uninitialized(shape, dtype_of<T>);
        to[o] = outputs[o].array.template mutable_data<T>();
    }
    if (n == 0) return;

    const std::size_t sums = across.sums.size();
    const Index chunks = (n + map_grain - 1) / map_grain;
    const Scratch<double> partials(std::max<Index>(1, chunks * static_cast<Index>(sums)));
    parallel_for(n, map_grain, [&](Index begin, Index end) {
        double* const totals = partials.data() + begin / map_grain * static_cast<Index>(sums);
        std::fill_n(totals, sums, 0.0);
        FormulaBlocks<T>(across, broadcasts ? in_rows : across, operands, to, n).run(begin, end, totals);
    });
    add_up(partials.data(), chunks, sums);
    for (std::size_t s = 0; s < sums; ++s) outputs[across.sums[s].output].total = partials.data()[s];
}

void FormulaKernel::run(const Shape& shape, DType dtype, const std::vector<const Array*>& arguments,
                        std::vector<FormulaOutput>& outputs, Array* spare) const {
    dispatch(dtype, [&](auto tag) { run_as<decltype(tag)>(shape, arguments, outputs, spare); });
}

}  // namespace xtape::kernels
