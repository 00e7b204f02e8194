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
    Fused fused;
    fused.name_ = name_;
    fused.where_ = where_;
    fused.family_ = cache.family_of(trace_->builder().finish({result.number}));
    trace_.reset();
    fused.arguments_ = std::move(arguments_);
    if (!recording())
        for (Variable& x : fused.arguments_) x = x.detach();
    fused.shape_ = shape_;
    fused.dtype_ = dtype_;
    return fused;
}

Fused ElementwiseCall::finish(const Symbol& result, FormulaCache& cache) { return finish(result.traced(), cache); }
Fused ElementwiseCall::finish(const Condition& result, FormulaCache& cache) { return finish(result.traced(), cache); }
Fused ElementwiseCall::finish(double result, FormulaCache& cache) {
    return finish(trace_->value(trace_->builder().constant(result, where_)), cache);
}

}  // namespace detail

Operand::Operand(const Fused& fused, Where where) : Operand(fused.variable(), where) {}

Index Fused::shape(Index axis, Where where) const { return shape_[shapes::axis("shape", axis, rank(), where)]; }

bool Fused::requires_grad() const {
    return std::any_of(arguments_.begin(), arguments_.end(), [](const Variable& x) { return x.requires_grad(); });
}

const Variable& Fused::variable() const {
    // What a NoGrad let pass unrecorded is worked out again for whoever asks outside of it.
    if (!value_ || (recording() && requires_grad() && !value_.requires_grad())) value_ = evaluate();
    return value_;
}

Variable Fused::evaluate() const { return apply(name_, where_, family_, arguments_, shape_); }

Variable Fused::reduce(bool divide, Axes axes, bool keepdims, Where where) const {
    const char* const op = divide ? "mean" : "sum";
    const bool all = shapes::axes(op, axes, rank(), where).rank() == rank();
    if (!all || value_ || KeepOutputs::active()) {
        return divide ? mean(variable(), axes, keepdims, where) : sum(variable(), axes, keepdims, where);
    }
    const char* const name = family_->named(divide ? mean_of : sum_of, name_);
    const double factor = divide ? 1 / static_cast<double>(size()) : 1;
    Variable y = apply_sum(name, where, family_, arguments_, shape_, factor);
    return keepdims ? reshape(std::move(y), Shape::filled(rank(), 1), where) : y;
}

Variable sum(const Fused& x, Axes axes, bool keepdims, Where where) { return x.reduce(false, axes, keepdims, where); }
Variable mean(const Fused& x, Axes axes, bool keepdims, Where where) { return x.reduce(true, axes, keepdims, where); }

}  // namespace xtape
