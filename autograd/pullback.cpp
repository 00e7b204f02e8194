#include <xtape/autograd/tape.hpp>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/registered_hooks.hpp>

/// The chain rule, memoised.
namespace xtape {

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
    explicit Walk(const Tape& tape)
        : tape_(tape),
          memo_(tape.size()),
          gradients_(tape.most_parents()),
          wanted_(std::make_unique<bool[]>(gradients_.size())) {
        if (tape.freed()) detail::throw_freed(*tape.freed());
        if (detail::Hooks::any())
            for (std::size_t i = 0; i < tape.size(); ++i)
                memo_[i].hooked = tape.nodes()[i]->hooks && !tape.is_border(i);
    }
    /// Begins at the last node.
    Walk(const Tape& tape, Variable seed) : Walk(tape) { memo_.back().gradient = std::move(seed); }

    /// Begins at position i too.
    void begin_at(std::size_t i, const Variable& seed) {
        const Node& node = *tape_.nodes()[i];
        add(node, node, memo_[i].gradient, seed);
    }
    ~Walk() {
        if (told_) tell([&](Observer& each) { each.walked(tape_); });
    }
    Walk(const Walk&) = delete;
    Walk& operator=(const Walk&) = delete;

    /// Asks for the gradient at position i.
    void need(std::size_t i) { memo_[i].asked = memo_[i].needed = memo_[i].shows = true; }

    /// Visits positions from the last to the first and calls finished(i, gradient) where a gradient was asked for.
    template <class Finished>
    void run(bool free_nodes, Finished finished) {
        detail::Hooks::any() ? find_the_way<true>() : find_the_way<false>();
        if (observer_) {
            told_ = true;
            tell([&](Observer& each) { each.walking(tape_, memo_.back().gradient); });
        }
        for (std::size_t i = tape_.size(); i-- > 0;) {
            if (i >= ahead) ask_for(tape_.nodes()[i - ahead]);
            Variable g = std::move(memo_[i].gradient);
            if (memo_[i].needed) {
                if (memo_[i].shows) show(i, g, finished);
                if (g) pull(i, std::move(g));
            }
            if (free_nodes) free(i);
        }
    }

private:
    struct Memo {
        Variable gradient;
        bool asked = false;   ///< the gradient is a result
        bool needed = false;  ///< on the way to a result
        bool around = false;  ///< goes around a node that shows what comes past it
        bool hooked = false;  ///< hooks are called with it
        bool shows = false;   ///< asked for, hooked, or goes around such a one
        NodePtr held;         ///< the node, once what it was an argument of has been freed
    };

    /// Nodes of a long tape have left the nearest cache since they were recorded, and the way back is known.
    static constexpr std::size_t ahead = 2;
    static void ask_for(const Node* node) {
        constexpr std::size_t line = 64;
        for (std::size_t offset = 0; offset < sizeof(Node) + line; offset += line)
            __builtin_prefetch(reinterpret_cast<const char*>(node) + offset, 1);
    }

    template <class Tell>
    void tell(const Tell& that) const {
        for (Observer* each = observer_; each; each = each->outer()) that(*each);
    }

    /// A node is on the way when one of its parents is, or when what it goes around shows its gradient.
    template <bool WithHooks>
    void find_the_way() {
        for (std::size_t i = 0; i < tape_.size(); ++i) {
            Memo& memo = memo_[i];
            for (std::size_t p = 0; p < tape_.arity(i); ++p)
                if (const auto parent = tape_.parents(i)[p]; parent != Tape::absent && memo_[parent].needed)
                    memo.needed = true;
            if (WithHooks && memo.hooked && memo.needed) memo.shows = true;
            if (const auto around = tape_.bypassed(i); around != Tape::absent && memo_[around].shows)
                memo.around = memo.shows = memo.needed = true;
        }
    }

