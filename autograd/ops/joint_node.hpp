#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <utility>

#include <xtape/autograd/tape.hpp>

/// Operations whose gradients for all arguments come out of one pass.
namespace xtape {

namespace detail {

/// One rule for all arguments: rule(g, wanted, out) puts the gradients that are wanted into out.
template <std::size_t N, class Rule>
class JointNode final : public Node {
public:
    JointNode(const char* op, Where at, const Array& y, const std::array<Variable, N>& arguments, Rule rule)
        : Node(op, at, y.shape(), y.dtype(), newest(arguments)), rule_(std::move(rule)) {
        for (std::size_t i = 0; i < N; ++i) arguments_[i] = as_argument(arguments[i]);
        keeps(arguments_.data(), N);
    }

    void pull(Variable g, const bool* wanted, Variable* out) override {
        if (freed) throw_freed(*this);
        (*rule_)(std::move(g), wanted, out);
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
    std::array<Variable, N> arguments_;
    std::optional<Rule> rule_;
};

}  // namespace detail

/// record() for arguments with one rule, called as rule(g, wanted, out).
template <std::size_t N, class Rule>
Variable record_joint(const char* op, Where where, Array y, const std::array<Variable, N>& arguments, Rule rule) {
    const auto requires_grad = [](const Variable& x) { return x.requires_grad(); };
    if (!recording() || std::none_of(arguments.begin(), arguments.end(), requires_grad)) return Variable(std::move(y));
    NodePtr node(new detail::JointNode<N, Rule>(op, where, y, arguments, std::move(rule)));
    if (detail::looked_at()) detail::tell_recorded(*node, y);
    return Variable(std::move(y), std::move(node));
}

}  // namespace xtape
