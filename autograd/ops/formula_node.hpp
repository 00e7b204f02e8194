#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <xtape/autograd/formula.hpp>
#include <xtape/autograd/kernels/formula_kernel.hpp>
#include <xtape/autograd/self_printing.hpp>
#include <xtape/autograd/tape.hpp>

/// What elementwise() records.
namespace xtape {

/// What else names of operations begin with, before the formula's own.
inline constexpr char mean_of[] = "mean of ", sum_of[] = "sum of ", gradient_of_name[] = "gradient of ";

/// A formula with its derivatives, each worked out at the first call for it and kept. Several threads may use it.
class FormulaFamily {
public:
    explicit FormulaFamily(Formula formula) : kernel_(std::move(formula)) {}

    const Formula& formula() const { return kernel_.formula(); }
    const kernels::FormulaKernel& kernel() const { return kernel_; }

    /// gradient_of(formula(), wanted, with_value), bit k of `wanted` being argument k. Throws ValueError at 64 arguments: each
    /// order of derivatives has one more.
    std::shared_ptr<const FormulaFamily> gradient(std::uint64_t wanted, bool with_value) const;

    /// One of the above and the name of an operation with this formula, put together at the first call for it. Both are told
    /// apart by their address.
    const char* named(const char* beginning, const char* name) const;

private:
    struct Name {
        const char *beginning, *name, *both;
    };
    struct Derived {
        std::uint64_t wanted;
        bool with_value;
        std::shared_ptr<const FormulaFamily> family;
    };

    kernels::FormulaKernel kernel_;
    mutable std::mutex mutex_;
    mutable std::vector<Derived> derived_;
    mutable std::vector<Name> names_;
};

/// Where a formula gives a number that is not finite, of finite ones.
struct NonFinite {
    Index element;                                ///< of the output, in row-major order
    std::size_t instruction;                      ///< the first whose operands are finite and whose value is not
    std::vector<double> values;                   ///< of all instructions there; the first are the arguments
    std::shared_ptr<const FormulaFamily> family;  ///< whose formula has these instructions
};

/// A formula over arrays, as recorded: its value, or the sum of all its elements.
class FormulaNode : public Node, public SelfPrinting {
public:
    FormulaNode(const char* op, Where at, const Shape& output_shape, DType output_dtype,
                std::shared_ptr<const FormulaFamily> family, std::vector<Variable> inputs, const Shape& elements,
                double factor = 1);

    const Formula& formula() const { return family_->formula(); }

    /// As the formula is written, or by the name where that takes more than one line.
    std::string value(const std::vector<std::string>& x, bool latex) const override;
    std::string slope(std::size_t p, const std::vector<std::string>& x, const std::string& y,
                      bool latex) const override;

    /// The shape over which it is evaluated.
    const Shape& elements() const { return elements_; }

    /// The first element whose value is not finite though its arguments are; none when there is no such or the tape was freed.
    std::optional<NonFinite> non_finite_value() const;
    /// The same for the gradient in argument i, g being the output's; the last argument of that formula is each element's.
    std::optional<NonFinite> non_finite_gradient(std::size_t i, const Array& g) const;

protected:
    std::uint64_t mask_of(const bool* wanted) const;
    /// The gradients of the wanted arguments when that of each element is g; in one pass. g's buffer may be used.
    void pull_plain(Array g, const bool* wanted, Variable* out) const;
    /// The same, recorded.
    void pull_recorded(const Variable& g, const bool* wanted, Variable* out) const;
    /// What a pass made of the gradient in argument i, in that one's shape.
    Variable in_shape_of(std::size_t i, kernels::FormulaOutput&& made) const;
    bool is_number(std::size_t i) const;
    std::vector<const Array*> arrays() const;

    std::shared_ptr<const FormulaFamily> family_;
    std::vector<Variable> inputs_;
    const Shape elements_;
    const double factor_;  ///< of a sum
};

/// The formula over arguments of one dtype that broadcast to `shape`. The node's number is the one that is given, or the next.
Variable apply(const char* name, Where where, std::shared_ptr<const FormulaFamily> family,
               std::vector<Variable> arguments, const Shape& shape, std::uint64_t number = 0);

/// `factor` times the sum of its elements, of rank 0.
Variable apply_sum(const char* name, Where where, std::shared_ptr<const FormulaFamily> family,
                   std::vector<Variable> arguments, const Shape& shape, double factor);

}  // namespace xtape
