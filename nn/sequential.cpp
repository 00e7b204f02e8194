#include <xtape/nn/sequential.hpp>

#include <typeinfo>

#include <fmt/format.h>

#include <xtape/autograd/checkpoint.hpp>
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

/// How many steps from `first` on are one operation together; 1 if it stands alone.
std::size_t merged_with(const std::vector<Step>& steps, std::size_t first) {
    if (first + 1 >= steps.size()) return 1;
    // A further layer asks for a sigmoid's value only; a loss or whoever called may recognise it by its argument.
    if (steps[first + 1].function() == sigmoid)
        return first + 2 < steps.size() && exactly<Linear>(steps[first]) && exactly<Linear>(steps[first + 2]) ? 2 : 1;
    if (steps[first + 1].function() != relu) return 1;
    if (exactly<Linear>(steps[first])) return 2;
    if (!exactly<Conv2d>(steps[first]) && !exactly<BatchNorm2d>(steps[first])) return 1;
    const auto* pool = first + 2 < steps.size() ? exactly<MaxPool2d>(steps[first + 2]) : nullptr;
    return pool && pool->halves() ? 3 : 2;
}

/// Calls what merged_with() has counted.
Variable call_merged(const std::vector<Step>& steps, std::size_t first, std::size_t count, Variable x, Where where) {
    const PartScope scope(steps[first].module(), [&] {
        std::string text = fmt::format("{}: {}", first, steps[first].describe());
        for (std::size_t i = first + 1; i < first + count; ++i) text += " + " + steps[i].describe();
        return text;
    });
    if (const auto* linear = exactly<Linear>(steps[first]))
        return steps[first + 1].function() == sigmoid ? linear->with_sigmoid(std::move(x), where)
                                                      : linear->with_relu(std::move(x), where);
    const auto call_with = [&](auto& layer) {
        return count == 3 ? layer.with_relu_max_pool(std::move(x), where) : layer.with_relu(std::move(x), where);
    };
    if (const auto* convolution = exactly<Conv2d>(steps[first])) return call_with(*convolution);
    return call_with(*exactly<BatchNorm2d>(steps[first]));
}

}  // namespace

Variable Sequential::run(std::size_t first, std::size_t last, Variable x, Where where) {
    CallLog* log = CallLog::current();
    const bool one_by_one = log || KeepOutputs::active();  // somebody looks at each step by itself
    for (std::size_t i = first; i < last; ++i) {
        if (const std::size_t count = one_by_one ? 1 : merged_with(steps_, i); count > 1) {
            try {
                x = call_merged(steps_, i, count, x, where);
                i += count - 1;
                continue;
            } catch (const Error&) {
                // Called one by one they say which step it was.
            }
        }
        const std::size_t noted = log ? log->calls.size() : 0;
        x = call(steps_[i], i, std::move(x), where);
        if (log && log->calls.size() == noted)  // a function, or a module of which no layer spoke up
            log->calls.push_back({steps_[i].module(), this, i, steps_[i].describe(), x.shape()});
    }
    return x;
}

Variable Sequential::operator()(Variable x, Where where) { return run(0, steps_.size(), std::move(x), where); }

Variable checkpoint_sequential(Sequential& net, Index segments, Variable x, Where where) {
    if (segments < 1 || segments > net.size())
        throw ValueError(fmt::format("checkpoint_sequential: segments must be in [1, {}], one for each step: {}",
                                     net.size(), segments),
                         where);
    if (CallLog::current()) return net(std::move(x), where);
    const auto size = net.steps_.size(), parts = static_cast<std::size_t>(segments);
    std::size_t first = 0, last = 0;
    for (std::size_t part = 1; part < parts; ++part) {
        while (last < part * size / parts) last += merged_with(net.steps_, last);  // what is merged stays together
        const auto segment = [&net, first, last, where](const Variable& v) { return net.run(first, last, v, where); };
        if (first < last) x = checkpoint(Repeatable<1>(segment, where), x);
        first = last;
    }
    return net.run(first, size, std::move(x), where);
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
