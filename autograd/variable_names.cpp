#include <xtape/autograd/variable_names.hpp>

#include <algorithm>

#include <xtape/autograd/kept.hpp>

namespace xtape {

/// Names of their own, so that none needs to be looked for.
VariableNames::VariableNames(const NamedParameters& parameters) {
    for (const auto& [name, parameter] : parameters) given_.emplace_back(name, Variable(Array(), parameter.node()));
}

VariableNames::VariableNames(std::initializer_list<std::pair<const char*, Variable>> names, Where where) {
    for (const auto& [name, x] : names) add(name, x, where);
}

void VariableNames::add(const std::string& name, const Variable& x, Where where) {
    if (name.empty()) throw ValueError("names: an empty name", where);
    if (!x) throw ValueError("names: " + name + " has no value", where);
    const Variable known = x.node() ? Variable(Array(), x.node()) : x;
    const auto same = [&](const auto& given) { return given.first == name; };
    const auto before = std::find_if(given_.begin(), given_.end(), same);
    if (before != given_.end())
        before->second = known;
    else
        given_.emplace_back(name, known);
}

std::string VariableNames::of(const Node& node) const {
    for (const auto& [name, x] : given_)
        if (x.node().get() == &node) return name;
    return "";
}

std::string VariableNames::of(const Array& array) const {
    if (!array) return "";
    for (const auto& [name, x] : given_)
        if (!x.node() && kept_piece(x).identity == kept_piece(array).identity) return name;
    return "";
}

std::string VariableNames::of(const Variable& x) const { return x.node() ? of(*x.node()) : of(x.array()); }

std::string VariableNames::of_equal(const Array& array) const {
    for (const auto& [name, x] : given_) {
        if (x.node() || !x || x.shape() != array.shape()) continue;
        Index i = 0;
        while (i < array.size() && x.array().at(i) == array.at(i)) ++i;
        if (i == array.size()) return name;
    }
    return "";
}

}  // namespace xtape
