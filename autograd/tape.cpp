#include <xtape/autograd/tape.hpp>

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <utility>

namespace xtape {

namespace {

/// Held while a Tape is made: only then are the nodes' positions in use.
std::mutex positions_in_use;

struct Older {
    bool operator()(const Node* a, const Node* b) const { return a->number < b->number; }
};

template <class It>
void sort_by_age(It begin, It end) {
    if (!std::is_sorted(begin, end, Older())) std::sort(begin, end, Older());
}

}  // namespace

/// A node says where it is and the list there says whether that is true: no table, and nothing to be reset afterwards.
void Tape::reach(Node* node) {
    if (!node || holds(*node)) return;
    node->position_ = static_cast<std::uint32_t>(nodes_.size());
    nodes_.push_back(node);
}

Tape::Tape(const Variable* ys, std::size_t count, Moment since) : since_(since) {
    std::lock_guard lock(positions_in_use);
    nodes_.reserve(64);
    for (std::size_t k = 0; k < count; ++k) reach(ys[k].node().get());
    std::size_t edges = 0;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        Node& node = *nodes_[i];
        if (cut_ && ends_at(node)) continue;
        const Variable* arguments = node.arguments();
        const std::size_t arity = node.arity();
        for (std::size_t p = 0; p < arity; ++p) reach(arguments[p].node().get());
        if (node.bypass) reach(node.bypass->operand.node().get());
        edges += arity;
    }
    const List<Node*> reached = std::exchange(nodes_, List<Node*>(nodes_.size()));
    auto first = nodes_.begin(), last = nodes_.end();
    for (Node* node : reached)  // the oldest come last, or nearly so
        *(ends_at(*node) ? first++ : --last) = node;
    leaves_ = static_cast<std::size_t>(first - nodes_.begin());
    std::reverse(nodes_.begin(), first);
    sort_by_age(nodes_.begin(), first);
    sort_by_age(last, nodes_.end());

    edges_.reserve(edges);
    first_edge_.reserve(nodes_.size() + 1);
    bypassed_.reserve(nodes_.size());
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        Node& node = *nodes_[i];
        node.position_ = static_cast<std::uint32_t>(i);
        first_edge_.push_back(static_cast<std::uint32_t>(edges_.size()));
        if (is_leaf(i)) {
            bypassed_.push_back(absent);
            continue;
        }
        if (node.freed) freed_ = &node;
        const Variable* arguments = node.arguments();
        const std::size_t arity = node.arity();
        for (std::size_t p = 0; p < arity; ++p) {
            const Node* parent = arguments[p].node().get();
            edges_.push_back(parent ? parent->position_ : absent);
        }
        bypassed_.push_back(node.bypass ? node.bypass->operand.node()->position_ : absent);
    }
    first_edge_.push_back(static_cast<std::uint32_t>(edges_.size()));
}

std::size_t Tape::most_parents() const {
    std::size_t most = 0;
    for (std::size_t i = 0; i < size(); ++i) most = std::max(most, arity(i));
    return most;
}

std::uint32_t Tape::find(const NodePtr& node) const {
    const bool leaf = ends_at(*node);
    const auto operations = nodes_.begin() + static_cast<std::ptrdiff_t>(leaves_);
    const auto begin = leaf ? nodes_.begin() : operations, end = leaf ? operations : nodes_.end();
    const auto at = std::lower_bound(begin, end, node.get(), Older());
    return at != end && *at == node.get() ? static_cast<std::uint32_t>(at - nodes_.begin()) : absent;
}

}  // namespace xtape
