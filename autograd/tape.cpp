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

void detail::throw_freed(const Node& node) {
    throw TapeError(fmt::format("backward: the tape was freed by an earlier backward(), {} is gone; backward(keep_tape) keeps it",
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
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        Node& node = *nodes_[i];
        const NodePtr* parents = node.parents();
        for (std::size_t p = 0; p < node.arity(); ++p)
            if (parents[p] && positions.insert(parents[p]->number)) nodes_.push_back(parents[p]);
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
        for (std::size_t p = 0; p < node.arity(); ++p) edges_.push_back(parents[p] ? positions[parents[p]->number] : absent);
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

// -------------------------------------------------------------------------------------------------------- pullback

namespace {

/// While it lives, this thread records or does not.
class Recording {
public:
    explicit Recording(bool on) {
        if (!on) off_.emplace();
    }

private:
    std::optional<NoGrad> off_;
};

/// One walk back over a tape: the memo of gradients (the document's `base`) and what is done with each finished one.
class Walk {
public:
    Walk(Tape& tape, const Variable& seed)
        : tape_(tape),
          memo_(tape.size()),
          needed_(tape.size(), false),
          gradients_(tape.most_parents()),
          wanted_(std::make_unique<bool[]>(tape.most_parents())) {
        for (const NodePtr& node : tape.nodes())
            if (node->freed) detail::throw_freed(*node);
        memo_.back() = seed;
    }

    /// Asks for the gradient at position i.
    void need(std::size_t i) { needed_[i] = true; }

    /// Visits positions from the last to the first and calls finished(i, gradient) where a gradient was asked for.
    template <class Finished>
    void run(bool free_nodes, Finished finished) {
        const std::vector<bool> asked = needed_;
        for (std::size_t i = 0; i < tape_.size(); ++i)  // a node is on the way when one of its parents is
            for (std::size_t p = 0; p < tape_.arity(i); ++p)
                if (const auto parent = tape_.parents(i)[p]; parent != Tape::absent && needed_[parent]) needed_[i] = true;

        for (std::size_t i = tape_.size(); i-- > 0;) {
            const Variable g = std::move(memo_[i]);
            memo_[i] = {};
            if (g && needed_[i]) {
                if (asked[i]) finished(i, g);
                pull(i, g);
            }
            if (free_nodes) {
                tape_.nodes()[i]->free();
                tape_.drop(i);
            }
        }
    }

private:
    void pull(std::size_t i, const Variable& g) {
        Node& node = *tape_.nodes()[i];
        const std::size_t arity = tape_.arity(i);
        const std::uint32_t* parents = tape_.parents(i);
        bool any = false;
        for (std::size_t p = 0; p < arity; ++p) any |= wanted_[p] = parents[p] != Tape::absent && needed_[parents[p]];
        if (!any) return;
        node.pull(g, wanted_.get(), gradients_.data());
        for (std::size_t p = 0; p < arity; ++p)
            if (wanted_[p]) add(node, parents[p], std::move(gradients_[p]));
    }

    void add(const Node& node, std::uint32_t parent, Variable g) {
        const Node& receiver = *tape_.nodes()[parent];
        if (g.shape() != receiver.shape || g.dtype() != receiver.dtype)
            throw TapeError(fmt::format("{}: its rule gave a gradient of {} {} for an argument of {} {}", node.name,
                                        to_string(g.shape()), name_of(g.dtype()), to_string(receiver.shape),
                                        name_of(receiver.dtype)),
                            node.where);
        Variable& sum = memo_[parent];
        sum = sum ? Operand(std::move(sum), node.where) + std::move(g) : std::move(g);
    }

    Tape& tape_;
    std::vector<Variable> memo_;
    std::vector<bool> needed_;
    std::vector<Variable> gradients_;  // one node's, by argument
    std::unique_ptr<bool[]> wanted_;
};

}  // namespace

Variable unit_seed(const Variable& y, Where where) {
    if (!y) throw TapeError("backward: there is no value to differentiate", where);
    if (y.size() != 1)
        throw TapeError(fmt::format("backward: needs one number to differentiate, got {} with {} elements; take its sum or mean",
                                    to_string(y.shape()), y.size()),
                        where);
    return Variable(Array::filled(y.shape(), y.dtype(), 1));
}

std::vector<Variable> pullback(const Variable& y, const Variable& seed, const std::vector<Variable>& xs,
                               bool record_gradients, Where where) {
    if (seed.shape() != y.shape() || seed.dtype() != y.dtype())
        throw ShapeError(fmt::format("pullback: seed {} {} for an output of {} {}", to_string(seed.shape()),
                                     name_of(seed.dtype()), to_string(y.shape()), name_of(y.dtype())),
                         where);
    for (std::size_t i = 0; i < xs.size(); ++i)
        if (!xs[i].node())
            throw TapeError(fmt::format("grad: argument {} is a constant; make it a Parameter to differentiate by it", i), where);

    const Recording scope(record_gradients && recording());
    std::vector<Variable> gradients(xs.size());
    Tape tape(y);
    if (tape.size() > 0) {
        Walk walk(tape, seed);
        for (const Variable& x : xs)
            if (const auto i = tape.find(x.node()); i != Tape::absent) walk.need(i);
        walk.run(/*free_nodes=*/false, [&](std::size_t i, const Variable& g) {
            for (std::size_t k = 0; k < xs.size(); ++k)
                if (xs[k].node() == tape.nodes()[i]) gradients[k] = g;
        });
    }
    for (std::size_t k = 0; k < xs.size(); ++k)
        if (!gradients[k]) gradients[k] = Variable(Array::filled(xs[k].node()->shape, xs[k].node()->dtype, 0));
    return gradients;
}

namespace {

std::vector<Variable> grad_of(const Operand& y, const std::vector<Variable>& xs, bool record_gradients) {
    if (y.is_scalar()) throw TapeError("grad: a plain number depends on nothing", y.where());
    return pullback(y.variable(), unit_seed(y.variable(), y.where()), xs, record_gradients, y.where());
}

void run_backward(const Variable& y, bool free_nodes, Where where) {
    const Variable seed = unit_seed(y, where);
    if (!y.node()) throw TapeError("backward: the value is a constant, nothing was recorded", where);
    const NoGrad constant;
    Tape tape(y);
    Walk walk(tape, seed);
    std::vector<Leaf*> leaves(tape.size());
    for (std::size_t i = 0; i < tape.size(); ++i)
        if ((leaves[i] = dynamic_cast<Leaf*>(tape.nodes()[i].get()))) walk.need(i);
    walk.run(free_nodes, [&](std::size_t i, const Variable& g) { leaves[i]->accumulate(g.array()); });
}

}  // namespace

std::vector<Variable> grad(const Operand& y, const std::vector<Variable>& xs) { return grad_of(y, xs, false); }
std::vector<Variable> grad(const Operand& y, const std::vector<Variable>& xs, CreateGraph) { return grad_of(y, xs, true); }

void Variable::backward(Where where) const { run_backward(*this, true, where); }
void Variable::backward(KeepTape, Where where) const { run_backward(*this, false, where); }

}  // namespace xtape
