#include <xtape/autograd/inspect.hpp>

namespace xtape::inspect {

Names& Names::operator()(const std::string& name, const Variable& x, Where where) {
    add(name, x, where);
    return *this;
}

Names& Names::operator()(const NamedParameters& parameters, Where where) {
    for (const auto& [name, parameter] : parameters) add(name, parameter, where);
    return *this;
}

std::shared_ptr<const Part> Names::part_of(const Node& node) const {
    const auto found = parts_.find(&node);
    return found == parts_.end() ? nullptr : found->second.second;
}

void Names::recorded(Node& node, const Array&) {
    if (auto part = PartScope::current()) parts_[&node] = {NodePtr(&node), std::move(part)};
}

}  // namespace xtape::inspect
