#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include <xtape/autograd/storage.hpp>
#include <xtape/autograd/variable.hpp>

/// The engine: nodes, their recording, and the walk back over them.
namespace xtape {

/// One recorded operation: its parents and how a gradient of its output becomes gradients of theirs.
class Node {
public:
    Node(const char* op, Where at, Shape output_shape, DType output_dtype);
    virtual ~Node() = default;
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    static void* operator new(std::size_t bytes) { return storage::allocate(bytes); }
    static void operator delete(void* block, std::size_t bytes) { storage::deallocate(block, bytes); }

    /// The operation's arguments as they are kept here: the node is the parent, null where the argument is a constant; the
    /// array is there only if a rule or a recognising operation wants it.
    virtual Variable* arguments() = 0;
    virtual std::size_t arity() const = 0;

    /// Puts into out[i] the gradient that g (the output's) gives parent i, for every i with wanted[i].
    virtual void pull(Variable g, const bool* wanted, Variable* out) = 0;

    /// Lets go of everything kept for the rules; a later pull is a TapeError. Whoever walks takes the parents from the
    /// arguments. Overriders call this one.
    virtual void free() { freed = true; }

private:
    std::atomic<std::uint32_t> references_{0};
    std::uint32_t position_ = 0;  ///< in the latest Tape that came by

public:
    const char* const name;
    const Where where;
    const std::uint64_t number;  ///< of creation, over all threads: parents come before children
    const DType dtype;
    bool freed = false;
    const Shape shape;

    /// The way around: an operation that recognised `operand` was recorded from operand's argument instead. This is the rule
    /// by which operand itself gets its gradient when that is asked for.
    struct Bypass {
        explicit Bypass(Variable x) : operand(std::move(x)) {}
        virtual ~Bypass() = default;
        virtual Variable pull(const Variable& g) const = 0;
        Variable operand;
    };
    std::unique_ptr<Bypass> bypass;

    /// The output, kept while a KeepOutputs lives; else empty.
    Array output;

private:
    friend class NodePtr;
    friend class Tape;
    void release() noexcept;
    bool is_sole() const noexcept { return references_.load(std::memory_order_acquire) == 1; }
};

inline void NodePtr::retain() const noexcept {
    if (!node_) return;
    if (node_->references_.load(std::memory_order_relaxed) == 0)  // fresh: nobody else has it
        node_->references_.store(1, std::memory_order_relaxed);
    else
        node_->references_.fetch_add(1, std::memory_order_relaxed);
}
inline void NodePtr::release() noexcept {
    // The only holder may skip the locked instruction, as an Array's may.
    if (node_ && (node_->is_sole() || node_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1))
        node_->release();
}

/// While it lives, whatever this thread records keeps its output too: for looking at a tape, not for training.
class KeepOutputs : ScopedFlag {
public:
    KeepOutputs();
    static bool active();
};

/// A parameter's node: has no parents, holds the value and the gradient.
class Leaf final : public Node {
public:
    explicit Leaf(Array initial);
    Variable* arguments() override { return nullptr; }
    std::size_t arity() const override { return 0; }
    void pull(Variable, const bool*, Variable*) override {}
    void free() override {}  // a parameter outlives every tape

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

/// Connects an argument with its rule; make it before the forward pass, for a rule that is not needed lets go of what it
/// captured, and a buffer nobody else holds may then be reused.
template <class Rule>
Edge<Rule> on(NodePtr parent, Rule rule) {
    if (!parent || !recording()) return {};
    return {Variable(Array(), std::move(parent)), std::optional<Rule>(std::move(rule))};
}
template <class Rule>
Edge<Rule> on(const Variable& x, Rule rule) {
    return on(x.node(), std::move(rule));
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
        : Node(op, at, y.shape(), y.dtype()),
          arguments_{std::move(edges.argument)...},
          rules_{std::move(edges.rule)...} {
        if (keeps_output(std::index_sequence_for<Rules...>())) y_ = y;
    }

    Variable* arguments() override { return arguments_.data(); }
    std::size_t arity() const override { return sizeof...(Rules); }

    void pull(Variable g, const bool* wanted, Variable* out) override {
        if (freed) throw_freed(*this);
        pull_each(std::move(g), wanted, out, std::index_sequence_for<Rules...>());
    }

    void free() override {
        Node::free();
        std::apply([](auto&... rule) { (rule.reset(), ...); }, rules_);
        y_ = {};
    }

private:
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
    if (KeepOutputs::active()) node->output = y;
    return Variable(std::move(y), std::move(node));
}

/// What leads to y: parameters, then the recorded operations in execution order, with the edges between them. Good for as
/// long as y holds them.
class Tape {
public:
    explicit Tape(const Variable& y);

