#pragma once

#include <array>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include <xtape/autograd/moment.hpp>
#include <xtape/autograd/node.hpp>
#include <xtape/autograd/variable_list.hpp>

/// The engine: the tape, and the walk back over it.
namespace xtape {

/// What leads to y: parameters, then the recorded operations in execution order, with the edges between them. Good for as
/// long as y holds them. It may be made to end at what was recorded before a moment: that then stands among the parameters.
class Tape {
public:
    template <class T>
    using List = std::vector<T, storage::Allocator<T>>;

    explicit Tape(const Variable& y, Moment since = {}) : Tape(&y, 1, since) {}
    /// What leads to any of several.
    Tape(const Variable* ys, std::size_t count, Moment since = {});

    std::size_t size() const { return nodes_.size(); }
    const List<Node*>& nodes() const { return nodes_; }

    /// Positions of node i's parents in nodes(); `absent` where an argument is a constant.
    static constexpr std::uint32_t absent = UINT32_MAX;
    const std::uint32_t* parents(std::size_t i) const { return edges_.data() + first_edge_[i]; }
    std::size_t arity(std::size_t i) const { return first_edge_[i + 1] - first_edge_[i]; }

    /// Whether it is a parameter, or where the tape ends: only those have no arguments.
    bool is_leaf(std::size_t i) const { return i < leaves_; }
    /// How many there are; they come first.
    std::size_t leaves() const { return leaves_; }
    /// Whether the tape ends there although there may be more.
    bool is_border(std::size_t i) const { return is_leaf(i) && !since_.covers(*nodes_[i]); }

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
    bool ends_at(const Node& node) const { return node.arity() == 0 || (cut_ && !since_.covers(node)); }

    const Moment since_;
    const bool cut_ = !since_.before_everything();
    std::size_t leaves_ = 0;
    List<Node*> nodes_;
    List<std::uint32_t> edges_;
    List<std::uint32_t> first_edge_;
    List<std::uint32_t> bypassed_;
    const Node* freed_ = nullptr;
};

/// The gradients of sum(seed * y) at every x: the chain rule, each node's work done once. An x that y does not depend on
/// gets zeros. With `record_gradients` the results are on the tape themselves. Throws TapeError when an x is a constant or
/// the tape was freed, ShapeError when seed is not shaped like y.
std::vector<Variable> pullback(const Variable& y, const Variable& seed, const std::vector<Variable>& xs,
                               bool record_gradients, Where where);

/// The same for several outputs at once: the gradients of their sum(seed * y) together.
std::vector<Variable> pullback(const std::vector<Variable>& ys, const std::vector<Variable>& seeds,
                               const std::vector<Variable>& xs, bool record_gradients, Where where);

namespace detail {

/// The same for a tape that is walked back to what was recorded before a moment and no further: out[i] becomes the gradient
/// in xs[i], one of those, for each i with wanted[i]. No hooks are called for these, which are not seen in full. May free the
/// tape.
void pullback_since(Moment moment, const Variable& y, Variable seed, const std::vector<Variable>& xs,
                    const bool* wanted, bool free_nodes, Variable* out);

}  // namespace detail

/// Ones in the shape of y, which must have size 1. Throws TapeError.
Variable unit_seed(const Variable& y, Where where);

/// dy/dx for every x in a list, such as a module's parameters; as below.
std::vector<Variable> grad(const Operand& y, const VariableList& xs);
std::vector<Variable> grad(const Operand& y, const VariableList& xs, CreateGraph);

namespace detail {

template <class... Args>
inline constexpr std::size_t gradients_in = ((std::is_same_v<Args, CreateGraph> ? 0 : 1) + ... + 0);

inline void collect(std::vector<Variable>& xs, const Variable& x) { xs.push_back(x); }
inline void collect(std::vector<Variable>&, CreateGraph) {}

/// One Variable, or as many for structured bindings.
template <std::size_t n>
auto unlisted(std::vector<Variable> list) {
    if constexpr (n == 1) {
        return std::move(list[0]);
    } else {
        std::array<Variable, n> result;
        std::move(list.begin(), list.end(), result.begin());
        return result;
    }
}

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
    const VariableList list(std::move(xs));
    return detail::unlisted<n>(n < sizeof...(Args) ? grad(y, list, create_graph) : grad(y, list));
}

}  // namespace xtape
