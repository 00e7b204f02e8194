#include <xtape/autograd/ops/formula_node.hpp>

#include <algorithm>
#include <cmath>
#include <string>

#include <fmt/format.h>

#include <xtape/autograd/elementwise.hpp>
#include <xtape/autograd/kernels/map.hpp>
#include <xtape/autograd/lasting_name.hpp>
#include <xtape/autograd/mathematics.hpp>
#include <xtape/autograd/ops.hpp>

namespace xtape {

using kernels::FormulaOutput;

std::shared_ptr<const FormulaFamily> FormulaFamily::gradient(std::uint64_t wanted, bool with_value) const {
    if (formula().arguments() >= 64) throw ValueError("elementwise: derivatives of too high an order");
    std::lock_guard lock(mutex_);
    for (const Derived& there : derived_)
        if (there.wanted == wanted && there.with_value == with_value) return there.family;
    std::vector<bool> list(formula().arguments());
    for (std::size_t k = 0; k < list.size(); ++k) list[k] = (wanted >> k & 1) != 0;
    derived_.push_back(
        {wanted, with_value, std::make_shared<const FormulaFamily>(gradient_of(formula(), list, with_value))});
    return derived_.back().family;
}

const char* FormulaFamily::named(const char* beginning, const char* name) const {
    std::lock_guard lock(mutex_);
    for (const Name& there : names_)
        if (there.beginning == beginning && there.name == name) return there.both;
    names_.push_back({beginning, name, detail::lasting_name(std::string(beginning) + name)});
    return names_.back().both;
}

FormulaNode::FormulaNode(const char* op, Where at, const Shape& output_shape, DType output_dtype,
                         std::shared_ptr<const FormulaFamily> family, std::vector<Variable> inputs,
                         const Shape& elements, double factor)
    : Node(op, at, output_shape, output_dtype, newest(inputs)),
      family_(std::move(family)),
      inputs_(std::move(inputs)),
      elements_(elements),
      factor_(factor) {
    keeps(inputs_.data(), inputs_.size());
}

std::uint64_t FormulaNode::mask_of(const bool* wanted) const {
    std::uint64_t mask = 0;
    for (std::size_t i = 0; i < inputs_.size(); ++i)
        if (wanted[i]) mask |= std::uint64_t{1} << i;
    return mask;
}

/// Whether argument i is one number for many elements: its gradient is a sum.
bool FormulaNode::is_number(std::size_t i) const { return inputs_[i].size() == 1 && elements_.count() != 1; }

std::vector<const Array*> FormulaNode::arrays() const {
    std::vector<const Array*> list;
    list.reserve(inputs_.size() + 1);
    for (const Variable& x : inputs_) list.push_back(&x.array());
    return list;
}

Variable FormulaNode::in_shape_of(std::size_t i, FormulaOutput&& made) const {
    const Shape& wanted = inputs_[i].shape();
    if (made.summed) return Variable(Array::filled(wanted, inputs_[i].dtype(), made.total));
    if (made.array.shape() == wanted) return Variable(std::move(made.array));
    return sum_to(Variable(std::move(made.array)), wanted, where);
}

namespace {

/// A formula's text; empty where that would be too long to be read.
std::string in_one_line(const Formula& formula, const std::vector<std::string>& x, bool latex) {
    constexpr std::size_t readable = 100, readable_latex = 200;
    const std::string text = latex ? to_latex(formula, x, readable_latex) : to_string(formula, x, readable);
    return text.find('\n') == std::string::npos && text.size() <= 2 * readable_latex ? text : "";
}

}  // namespace

std::string FormulaNode::value(const std::vector<std::string>& x, bool latex) const {
    if (std::string text = in_one_line(formula(), x, latex); !text.empty()) return text;
    std::string list;
    for (const std::string& each : x) list += (list.empty() ? "" : ", ") + each;
    return fmt::format("{}({})", latex ? mathematics::latex(name) : name, list);
}

std::string FormulaNode::slope(std::size_t p, const std::vector<std::string>& x, const std::string& y,
                               bool latex) const {
    if (std::string text = in_one_line(slope_of(formula(), p), x, latex); !text.empty()) return text;
    return fmt::format(latex ? "\\frac{{\\partial {}}}{{\\partial {}}}" : "∂{}/∂{}", y, x[p]);
}

void FormulaNode::pull_plain(Array g, const bool* wanted, Variable* out) const {
    const auto gradient = family_->gradient(mask_of(wanted), false);
    std::vector<FormulaOutput> made(gradient->formula().outputs().size());
    std::size_t o = 0;
    for (std::size_t i = 0; i < inputs_.size(); ++i)
        if (wanted[i]) made[o++].summed = is_number(i);
    std::vector<const Array*> from = arrays();
    from.push_back(&g);
    gradient->kernel().run(elements_, g.dtype(), from, made, &g);
    o = 0;
    for (std::size_t i = 0; i < inputs_.size(); ++i)
        if (wanted[i]) out[i] = in_shape_of(i, std::move(made[o++]));
}

void FormulaNode::pull_recorded(const Variable& g, const bool* wanted, Variable* out) const {
    const char* const gradient_name = family_->named(gradient_of_name, name);
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
        if (!wanted[i]) continue;
        const auto gradient = family_->gradient(std::uint64_t{1} << i, false);
        std::vector<Variable> from = inputs_;
        from.push_back(g);
        const Shape& shape_of_input = inputs_[i].shape();
        if (is_number(i))
            out[i] = reshape(apply_sum(gradient_name, where, gradient, std::move(from), elements_, 1), shape_of_input,
                             where);
        else
            out[i] = sum_to(apply(gradient_name, where, gradient, std::move(from), elements_), shape_of_input, where);
    }
}

