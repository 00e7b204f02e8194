#pragma once

#include <memory>
#include <utility>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/registered_hooks.hpp>
#include <xtape/autograd/tape.hpp>

/// The chain rule, memoised. A header of pullback.cpp alone.
namespace xtape::detail {

/// Throws TapeError: node's rule gave g for an argument that is the receiver's output.
[[noreturn]] void throw_wrong_gradient(const Node& node, const Node& receiver, const Variable& g);

/// One walk back over a tape: the memo of gradients (the document's `base`) and what is done with each finished one.
class Walk {
public:
    explicit Walk(const Tape& tape)
        : tape_(tape),
          memo_(tape.size()),
          gradients_(tape.most_parents()),
          wanted_(std::make_unique<bool[]>(gradients_.size())) {
        if (tape.freed()) throw_freed(*tape.freed());
        if (Hooks::any())
            for (std::size_t i = 0; i < tape.size(); ++i)
                memo_[i].hooked = tape.nodes()[i]->hooks && !tape.is_border(i);
    }
    /// Begins at the last node.
    Walk(const Tape& tape, Variable seed) : Walk(tape) { memo_.back().gradient = std::move(seed); }

    ~Walk() {
        if (told_) tell([&](Observer& each) { each.walked(tape_); });
    }
    Walk(const Walk&) = delete;
    Walk& operator=(const Walk&) = delete;

    /// Begins at position i too.
    void begin_at(std::size_t i, const Variable& seed) {
        const Node& node = *tape_.nodes()[i];
        add(node, node, memo_[i].gradient, seed);
    }

    /// Asks for the gradient at position i.
    void need(std::size_t i) { memo_[i].asked = memo_[i].needed = memo_[i].shows = true; }

    /// Visits positions from the last to the first and calls finished(i, gradient) where a gradient was asked for.
    template <class Finished>
    void run(bool free_nodes, Finished finished) {
        Hooks::any() ? find_the_way<true>() : find_the_way<false>();
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
            whole.array().evaluate();  // it would hold on to what the walk lets go of
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

    const Tape& tape_;
    Tape::List<Memo> memo_;
    Tape::List<Variable> beside_;     // by position; empty unless something is shown what came past it
    Tape::List<Variable> gradients_;  // one node's, by argument
    std::unique_ptr<bool[]> wanted_;
    Observer* const observer_ = Observer::current();
    bool told_ = false;  // the observers, that it began
};

}  // namespace xtape::detail
