#include <xtape/autograd/elementwise.hpp>

#include <algorithm>
#include <mutex>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/ops/binary.hpp>
#include <xtape/autograd/ops/formula_node.hpp>
#include <xtape/autograd/ops/formula_trace.hpp>

/// Calls of elementwise operations.
namespace xtape {

namespace detail {

class FormulaCache {
public:
    std::shared_ptr<const FormulaFamily> family_of(Formula formula) {
        std::lock_guard lock(mutex_);
        for (std::size_t i = 0; i < recent_.size(); ++i) {
            if (!(recent_[i]->formula() == formula)) continue;
            std::rotate(recent_.begin(), recent_.begin() + static_cast<std::ptrdiff_t>(i),
                        recent_.begin() + static_cast<std::ptrdiff_t>(i) + 1);
            return recent_.front();
        }
        if (recent_.size() == most) recent_.pop_back();
        recent_.insert(recent_.begin(), std::make_shared<const FormulaFamily>(std::move(formula)));
        return recent_.front();
    }

private:
    static constexpr std::size_t most = 4;

    std::mutex mutex_;
    std::vector<std::shared_ptr<const FormulaFamily>> recent_;  ///< the latest first
};

std::shared_ptr<FormulaCache> make_formula_cache() { return std::make_shared<FormulaCache>(); }

namespace {

/// All in one dtype, as operations of two have it.
void match_all(const char* op, std::vector<Variable>& arguments, Where where) {
    const auto differs = [&](const Variable& x) { return x.dtype() != arguments[0].dtype(); };
    if (std::none_of(arguments.begin(), arguments.end(), differs)) return;
    for (int pass = 0; pass < 2; ++pass)  // what the first was cast for meets those before it in the second
        for (std::size_t i = 1; i < arguments.size(); ++i) match_dtypes(op, arguments[0], arguments[i], where);
}

}  // namespace

ElementwiseCall::ElementwiseCall(const char* name, Operand* operands, std::size_t count)
    : name_(name), where_(operands[0].where()) {
    std::array<double, most> numbers{};
    std::array<bool, most> is_array{};
    arguments_.reserve(count + 1);
    for (std::size_t i = 0; i < count; ++i) {
        is_array[i] = !operands[i].is_scalar();
        if (is_array[i])
            arguments_.push_back(std::move(operands[i]).variable());
        else
            numbers[i] = operands[i].scalar();
    }
    if (!arguments_.empty()) {
        match_all(name, arguments_, where_);
        shape_ = arguments_[0].shape();
        dtype_ = arguments_[0].dtype();
        for (const Variable& x : arguments_)
            if (x.shape() != shape_) shape_ = shapes::broadcast(name, shape_, x.shape(), where_);
    }
    trace_ = std::make_unique<FormulaTrace>(arguments_.size());
    FormulaBuilder::Number next = 0;
    for (std::size_t i = 0; i < count; ++i)
        symbols_[i] = trace_->value(is_array[i] ? next++ : trace_->builder().constant(numbers[i], where_));
}

ElementwiseCall::~ElementwiseCall() = default;

Fused ElementwiseCall::finish(TracedValue result, FormulaCache& cache) {
    if (result.trace != trace_->id())
        throw Error("elementwise: the lambda returned a symbol that it was not handed", where_);
    auto family = cache.family_of(trace_->builder().finish({result.number}));
    trace_.reset();
    if (!recording())
        for (Variable& x : arguments_) x = x.detach();
    const std::uint64_t number = Node::next_number(Node::newest(arguments_));
    return Fused({name_, where_, std::move(family), std::move(arguments_), shape_, dtype_, number, {}});
}

Fused ElementwiseCall::finish(const Symbol& result, FormulaCache& cache) { return finish(result.traced(), cache); }
Fused ElementwiseCall::finish(const Condition& result, FormulaCache& cache) { return finish(result.traced(), cache); }
Fused ElementwiseCall::finish(double result, FormulaCache& cache) {
    return finish(trace_->value(trace_->builder().constant(result, where_)), cache);
}

}  // namespace detail

Operand::Operand(const Fused& fused, Where where) : Operand(fused.variable(), where) {}

Index Fused::shape(Index axis, Where where) const { return shape()[shapes::axis("shape", axis, rank(), where)]; }

bool Fused::requires_grad() const {
    const auto& arguments = call_->arguments;
    return std::any_of(arguments.begin(), arguments.end(), [](const Variable& x) { return x.requires_grad(); });
}

const Variable& Fused::variable() const {
    // What a NoGrad let pass unrecorded is worked out again for whoever asks outside of it.
    if (Call& f = *call_; !f.value || (recording() && requires_grad() && !f.value.requires_grad()))
        f.value = apply(f.name, f.where, f.family, f.arguments, f.shape, f.number);
    return call_->value;
}

Variable Fused::reduce(bool divide, Axes axes, bool keepdims, Where where) const {
    const Call& f = *call_;
    const char* const op = divide ? "mean" : "sum";
    const bool all = shapes::axes(op, axes, rank(), where).rank() == rank();
    // What is run twice must not depend on whether somebody asked for the value in between.
    if (!all || f.value || KeepOutputs::active() || Border::hides(f.number)) {
        return divide ? mean(variable(), axes, keepdims, where) : sum(variable(), axes, keepdims, where);
    }
    const char* const name = f.family->named(divide ? mean_of : sum_of, f.name);
    const double factor = divide ? 1 / static_cast<double>(size()) : 1;
    Variable y = apply_sum(name, where, f.family, f.arguments, f.shape, factor);
    return keepdims ? reshape(std::move(y), Shape::filled(rank(), 1), where) : y;
}

Variable sum(const Fused& x, Axes axes, bool keepdims, Where where) { return x.reduce(false, axes, keepdims, where); }
Variable mean(const Fused& x, Axes axes, bool keepdims, Where where) { return x.reduce(true, axes, keepdims, where); }

}  // namespace xtape
