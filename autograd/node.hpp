#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include <xtape/autograd/kept.hpp>
#include <xtape/autograd/observer.hpp>
#include <xtape/autograd/reference_count.hpp>
#include <xtape/autograd/storage.hpp>
#include <xtape/autograd/variable.hpp>

/// What is recorded: nodes, their arguments and their rules.
namespace xtape {

namespace detail {

class Hooks;
struct DeleteHooks {
    void operator()(Hooks* hooks) const;
};

}  // namespace detail

inline KeptPiece kept_piece(const Variable& x) { return kept_piece(x.array()); }
inline KeptPiece kept_piece(const Operand& x) {
    return x.is_scalar() ? KeptPiece{nullptr, 0} : kept_piece(x.variable());
}

class SelfPrinting;

/// One recorded operation: its parents and how a gradient of its output becomes gradients of theirs.
class Node {
public:
    /// `newest` is the largest number among its arguments' nodes.
    Node(const char* op, Where at, const Shape& output_shape, DType output_dtype, std::uint64_t newest);
    virtual ~Node() = default;
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    static void* operator new(std::size_t bytes) { return storage::allocate(bytes); }
    static void operator delete(void* block, std::size_t bytes) { storage::deallocate(block, bytes); }

    /// The operation's arguments as they are kept here: the node is the parent, null where the argument is a constant; the
    /// array is there only if a rule or a recognising operation wants it.
    Variable* arguments() const { return first_argument_; }
    std::size_t arity() const { return arity_; }

    /// Puts into out[i] the gradient that g (the output's) gives parent i, for every i with wanted[i].
    virtual void pull(Variable g, const bool* wanted, Variable* out) = 0;

    /// Lets go of everything kept for the rules; a later pull is a TapeError. Whoever walks takes the parents from the
    /// arguments. Overriders call this one.
    virtual void free() { freed = true; }

    /// Adds what the node keeps alive: its arguments' arrays, its output and what rules captured. Overriders call this one.
    virtual void keep(Kept& kept) const;

    /// For operations that are written as mathematics by themselves: null for those that go by their name.
    virtual const SelfPrinting* self_printing() const { return nullptr; }

protected:
    /// For constructors: where the arguments are.
    void keeps(Variable* arguments, std::size_t arity) {
        first_argument_ = arguments;
        arity_ = static_cast<std::uint32_t>(arity);
    }

private:
    ReferenceCount references_{0};
    std::uint32_t position_ = 0;  ///< in the latest Tape that came by
    Variable* first_argument_ = nullptr;
    std::uint32_t arity_ = 0;  // and what is small and read with it

public:
    /// The larger of `number` and that of x's node.
    static std::uint64_t newer(std::uint64_t number, const Variable& x) {
        return x.node() ? std::max(number, x.node()->number) : number;
    }
    /// The largest number in a list of arguments.
    template <class List>
    static std::uint64_t newest(const List& arguments) {
        std::uint64_t number = 0;
        for (const Variable& x : arguments) number = newer(number, x);
        return number;
    }

    DType dtype;
    bool freed = false;
    const char* const name;
    const Where where;
    /// Unique; grows from arguments to results, over all threads. Those of one thread are apart by multiples of `number_step`.
    std::uint64_t number;
    static constexpr std::uint64_t number_step = 1 << 16;
    /// The next one of this thread that is larger than `newest`.
    static std::uint64_t next_number(std::uint64_t newest = 0);
    const Shape shape;

    /// The way around: an operation that recognised `operand` was recorded from operand's argument instead. This is the rule
    /// by which operand itself gets its gradient when that is asked for.
    struct Bypass {
        explicit Bypass(Variable x) : operand(std::move(x)) {}
        virtual ~Bypass() = default;
        virtual Variable pull(const Variable& g) const = 0;
        /// Adds what its rule captured.
        virtual void keep(Kept& kept) const = 0;
        Variable operand;
    };
    std::unique_ptr<Bypass> bypass;
    /// For a node that nothing was recorded from yet.
    void go_around(std::unique_ptr<Bypass> way);

    /// The output, if a KeepOutputs lived when it was recorded; else empty.
    Array output;

    /// What register_hook() added; null where nothing was.
    std::unique_ptr<detail::Hooks, detail::DeleteHooks> hooks;

private:
    friend class NodePtr;
    friend class Tape;
    void release() noexcept;
};

inline void NodePtr::retain() const noexcept {
    if (node_) node_->references_.add();
}
inline void NodePtr::release() noexcept {
    if (node_ && node_->references_.drop()) node_->release();
}

/// A parameter's node: has no parents, holds the value and the gradient.
class Leaf final : public Node {
public:
    explicit Leaf(Array initial);
    void pull(Variable, const bool*, Variable*) override {}
    void free() override {}  // a parameter outlives every tape
    void keep(Kept& kept) const override { kept.add(value); }

    /// Adds to the gradient; safe from several threads.
    void accumulate(Array g);

