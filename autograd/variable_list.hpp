#pragma once

#include <cstddef>
#include <initializer_list>
#include <utility>
#include <vector>

#include <xtape/autograd/variable.hpp>

namespace xtape {

/// A list of Variables: `{W, b}`, a std::vector, or a module's parameters.
class VariableList {
public:
    VariableList() = default;
    VariableList(std::initializer_list<Variable> list) : list_(list) {}
    VariableList(std::vector<Variable> list) : list_(std::move(list)) {}
    VariableList(const std::vector<ParameterRef>& list) : list_(list.begin(), list.end()) {}
    VariableList(const std::vector<Array>& list) : list_(list.begin(), list.end()) {}

    const std::vector<Variable>& list() const { return list_; }
    std::size_t size() const { return list_.size(); }

private:
    std::vector<Variable> list_;
};

}  // namespace xtape
