#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include <xtape/autograd/array.hpp>
#include <xtape/autograd/formula.hpp>

namespace xtape::kernels {

template <class T>
struct FormulaProgram;

/// What becomes of one result of a formula: an array, or the sum of all its elements alone.
struct FormulaOutput {
    bool summed = false;
    Array array;       ///< empty: made by the pass
    double total = 0;  ///< of a sum
};

/// A formula as passes over arrays: memory is read once and written once, block by block. The programs that it needs are made at
/// the first call and kept. Several threads may use it.
class FormulaKernel {
public:
    explicit FormulaKernel(Formula formula);
    ~FormulaKernel();

    const Formula& formula() const { return formula_; }

    /// Evaluates it over arguments of one dtype that broadcast to `shape`. A result may be put into `spare`, which is the last
    /// argument and nobody else's, unless that is null.
    void run(const Shape& shape, DType dtype, const std::vector<const Array*>& arguments,
             std::vector<FormulaOutput>& outputs, Array* spare = nullptr) const;

private:
    template <class T>
    void run_as(const Shape& shape, const std::vector<const Array*>& arguments, std::vector<FormulaOutput>& outputs,
                Array* spare) const;
    template <class T>
    const FormulaProgram<T>& program(std::uint64_t moves, std::uint64_t summed) const;

    template <class T>
    using Programs = std::vector<std::unique_ptr<FormulaProgram<T>>>;
    template <class T>
    Programs<T>& programs() const;

    Formula formula_;
    mutable std::mutex mutex_;
    mutable Programs<float> of_float_;
    mutable Programs<double> of_double_;
};

}  // namespace xtape::kernels
