#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include <xtape/autograd/tape.hpp>

/// Operations over a list of arrays, whose number of parents is known at run time only.
namespace xtape {

namespace detail {

/// One rule for all parents: rule(g, i) is the gradient for parent i.
template <class Rule>
class ListNode final : public Node {
public:
    ListNode(const char* op, Where at, const Array& y, const std::vector<Variable>& arguments, Rule rule)
        : Node(op, at, y.shape(), y.dtype(), newest(arguments)), rule_(std::move(rule)) {
        arguments_.reserve(arguments.size());
        for (const Variable& x : arguments) arguments_.push_back(as_argument(x));
        keeps(arguments_.data(), arguments_.size());
    }

    void pull(Variable g, const bool* wanted, Variable* out) override {
        if (freed) throw_freed(*this);
        for (std::size_t i = 0; i < arguments_.size(); ++i)
            if (wanted[i]) out[i] = (*rule_)(g, i);
    }

    void free() override {
        Node::free();
        rule_.reset();
    }

    void keep(Kept& kept) const override {
        Node::keep(kept);
        if (rule_) kept.add_rule(*rule_);
    }

private:
    std::vector<Variable> arguments_;
    std::optional<Rule> rule_;
};

}  // namespace detail

/// record() for a list of arguments with one rule, called as rule(g, i) for argument i.
template <class Rule>
Variable record_list(const char* op, Where where, Array y, const std::vector<Variable>& arguments, Rule rule) {
    const auto requires_grad = [](const Variable& x) { return x.requires_grad(); };
    if (!recording() || std::none_of(arguments.begin(), arguments.end(), requires_grad)) return Variable(std::move(y));
    NodePtr node(new detail::ListNode<Rule>(op, where, y, arguments, std::move(rule)));
    if (detail::looked_at()) detail::tell_recorded(*node, y);
    return Variable(std::move(y), std::move(node));
}

}  // namespace xtape