namespace {

/// The formula at each element.
class ElementwiseNode final : public FormulaNode {
public:
    using FormulaNode::FormulaNode;

    const SelfPrinting* self_printing() const override { return this; }

    void pull(Variable g, const bool* wanted, Variable* out) override {
        if (freed) detail::throw_freed(*this);
        if (recording())
            pull_recorded(g, wanted, out);
        else
            pull_plain(std::move(g).array(), wanted, out);
    }
};

/// A multiple of the sum of its elements. The derivatives were worked out in the pass that added up.
class SumNode final : public FormulaNode {
public:
    SumNode(const char* op, Where at, DType output_dtype, std::shared_ptr<const FormulaFamily> family,
            std::vector<Variable> inputs, const Shape& elements, double factor)
        : FormulaNode(op, at, {}, output_dtype, std::move(family), std::move(inputs), elements, factor) {}

    /// Evaluates; the derivatives stay here.
    double run() {
        std::uint64_t wanted = 0;
        for (std::size_t i = 0; i < inputs_.size(); ++i)
            if (inputs_[i].requires_grad()) wanted |= std::uint64_t{1} << i;
        const auto gradient = family_->gradient(wanted, true);
        std::vector<FormulaOutput> made(gradient->formula().outputs().size());
        made[0].summed = true;
        std::size_t o = 1;
        for (std::size_t i = 0; i < inputs_.size(); ++i)
            if (inputs_[i].requires_grad()) made[o++].summed = is_number(i);
        const Array of_each = Array::scalar(factor_, dtype);
        std::vector<const Array*> from = arrays();
        from.push_back(&of_each);
        gradient->kernel().run(elements_, dtype, from, made);
        slopes_.resize(inputs_.size());
        o = 1;
        const NoGrad constant;
        for (std::size_t i = 0; i < inputs_.size(); ++i)
            if (inputs_[i].requires_grad()) slopes_[i] = in_shape_of(i, std::move(made[o++])).array();
        return made[0].total;
    }

    void pull(Variable g, const bool* wanted, Variable* out) override {
        if (freed) detail::throw_freed(*this);
        if (recording()) return pull_recorded(factor_ == 1 ? g : g * factor_, wanted, out);
        std::lock_guard lock(mutex_);  // several threads may walk over one tape
        const double wanted_for = g.array().at(0);
        if (wanted_for != slopes_for_ && slopes_for_ == 1) scale(wanted_for);
        if (wanted_for != slopes_for_) return pull_plain(Array::scalar(wanted_for * factor_, dtype), wanted, out);
        for (std::size_t i = 0; i < inputs_.size(); ++i)
            if (wanted[i]) out[i] = Variable(slopes_[i]);
    }

    void free() override {
        Node::free();
        slopes_.clear();
    }

    void keep(Kept& kept) const override {
        Node::keep(kept);
        for (const Array& slope : slopes_)
            if (slope) kept.add(slope);
    }

private:
    /// Makes the slopes those for g, unless somebody has been given one of them.
    void scale(double g) {
        const auto given = [](const Array& slope) { return slope && !slope.unique(); };
        if (std::any_of(slopes_.begin(), slopes_.end(), given)) return;
        for (Array& slope : slopes_)
            if (slope)
                kernels::map_into(
                    slope, [g](auto v) { return v * kernels::like(v, g); }, slope);
        slopes_for_ = g;
    }

    std::mutex mutex_;
    std::vector<Array> slopes_;  ///< by argument; empty where there is no gradient
    double slopes_for_ = 1;      ///< the output's gradient for which they are right
};

bool records(const std::vector<Variable>& arguments) {
    return recording() &&
           std::any_of(arguments.begin(), arguments.end(), [](const Variable& x) { return x.requires_grad(); });
}

std::vector<const Array*> arrays_of(const std::vector<Variable>& arguments) {
    std::vector<const Array*> list;
    list.reserve(arguments.size());
    for (const Variable& x : arguments) list.push_back(&x.array());
    return list;
}

}  // namespace

Variable apply(const char* name, Where where, std::shared_ptr<const FormulaFamily> family,
               std::vector<Variable> arguments, const Shape& shape, std::uint64_t number) {
    const DType dtype = arguments.empty() ? float32 : arguments[0].dtype();
    std::vector<FormulaOutput> made(1);
    family->kernel().run(shape, dtype, arrays_of(arguments), made);
    Array y = std::move(made[0].array);
    if (!records(arguments)) return Variable(std::move(y));
    NodePtr node(new ElementwiseNode(name, where, shape, dtype, std::move(family), std::move(arguments), shape));
    if (number) node->number = number;
    if (detail::looked_at()) detail::tell_recorded(*node, y);
    return Variable(std::move(y), std::move(node));
}

Variable apply_sum(const char* name, Where where, std::shared_ptr<const FormulaFamily> family,
                   std::vector<Variable> arguments, const Shape& shape, double factor) {
    const DType dtype = arguments.empty() ? float32 : arguments[0].dtype();
    if (!records(arguments)) {
        std::vector<FormulaOutput> made(1);
        made[0].summed = true;
        family->kernel().run(shape, dtype, arrays_of(arguments), made);
        return Variable(Array::scalar(made[0].total * factor, dtype));
    }
    auto* const sum = new SumNode(name, where, dtype, std::move(family), std::move(arguments), shape, factor);
    NodePtr node(sum);
    Array y = Array::scalar(sum->run() * factor, dtype);
    if (detail::looked_at()) detail::tell_recorded(*node, y);
    return Variable(std::move(y), std::move(node));
}

}  // namespace xtape
