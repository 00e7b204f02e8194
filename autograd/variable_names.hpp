#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include <xtape/autograd/variable.hpp>

/// What users call things, for everything that prints: tables and pictures of a tape, derivations, errors.
namespace xtape {

/// Parameters with names: what nn::Module::named_parameters() gives, or `{{"W", W}, {"b", b}}`.
using NamedParameters = std::vector<std::pair<std::string, ParameterRef>>;

/// What parameters, constants and anything recorded are called. It keeps the node of a thing alive and no value, of a constant
/// its elements, so that nothing else gets their place.
class VariableNames {
public:
    VariableNames() = default;
    VariableNames(const NamedParameters& parameters);
    /// As add() for each.
    VariableNames(std::initializer_list<std::pair<const char*, Variable>> names, Where where = Where::here());

    /// A later thing of the same name takes it over. Throws ValueError without a value or a name.
    void add(const std::string& name, const Variable& x, Where where = Where::here());

    /// The name that was given to a node, or to a constant with this array, its reshaped self included; empty when none was.
    std::string of(const Node& node) const;
    std::string of(const Array& x) const;
    /// By its node, or without one by its array.
    std::string of(const Variable& x) const;
    /// The name that was given to a constant with these very elements, in whichever dtype.
    std::string of_equal(const Array& x) const;

private:
    std::vector<std::pair<std::string, Variable>> given_;
};

}  // namespace xtape
