#include <xtape/nn/sequential.hpp>

#include <typeinfo>

#include <fmt/format.h>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/ops/recognise.hpp>
#include <xtape/nn/calls.hpp>
#include <xtape/nn/convolution.hpp>
#include <xtape/nn/linear.hpp>
#include <xtape/nn/normalization.hpp>
#include <xtape/nn/pooling.hpp>

namespace xtape::nn {

std::string Step::describe() const { return held_->describe(); }

std::string Step::name_of_function(Function function) {
    // One table of all element-wise operations that take nothing but an array.
    static const std::pair<Function, const char*> known[] = {
        {negative, "negative"}, {abs, "abs"},
        {sign, "sign"},         {square, "square"},
        {sqrt, "sqrt"},         {reciprocal, "reciprocal"},
        {exp, "exp"},           {expm1, "expm1"},
        {log, "log"},           {log1p, "log1p"},
        {sin, "sin"},           {cos, "cos"},
        {tanh, "tanh"},         {sigmoid, "sigmoid"},
        {relu, "relu"},         {log_sigmoid, "log_sigmoid"},
        {gelu, "gelu"},         {softplus, "softplus"},
        {erf, "erf"},           {heaviside, "heaviside"},
    };
    for (const auto& [known_function, name] : known)
        if (known_function == function) return name;
    return "function";
}

Sequential::Sequential(std::initializer_list<Step> steps) {
    const auto* only = steps.size() == 1 ? dynamic_cast<const Sequential*>(steps.begin()->module()) : nullptr;
    if (only)
        steps_ = only->steps_;
    else
        steps_.assign(steps.begin(), steps.end());
}

namespace {

/// The text of a step's error with the step in it, before the user's line if that is there.
std::string with_layer(const char* what, std::size_t position, const Step& step) {
    std::string text(what);
    const std::size_t at = std::min(text.rfind("\n  recorded at "), text.size());
    return text.insert(at, fmt::format("\n  in layer {}: {}", position, step.describe()));
}

Variable call(Step& step, std::size_t position, Variable x, Where where) {
    const PartScope scope(step.module() ? static_cast<const void*>(step.module()) : &step,
                          [&] { return fmt::format("{}: {}", position, step.describe()); });
    try {
        return step(std::move(x), where);
    } catch (const ShapeError& error) {
        throw ShapeError(with_layer(error.what(), position, step));
    } catch (const DtypeError& error) {
        throw DtypeError(with_layer(error.what(), position, step));
    } catch (const ValueError& error) {
        throw ValueError(with_layer(error.what(), position, step));
    }
}

/// The layer, if it is of this class and not of a derived one, which may do something else.
template <class Layer>
Layer* exactly(const Step& step) {
    Module* module = step.module();
    return module && typeid(*module) == typeid(Layer) ? static_cast<Layer*>(module) : nullptr;
}

/// Calls the steps from `first` on that are one operation together. Says how many those were, 0 if there are none.
std::size_t call_merged(const std::vector<Step>& steps, std::size_t first, Variable& x, Where where) {
    // Whoever keeps outputs looks at each step by itself.
    if (first + 1 >= steps.size() || KeepOutputs::active()) return 0;
    const auto label = [&](std::size_t count) {
        return [&steps, first, count] {
            std::string text = fmt::format("{}: {}", first, steps[first].describe());
            for (std::size_t i = first + 1; i < first + count; ++i) text += " + " + steps[i].describe();
            return text;
        };
    };
    try {
        // A further layer asks for a sigmoid's value only; a loss or whoever called may recognise it by its argument.
        if (first + 2 < steps.size() && steps[first + 1].function() == sigmoid && exactly<Linear>(steps[first + 2])) {
            const auto* linear = exactly<Linear>(steps[first]);
            if (!linear) return 0;
            const PartScope scope(linear, label(2));
            x = linear->with_sigmoid(x, where);
            return 2;
        }
        if (steps[first + 1].function() != relu) return 0;
        if (const auto* linear = exactly<Linear>(steps[first])) {
            const PartScope scope(linear, label(2));
            x = linear->with_relu(x, where);
            return 2;
        }
        const auto* pool = first + 2 < steps.size() ? exactly<MaxPool2d>(steps[first + 2]) : nullptr;
        const bool pooled = pool && pool->halves();
        const auto call_with = [&](auto& layer) {
            const PartScope scope(&layer, label(pooled ? 3 : 2));
            x = pooled ? layer.with_relu_max_pool(x, where) : layer.with_relu(x, where);
            return std::size_t{pooled ? 3U : 2U};
        };
        if (const auto* convolution = exactly<Conv2d>(steps[first])) return call_with(*convolution);
        if (auto* normalization = exactly<BatchNorm2d>(steps[first])) return call_with(*normalization);
    } catch (const Error&) {
        // Called one by one they say which step it was.
    }
    return 0;
}

}  // namespace

Variable Sequential::operator()(Variable x, Where where) {
    CallLog* log = CallLog::current();
    for (std::size_t i = 0; i < steps_.size(); ++i) {
        if (!log) {
            if (const std::size_t merged = call_merged(steps_, i, x, where)) {
                i += merged - 1;
                continue;
            }
        }
        const std::size_t noted = log ? log->calls.size() : 0;
        x = call(steps_[i], i, std::move(x), where);
        if (log && log->calls.size() == noted)  // a function, or a module of which no layer spoke up
            log->calls.push_back({steps_[i].module(), this, i, steps_[i].describe(), x.shape()});
    }
    return x;
}

void Sequential::visit(Visitor& v) {
    for (std::size_t i = 0; i < steps_.size(); ++i)
        if (Module* module = steps_[i].module()) v(std::to_string(i), *module);
}

std::string Sequential::tree() const {
    std::string text = "Sequential(";
    for (std::size_t i = 0; i < steps_.size(); ++i) {
        const Module* module = steps_[i].module();
        text += fmt::format("\n  ({}): ", i);
        for (const char c : module ? module->tree() : steps_[i].describe()) {
            text += c;
            if (c == '\n') text += "  ";
        }
    }
    return text + (steps_.empty() ? ")" : "\n)");
}

Module* Sequential::module_at(Index position) const {
    return position >= 0 && position < size() ? steps_[static_cast<std::size_t>(position)].module() : nullptr;
}

void Sequential::throw_no_such_layer(Index position, Where where) const {
    if (position < 0 || position >= size())
        throw ValueError(fmt::format("Sequential: the position must be in [0, {}): {}", size(), position), where);
    throw ValueError(fmt::format("Sequential: not a layer of the type asked for: {} at position {}",
                                 steps_[static_cast<std::size_t>(position)].describe(), position),
                     where);
}

}  // namespace xtape::nn
