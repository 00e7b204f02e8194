#include <xtape/nn/module.hpp>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <ostream>
#include <typeinfo>

#include <cxxabi.h>

#include <xtape/nn/calls.hpp>

namespace xtape::nn {

// ------------------------------------------------------------------------------------------------------------- visitor

std::string Visitor::full(std::string_view name) const { return prefix_ + std::string(name); }

void Visitor::operator()(std::string_view name, Parameter& member) {
    if (member) parameter(full(name), member);
}

void Visitor::operator()(std::string_view name, Array& member) {
    if (member) buffer(full(name), member);
}

void Visitor::operator()(std::string_view name, bool& member) { flag(full(name), member); }

void Visitor::operator()(std::string_view name, Module& member) { module(full(name), member); }

void Visitor::descend(const std::string& name, Module& member) {
    std::string outer = std::exchange(prefix_, name + ".");
    member.visit(*this);
    prefix_ = std::move(outer);
}

namespace {

/// Collects the parameters; one listed twice counts once.
struct ParameterCollector : Visitor {
    NamedParameters found;

    void parameter(const std::string& name, Parameter& parameter) override {
        const auto known = [&](const auto& other) { return other.second.node() == parameter.node(); };
        if (std::none_of(found.begin(), found.end(), known)) found.emplace_back(name, parameter);
    }
};

struct StateCollector : Visitor {
    NamedArrays found;

    void parameter(const std::string& name, Parameter& parameter) override {
        found.emplace_back(name, parameter.array());
    }
    void buffer(const std::string& name, Array& buffer) override { found.emplace_back(name, buffer); }
};

struct TrainingSetter : Visitor {
    bool training;

    explicit TrainingSetter(bool to) : training(to) {}
    void flag(const std::string& name, bool& flag) override {
        if (name.substr(name.rfind('.') + 1) == "training") flag = training;
    }
};

struct Caster : Visitor {
    DType dtype;

    explicit Caster(DType to) : dtype(to) {}
    void parameter(const std::string&, Parameter& parameter) override {
        if (parameter.dtype() != dtype) parameter = Parameter(parameter.array().astype(dtype));
    }
    void buffer(const std::string&, Array& buffer) override { buffer = buffer.astype(dtype); }
};

/// Prints the modules directly within one, indented.
struct TreePrinter : Visitor {
    std::string text;

    void module(const std::string& name, Module& module) override { text += "\n  (" + name + "): " + indented(module); }

    static std::string indented(const Module& module) {
        std::string text;
        for (const char c : module.tree()) {
            text += c;
            if (c == '\n') text += "  ";
        }
        return text;
    }
};

}  // namespace

// -------------------------------------------------------------------------------------------------------------- module

void visit(const Module& module, Visitor& v) { const_cast<Module&>(module).visit(v); }

std::string Module::describe() const {
    int status = 0;
    const std::unique_ptr<char, void (*)(void*)> name(
        abi::__cxa_demangle(typeid(*this).name(), nullptr, nullptr, &status), std::free);
    if (status != 0) return "Module";
    const std::string text(name.get());
    const std::size_t scope = text.rfind("::", text.find('<'));
    return scope == std::string::npos ? text : text.substr(scope + 2);
}

std::string Module::tree() const {
    TreePrinter printer;
    nn::visit(*this, printer);
    return printer.text.empty() ? describe() : describe() + "(" + printer.text + "\n)";
}

NamedParameters Module::named_parameters() {
    ParameterCollector collector;
    visit(collector);
    return std::move(collector.found);
}

ParameterList Module::parameters() {
    ParameterList list;
    for (const auto& [name, parameter] : named_parameters()) list.push_back(parameter);
    return list;
}

Index Module::parameter_count() const {
    ParameterCollector collector;
    nn::visit(*this, collector);
    Index count = 0;
    for (const auto& [name, parameter] : collector.found) count += parameter.shape().count();
    return count;
}

NamedArrays Module::state() const {
    StateCollector collector;
    nn::visit(*this, collector);
    return std::move(collector.found);
}

void Module::train(bool training) {
    TrainingSetter setter(training);
    visit(setter);
}

void Module::zero_grad() {
    for (const ParameterRef& parameter : parameters()) parameter.zero_grad();
}

void Module::to(DType dtype) {
    Caster caster(dtype);
    visit(caster);
}

Variable Module::called(Variable y) const {
    if (CallLog* log = CallLog::current()) log->calls.push_back({this, nullptr, 0, describe(), y.shape()});
    return y;
}

std::string to_string(const Module& module) { return module.tree(); }
std::ostream& operator<<(std::ostream& out, const Module& module) { return out << module.tree(); }

// ------------------------------------------------------------------------------------------------------------ call log

namespace {
thread_local CallLog* innermost = nullptr;
}

CallLog::CallLog() : outer_(std::exchange(innermost, this)) {}
CallLog::~CallLog() { innermost = outer_; }
CallLog* CallLog::current() { return innermost; }

}  // namespace xtape::nn