    /// Hands out the gradient of node i in full: with what came past it on the way around. g is what goes on from there.
    template <class Finished>
    void show(std::size_t i, Variable& g, Finished& finished) {
        const Variable past = beside_.empty() ? Variable() : std::move(beside_[i]);
        Variable whole = g && past ? g + past : g ? g : past;
        if (!whole) return;
        if (memo_[i].hooked) {
            if (Variable other = tape_.nodes()[i]->hooks->run(*tape_.nodes()[i], whole)) {
                g = past ? other - past : other;  // what came past has gone on already
                whole = std::move(other);
            }
        }
        if (memo_[i].asked) {
            tell([&](Observer& each) { each.finished(*tape_.nodes()[i], whole); });
            finished(i, whole);
        }
        if (memo_[i].around) pull_around(i, whole);
    }

    /// What came past a node is shown to whoever asked for its gradient, but goes no further: the argument that was
    /// recorded in its place has had it already.
    void pull_around(std::size_t i, const Variable& g) {
        const Node& node = *tape_.nodes()[i];
        const std::size_t around = tape_.bypassed(i);
        if (beside_.empty()) beside_.resize(tape_.size());
        Variable gradient = node.bypass->pull(g);
        tell([&](Observer& each) { each.went_around(node, gradient); });
        add(node, *tape_.nodes()[around], beside_[around], std::move(gradient));
    }

    void pull(std::size_t i, Variable g) {
        Node& node = *tape_.nodes()[i];
        const std::size_t arity = tape_.arity(i);
        const std::uint32_t* parents = tape_.parents(i);
        bool any = false;
        for (std::size_t p = 0; p < arity; ++p)
            any |= wanted_[p] = parents[p] != Tape::absent && memo_[parents[p]].needed;
        if (!any) return;
        tell([&](Observer& each) { each.pulling(node, g); });
        node.pull(std::move(g), wanted_.get(), gradients_.data());
        tell([&](Observer& each) { each.pulled(node, wanted_.get(), gradients_.data()); });
        for (std::size_t p = 0; p < arity; ++p)
            if (wanted_[p]) add(node, *tape_.nodes()[parents[p]], memo_[parents[p]].gradient, std::move(gradients_[p]));
    }

    /// Takes over the parents, which are still to be visited, and lets go of the node itself.
    void free(std::size_t i) {
        if (tape_.is_leaf(i)) {  // outlives every tape, or is not of this one
            memo_[i].held = {};
            return;
        }
        Node& node = *tape_.nodes()[i];
        node.free();
        const auto hold = [&](Variable& argument, std::uint32_t position) {
            Variable given_up = std::move(argument);
            if (position != Tape::absent && !memo_[position].held) memo_[position].held = std::move(given_up).node();
        };
        Variable* arguments = node.arguments();
        for (std::size_t p = 0; p < tape_.arity(i); ++p) hold(arguments[p], tape_.parents(i)[p]);
        if (node.bypass) hold(node.bypass->operand, tape_.bypassed(i));
        node.bypass.reset();
        memo_[i].held = {};
    }

    static void add(const Node& node, const Node& receiver, Variable& sum, Variable g) {
        if (g.shape() != receiver.shape || g.dtype() != receiver.dtype) throw_wrong_gradient(node, receiver, g);
        sum = sum ? Operand(std::move(sum), node.where) + std::move(g) : std::move(g);
    }

    [[noreturn]] static void throw_wrong_gradient(const Node& node, const Node& receiver, const Variable& g) {
        throw TapeError(fmt::format("{}: its rule gave a gradient of {} {} for an argument of {} {}", node.name,
                                    to_string(g.shape()), name_of(g.dtype()), to_string(receiver.shape),
                                    name_of(receiver.dtype)),
                        node.where);
    }

    const Tape& tape_;
    Tape::List<Memo> memo_;
    Tape::List<Variable> beside_;     // by position; empty unless something is shown what came past it
    Tape::List<Variable> gradients_;  // one node's, by argument
    std::unique_ptr<bool[]> wanted_;
    Observer* const observer_ = Observer::current();
    bool told_ = false;  // the observers, that it began
};

}  // namespace

Variable unit_seed(const Variable& y, Where where) {
    if (!y) throw TapeError("backward: there is no value to differentiate", where);
    if (y.size() != 1)
        throw TapeError(
            fmt::format("backward: needs one number to differentiate, got {} with {} elements; take its sum or mean",
                        to_string(y.shape()), y.size()),
            where);
    return Variable(Array::filled(y.shape(), y.dtype(), 1));
}

