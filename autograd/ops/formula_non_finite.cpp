#include <cmath>

#include <xtape/autograd/kernels/broadcast.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/ops/formula_node.hpp>

/// Where a recorded formula stops being finite.
namespace xtape {

namespace {

/// The position in an array of its element that belongs to element i of `shape`.
Index element_of(const Array& x, const Shape& shape, Index i) {
    const Shape strides = kernels::detail::broadcast_strides(x.shape(), shape);
    Index offset = 0;
    for (Index axis = shape.rank() - 1; axis >= 0; --axis) {
        offset += i % shape[axis] * strides[axis];
        i /= shape[axis];
    }
    return offset;
}

/// The first instruction that makes a number which is not finite of finite ones; the number of instructions when there is none.
std::size_t first_bad(const Formula& formula, const std::vector<double>& values) {
    for (std::size_t i = formula.arguments(); i < values.size(); ++i) {
        if (std::isfinite(values[i])) continue;
        bool made_here = true;
        for (std::int32_t operand : formula.instructions()[i].operands)
            made_here &= operand < 0 || std::isfinite(values[static_cast<std::size_t>(operand)]);
        if (made_here) return i;
    }
    return values.size();
}

std::optional<NonFinite> find(const std::shared_ptr<const FormulaFamily>& family, const Shape& shape, DType dtype,
                              const std::vector<const Array*>& arguments) {
    std::vector<kernels::FormulaOutput> made(1);
    family->kernel().run(shape, dtype, arguments, made);
    std::vector<double> point(arguments.size());
    for (Index i = 0; i < made[0].array.size(); ++i) {
        if (std::isfinite(made[0].array.at(i))) continue;
        for (std::size_t k = 0; k < point.size(); ++k) point[k] = arguments[k]->at(element_of(*arguments[k], shape, i));
        std::vector<double> values = family->formula().trace_at(point, dtype);
        const std::size_t instruction = first_bad(family->formula(), values);
        if (instruction < values.size()) return NonFinite{i, instruction, std::move(values), family};
    }
    return std::nullopt;
}

bool all_there(const std::vector<const Array*>& arrays) {
    for (const Array* array : arrays)
        if (!*array) return false;
    return true;
}

}  // namespace

std::optional<NonFinite> FormulaNode::non_finite_value() const {
    const std::vector<const Array*> from = arrays();
    return all_there(from) ? find(family_, elements_, dtype, from) : std::nullopt;
}

std::optional<NonFinite> FormulaNode::non_finite_gradient(std::size_t i, const Array& g) const {
    std::vector<const Array*> from = arrays();
    if (!all_there(from)) return std::nullopt;
    const NoGrad constant;
    const Array of_each = factor_ == 1 ? g : (factor_ * Variable(g)).array();
    from.push_back(&of_each);
    return find(family_->gradient(std::uint64_t{1} << i, false), elements_, dtype, from);
}

}  // namespace xtape
