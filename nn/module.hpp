#pragma once

#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <xtape/autograd/part.hpp>
#include <xtape/autograd/variable_names.hpp>

/// Modules: things with named parameters. A module lists its members once, in `visit`; everything else derives from
/// that.
namespace xtape::nn {

class Module;

/// What optimisers take.
using ParameterList = std::vector<ParameterRef>;
/// Names such as "conv1.weight" with parameters.
using xtape::NamedParameters;
/// Names such as "conv1.weight" with values.
using NamedArrays = std::vector<std::pair<std::string, Array>>;

/// Goes over the members that a module lists. Members without a value (a layer without bias) are passed over.
class Visitor {
public:
    virtual ~Visitor() = default;

    /// Trained by optimisers; saved.
    void operator()(std::string_view name, Parameter& parameter);
    /// Changes otherwise, as running statistics do; saved.
    void operator()(std::string_view name, Array& buffer);
    /// train() and eval() set the flags called "training". Not saved.
    void operator()(std::string_view name, bool& flag);
    /// A module within the module; its members' names begin with its own: "conv1.weight".
    void operator()(std::string_view name, Module& module);
    /// A list of any of these: "name.0", "name.1", ...
    template <class Member>
    void operator()(std::string_view name, std::vector<Member>& members) {
        for (std::size_t i = 0; i < members.size(); ++i)
            (*this)(std::string(name) + "." + std::to_string(i), members[i]);
    }

protected:
    /// Called with full names.
    virtual void parameter(const std::string&, Parameter&) {}
    virtual void buffer(const std::string&, Array&) {}
    virtual void flag(const std::string&, bool&) {}
    virtual void module(const std::string& name, Module& module) { descend(name, module); }

    /// Visits the members of a module that is called `name`.
    void descend(const std::string& name, Module& module);

private:
    std::string full(std::string_view name) const;

    std::string prefix_;
};

/// Base of layers, containers and the user's own networks:
///
///     struct Net : nn::Module {
///         nn::Conv2d conv{1, 32, 3};
///         nn::Linear head{32 * 26 * 26, 10};
///         Variable operator()(const Variable& x) { return head(flatten(relu(conv(x)), 1)); }
///         void visit(nn::Visitor& v) override { v("conv", conv), v("head", head); }
///     };
///
/// A module is a value: a copy has parameters of its own. Parameters keep their identity when a module moves, so an
/// optimiser stays connected; assigning a module gives it new ones.
class Module {
public:
    virtual ~Module() = default;

    /// Lists every parameter, buffer, flag and submodule once, and does nothing else.
    virtual void visit(Visitor& v) = 0;

    /// One line, as a constructor call: "Linear(3136, 128)". By default the name of the class.
    virtual std::string describe() const;
    /// describe() of the module and, indented, of all within it.
    virtual std::string tree() const;

    /// All parameters in the order they are listed, each once.
    ParameterList parameters();
    NamedParameters named_parameters();
    /// Number of trained numbers.
    Index parameter_count() const;
    /// Parameters and buffers with their present values: what is saved.
    NamedArrays state() const;

    /// Says whether it is trained or used: dropout and batch normalisation behave differently. Has nothing to do with
    /// recording, see NoGrad.
    void train(bool training = true);
    void eval() { train(false); }

    /// Drops the gradients that backward() has added up.
    void zero_grad();
    /// Casts parameters and buffers. Makes new parameters, so call it before giving them to an optimiser.
    void to(DType dtype);

protected:
    Module() = default;
    Module(const Module&) = default;
    Module(Module&&) = default;
    Module& operator=(const Module&) = default;
    Module& operator=(Module&&) = default;

    /// What a layer's call begins with, so that an Observer sees which operations belong to it:
    /// `const auto scope = calling();`
    PartScope calling() const {
        return PartScope(this, [this] { return describe(); });
    }
    /// What a layer returns its result through, so that summary() sees it.
    Variable called(Variable y) const;
};

/// Visits a module that must not change: v only reads.
void visit(const Module& module, Visitor& v);

std::string to_string(const Module& module);
std::ostream& operator<<(std::ostream& out, const Module& module);

}  // namespace xtape::nn