namespace {

std::vector<Variable> pull_all(const Variable* ys, const Variable* seeds, std::size_t count,
                               const std::vector<Variable>& xs, bool record_gradients, Where where) {
    for (std::size_t k = 0; k < count; ++k)
        if (seeds[k].shape() != ys[k].shape() || seeds[k].dtype() != ys[k].dtype())
            throw ShapeError(fmt::format("pullback: seed {} {} for an output of {} {}", to_string(seeds[k].shape()),
                                         name_of(seeds[k].dtype()), to_string(ys[k].shape()), name_of(ys[k].dtype())),
                             where);
    for (std::size_t i = 0; i < xs.size(); ++i)
        if (!xs[i].node())
            throw TapeError(
                fmt::format("grad: argument {} is a constant; make it a Parameter to differentiate by it", i), where);

    const Recording scope(record_gradients && recording());
    std::vector<Variable> gradients(xs.size());
    const Tape tape(ys, count);
    if (tape.size() > 0) {
        Walk walk(tape);
        for (std::size_t k = 0; k < count; ++k)
            if (ys[k].node()) walk.begin_at(tape.find(ys[k].node()), seeds[k]);
        for (const Variable& x : xs)
            if (const auto i = tape.find(x.node()); i != Tape::absent) walk.need(i);
        walk.run(/*free_nodes=*/false, [&](std::size_t i, const Variable& g) {
            for (std::size_t k = 0; k < xs.size(); ++k)
                if (xs[k].node().get() == tape.nodes()[i]) gradients[k] = g;
        });
    }
    for (std::size_t k = 0; k < xs.size(); ++k)
        if (!gradients[k]) gradients[k] = Variable(Array::filled(xs[k].node()->shape, xs[k].node()->dtype, 0));
    return gradients;
}

}  // namespace

std::vector<Variable> pullback(const Variable& y, const Variable& seed, const std::vector<Variable>& xs,
                               bool record_gradients, Where where) {
    return pull_all(&y, &seed, 1, xs, record_gradients, where);
}

std::vector<Variable> pullback(const std::vector<Variable>& ys, const std::vector<Variable>& seeds,
                               const std::vector<Variable>& xs, bool record_gradients, Where where) {
    if (ys.size() != seeds.size())
        throw ValueError(fmt::format("pullback: {} seeds for {} outputs", seeds.size(), ys.size()), where);
    return pull_all(ys.data(), seeds.data(), ys.size(), xs, record_gradients, where);
}

void detail::pullback_since(Moment moment, const Variable& y, Variable seed, const std::vector<Variable>& xs,
                            const bool* wanted, bool free_nodes, Variable* out) {
    const Tape tape(y, moment);
    Walk walk(tape, std::move(seed));
    for (std::size_t k = 0; k < xs.size(); ++k)
        if (const auto i = tape.find(xs[k].node()); wanted[k] && i != Tape::absent) walk.need(i);
    walk.run(free_nodes, [&](std::size_t i, const Variable& g) {
        for (std::size_t k = 0; k < xs.size(); ++k)
            if (xs[k].node().get() == tape.nodes()[i]) out[k] = g;
    });
    for (std::size_t k = 0; k < xs.size(); ++k)
        if (wanted[k] && !out[k]) out[k] = Variable(Array::filled(xs[k].node()->shape, xs[k].node()->dtype, 0));
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
    const Tape tape(y);
    Walk walk(tape, seed);
    for (std::size_t i = 0; i < tape.size(); ++i)
        if (tape.is_leaf(i)) walk.need(i);
    walk.run(free_nodes,
             [&](std::size_t i, const Variable& g) { static_cast<Leaf*>(tape.nodes()[i])->accumulate(g.array()); });
}

}  // namespace

std::vector<Variable> grad(const Operand& y, const VariableList& xs) { return grad_of(y, xs.list(), false); }
std::vector<Variable> grad(const Operand& y, const VariableList& xs, CreateGraph) {
    return grad_of(y, xs.list(), true);
}

void Variable::backward(Where where) const { run_backward(*this, true, where); }
void Variable::backward(KeepTape, Where where) const { run_backward(*this, false, where); }

}  // namespace xtape