    std::size_t size() const { return nodes_.size(); }
    const std::vector<Node*>& nodes() const { return nodes_; }

    /// Positions of node i's parents in nodes(); `absent` where an argument is a constant.
    static constexpr std::uint32_t absent = UINT32_MAX;
    const std::uint32_t* parents(std::size_t i) const { return edges_.data() + first_edge_[i]; }
    std::size_t arity(std::size_t i) const { return first_edge_[i + 1] - first_edge_[i]; }

    /// Whether it is a parameter: only those have no arguments.
    bool is_leaf(std::size_t i) const { return arity(i) == 0; }

    /// Position of what node i goes around, or `absent`.
    std::uint32_t bypassed(std::size_t i) const { return bypassed_[i]; }

    /// An operation whose tape was freed, or null.
    const Node* freed() const { return freed_; }

    /// Position of a node, or `absent`.
    std::uint32_t find(const NodePtr& node) const;

    /// The largest arity.
    std::size_t most_parents() const;

private:
    bool holds(const Node& node) const { return node.position_ < size() && nodes_[node.position_] == &node; }
    void reach(Node* node);

    std::vector<Node*> nodes_;
    std::vector<std::uint32_t> edges_;
    std::vector<std::uint32_t> first_edge_;
    std::vector<std::uint32_t> bypassed_;
    const Node* freed_ = nullptr;
};

/// The gradients of sum(seed * y) at every x: the chain rule, each node's work done once. An x that y does not depend on
/// gets zeros. With `record_gradients` the results are on the tape themselves. Throws TapeError when an x is a constant or
/// the tape was freed, ShapeError when seed is not shaped like y.
std::vector<Variable> pullback(const Variable& y, const Variable& seed, const std::vector<Variable>& xs,
                               bool record_gradients, Where where);

/// Ones in the shape of y, which must have size 1. Throws TapeError.
Variable unit_seed(const Variable& y, Where where);

/// dy/dx for every x in a list; as below.
std::vector<Variable> grad(const Operand& y, const std::vector<Variable>& xs);
std::vector<Variable> grad(const Operand& y, const std::vector<Variable>& xs, CreateGraph);

namespace detail {

template <class... Args>
inline constexpr std::size_t gradients_in = ((std::is_same_v<Args, CreateGraph> ? 0 : 1) + ... + 0);

inline void collect(std::vector<Variable>& xs, const Variable& x) { xs.push_back(x); }
inline void collect(std::vector<Variable>&, CreateGraph) {}

}  // namespace detail

/// dy/dx, one Variable for each x: `auto [dW, db] = grad(loss, W, b);`, a plain Variable when there is one x. y has size 1;
/// an x is a Parameter or any Variable on the tape. With create_graph as last argument the results can be differentiated
/// again. Touches no parameter's gradient and keeps the tape. Throws TapeError.
template <class... Args, class = std::enable_if_t<(detail::gradients_in<Args...> > 0) &&
                                                  (std::is_constructible_v<Variable, const Args&> || ...)>>
auto grad(const Operand& y, const Args&... args) {
    constexpr std::size_t n = detail::gradients_in<Args...>;
    std::vector<Variable> xs;
    (detail::collect(xs, args), ...);
    auto gradients = n < sizeof...(Args) ? grad(y, xs, create_graph) : grad(y, xs);
    if constexpr (n == 1) {
        return std::move(gradients[0]);
    } else {
        std::array<Variable, n> result;
        std::move(gradients.begin(), gradients.end(), result.begin());
        return result;
    }
}

}  // namespace xtape