    Array value;
    Array grad;

private:
    std::mutex mutex_;
};

/// An operation's arguments, for the rules: those whose edges keep them.
class Arguments {
public:
    explicit Arguments(const Variable* first) : first_(first) {}
    const Variable& operator[](std::size_t i) const { return first_[i]; }

private:
    const Variable* first_;
};

/// A rule of one argument: an expression over public operations, called as rule(g), rule(g, y), rule(g, arguments) or
/// rule(g, y, arguments).
template <class Rule>
struct Edge {
    Variable argument;         // with its array only if a rule asks for it
    std::optional<Rule> rule;  // empty when the argument is a constant, so that nothing is kept for it
};

/// Whether a node has x's array among its arguments: where a rule asks for it, and a constant's for whoever looks on.
inline bool shows_value(const Variable& x, bool asked) { return asked || (!x.node() && KeepOutputs::active()); }

/// x as an argument of a node: with its array where that is shown, else alone for the node to know its parent by.
inline Variable as_argument(Variable x, bool asked = false) {
    return shows_value(x, asked) ? std::move(x) : Variable(Array(), std::move(x).node());
}

/// Connects an argument with its rule; make it before the forward pass, for a rule that is not needed lets go of what it
/// captured, and a buffer nobody else holds may then be reused.
template <class Rule>
Edge<Rule> on(NodePtr parent, Rule rule) {
    if (!parent || !recording()) return {};
    return {Variable(Array(), std::move(parent)), std::optional<Rule>(std::move(rule))};
}
/// The same; where another rule captured x (`captured`), a constant is shown among the node's arguments as well.
template <class Rule>
Edge<Rule> on(const Variable& x, Rule rule, bool captured = false) {
    Edge<Rule> edge = on(x.node(), std::move(rule));
    if (!x.node() && shows_value(x, captured && recording())) edge.argument = x;
    return edge;
}

/// The same where something is recorded and x is done with; keeps its value too, for the rules or whoever recognises this.
template <class Rule>
Edge<Rule> keeping(Variable x, Rule rule) {
    const bool wanted = x.requires_grad();
    return {std::move(x), wanted ? std::optional<Rule>(std::move(rule)) : std::nullopt};
}

namespace detail {

template <class Rule>
inline constexpr bool wants_both = std::is_invocable_v<Rule&, Variable, const Variable&, Arguments>;

template <class Rule>
inline constexpr bool wants_output = std::is_invocable_v<Rule&, Variable, const Variable&> || wants_both<Rule>;

template <class Rule>
inline constexpr bool wants_arguments = std::is_invocable_v<Rule&, Variable, Arguments> || wants_both<Rule>;

[[noreturn]] void throw_freed(const Node& node);

template <class... Rules>
class RuleNode final : public Node {
public:
    RuleNode(const char* op, Where at, const Array& y, Edge<Rules>&&... edges)
        : Node(op, at, y.shape(), y.dtype(), newest_of(edges.argument...)),
          arguments_{std::move(edges.argument)...},
          rules_{std::move(edges.rule)...} {
        keeps(arguments_.data(), sizeof...(Rules));
        if (keeps_output(std::index_sequence_for<Rules...>())) y_ = y;
    }

    void pull(Variable g, const bool* wanted, Variable* out) override {
        if (freed) throw_freed(*this);
        pull_each(std::move(g), wanted, out, std::index_sequence_for<Rules...>());
    }

    void free() override {
        Node::free();
        std::apply([](auto&... rule) { (rule.reset(), ...); }, rules_);
        y_ = {};
    }

    void keep(Kept& kept) const override {
        Node::keep(kept);
        kept.add(y_);
        std::apply([&](const auto&... rule) { ((rule ? kept.add_rule(*rule) : void()), ...); }, rules_);
    }

private:
    template <class... Variables>
    static std::uint64_t newest_of(const Variables&... arguments) {
        std::uint64_t number = 0;
        ((number = newer(number, arguments)), ...);
        return number;
    }

    template <std::size_t... I>
    bool keeps_output(std::index_sequence<I...>) const {
        return ((wants_output<Rules> && std::get<I>(rules_)) || ...);
    }

    /// The last rule gets g itself and may work in its buffer.
    template <std::size_t... I>
    void pull_each(Variable g, const bool* wanted, Variable* out, std::index_sequence<I...>) {
        int left = (int{wanted[I]} + ...);
        const auto share = [&] { return --left > 0 ? g : std::move(g); };
        ((wanted[I] ? void(out[I] = call(*std::get<I>(rules_), share())) : void()), ...);
    }

    template <class Rule>
    Variable call(Rule& rule, Variable g) {
        const Arguments arguments(arguments_.data());
        if constexpr (wants_both<Rule>)
            return rule(std::move(g), output_as_variable(), arguments);
        else if constexpr (wants_output<Rule>)
            return rule(std::move(g), output_as_variable());
        else if constexpr (wants_arguments<Rule>)
            return rule(std::move(g), arguments);
        else
            return rule(std::move(g));
    }

    Variable output_as_variable() { return Variable(y_, recording() ? NodePtr(this) : NodePtr()); }

    std::array<Variable, sizeof...(Rules)> arguments_;
    std::tuple<std::optional<Rules>...> rules_;
    Array y_;
};

}  // namespace detail

/// The result of an operation: y with a node that has these edges, or a constant when no argument requires a gradient.
template <class... Rules>
Variable record(const char* op, Where where, Array y, Edge<Rules>... edges) {
    if (!(edges.argument.node() || ...)) return Variable(std::move(y));
    NodePtr node(new detail::RuleNode<Rules...>(op, where, y, std::move(edges)...));
    if (detail::looked_at()) detail::tell_recorded(*node, y);
    return Variable(std::move(y), std::move(node));
}

}  // namespace xtape
