#include <xtape/autograd/tape.hpp>

#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include <xtape/autograd/ops.hpp>

namespace xtape {

namespace {

std::atomic<std::uint64_t> last_number{0};

/// Nodes that lost their last holder on this thread, waiting to be destroyed one after the other: destroying one may free
/// the next of a chain of any length, and recursion would run out of stack.
thread_local std::vector<Node*>* doomed = nullptr;

thread_local bool keeping_outputs = false;

}  // namespace

Node::Node(const char* op, Where at, Shape output_shape, DType output_dtype)
    : name(op),
      where(at),
      number(last_number.fetch_add(1, std::memory_order_relaxed)),
      shape(output_shape),
      dtype(output_dtype) {}

void Node::release() noexcept {
    if (doomed) {
        doomed->push_back(this);
        return;
    }
    std::vector<Node*> waiting;
    doomed = &waiting;
    for (Node* next = this; next;) {
        delete next;
        next = waiting.empty() ? nullptr : waiting.back();
        if (next) waiting.pop_back();
    }
    doomed = nullptr;
}

Leaf::Leaf(Array initial) : Node("parameter", {"", 0}, initial.shape(), initial.dtype()), value(std::move(initial)) {}

void Leaf::accumulate(Array g) {
    std::lock_guard lock(mutex_);
    const NoGrad constant;
    grad = grad ? (Variable(std::move(grad)) + Variable(std::move(g))).array() : std::move(g);
}

KeepOutputs::KeepOutputs() : ScopedFlag(keeping_outputs, true) {}
bool KeepOutputs::active() { return keeping_outputs; }

void Node::free() {
    freed = true;
    argument = {};
    bypass.reset();
}

void detail::throw_freed(const Node& node) {
    throw TapeError(
        fmt::format("backward: the tape was freed by an earlier backward(), {} is gone; backward(keep_tape) keeps it",
                    node.name),
        node.where);
}

// ------------------------------------------------------------------------------------------------------------ Tape

namespace {

/// Positions by creation number. Neighbours in time have neighbouring numbers, so that the number itself is a good hash.
class Positions {
public:
    Positions() : slots_(64) {}

    /// Whether the number is new.
    bool insert(std::uint64_t number) {
        Slot& slot = slot_of(number);
        if (slot.used) return false;
        slot = {number, Tape::absent, true};
        if (++count_ * 2 > slots_.size()) grow();
        return true;
    }
    std::uint32_t& operator[](std::uint64_t number) { return slot_of(number).position; }

private:
    struct Slot {
        std::uint64_t number = 0;
        std::uint32_t position = Tape::absent;
        bool used = false;
    };

    Slot& slot_of(std::uint64_t number) {
        std::size_t i = number & (slots_.size() - 1);
        while (slots_[i].used && slots_[i].number != number) i = (i + 1) & (slots_.size() - 1);
        return slots_[i];
    }
    void grow() {
        std::vector<Slot> old(slots_.size() * 2);
        old.swap(slots_);
        for (const Slot& slot : old)
            if (slot.used) slot_of(slot.number) = slot;
    }

    std::vector<Slot> slots_;
    std::size_t count_ = 0;
};

}  // namespace

Tape::Tape(const Variable& y) {
    if (!y.node()) {
        first_edge_.push_back(0);
        return;
    }
    Positions positions;
    positions.insert(y.node()->number);
    nodes_.push_back(y.node());
    const auto reach = [&](const NodePtr& node) {
        if (node && positions.insert(node->number)) nodes_.push_back(node);
    };
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        Node& node = *nodes_[i];
        const NodePtr* parents = node.parents();
        for (std::size_t p = 0; p < node.arity(); ++p) reach(parents[p]);
        if (node.bypass) reach(node.bypass->operand.node());
    }
    std::reverse(nodes_.begin(), nodes_.end());
    const auto older = [](const NodePtr& a, const NodePtr& b) { return a->number < b->number; };
    if (!std::is_sorted(nodes_.begin(), nodes_.end(), older)) std::sort(nodes_.begin(), nodes_.end(), older);

    first_edge_.reserve(nodes_.size() + 1);
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        Node& node = *nodes_[i];
        positions[node.number] = static_cast<std::uint32_t>(i);
        first_edge_.push_back(static_cast<std::uint32_t>(edges_.size()));
        const NodePtr* parents = node.parents();
        for (std::size_t p = 0; p < node.arity(); ++p)
            edges_.push_back(parents[p] ? positions[parents[p]->number] : absent);
        bypassed_.push_back(node.bypass ? positions[node.bypass->operand.node()->number] : absent);
    }
    first_edge_.push_back(static_cast<std::uint32_t>(edges_.size()));
}

std::size_t Tape::most_parents() const {
    std::size_t most = 0;
    for (std::size_t i = 0; i < size(); ++i) most = std::max(most, arity(i));
    return most;
}

std::uint32_t Tape::find(const NodePtr& node) const {
    const auto older = [](const NodePtr& a, const NodePtr& b) { return a->number < b->number; };
    const auto at = std::lower_bound(nodes_.begin(), nodes_.end(), node, older);
    return at != nodes_.end() && *at == node ? static_cast<std::uint32_t>(at - nodes_.begin()) : absent;
}

}  // namespace xtape
