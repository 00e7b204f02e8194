#include <algorithm>

#include <xtape/autograd/inspect.hpp>
#include <xtape/autograd/ops.hpp>

namespace xtape::inspect {

Names& Names::operator()(const std::string& name, const Variable& x, Where where) {
    if (name.empty()) throw ValueError("names: an empty name", where);
    if (!x) throw ValueError("names: " + name + " has no value", where);
    const auto same = [&](const auto& given) { return given.first == name; };
    const auto known = std::find_if(given_.begin(), given_.end(), same);
    if (known != given_.end())
        known->second = x;
    else
        given_.emplace_back(name, x);
    return *this;
}

Names& Names::operator()(const std::vector<std::pair<std::string, ParameterRef>>& parameters) {
    for (const auto& [name, parameter] : parameters) (*this)(name, Variable(parameter.array(), parameter.node()));
    return *this;
}

std::string Names::of(const Node& node) const {
    for (const auto& [name, x] : given_)
        if (x.node().get() == &node) return name;
    return "";
}

std::string Names::of(const Array& array) const {
    if (!array) return "";
    for (const auto& [name, x] : given_)
        if (!x.node() && kept_piece(x).identity == kept_piece(array).identity) return name;
    return "";
}

std::string Names::of_equal(const Array& array) const {
    for (const auto& [name, x] : given_) {
        if (x.node() || x.shape() != array.shape()) continue;
        Index i = 0;
        while (i < array.size() && x.array().at(i) == array.at(i)) ++i;
        if (i == array.size()) return name;
    }
    return "";
}

std::shared_ptr<const Part> Names::part_of(const Node& node) const {
    const auto found = parts_.find(&node);
    return found == parts_.end() ? nullptr : found->second.second;
}

void Names::recorded(Node& node, const Array&) {
    if (auto part = PartScope::current()) parts_[&node] = {NodePtr(&node), std::move(part)};
}

}  // namespace xtape::inspect
