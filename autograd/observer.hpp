#pragma once

#include <xtape/autograd/scope.hpp>

/// Looking at a tape while it is recorded and walked back: what gradient checks, inspection and the search for non-finite
/// numbers stand on. Where nobody looks, an operation pays for one flag.
namespace xtape {

class Array;
class Node;
class Observer;
class Tape;
class Variable;

namespace detail {

/// Who looks on, on this thread. In the header, so that asking for it is one load.
struct Looking {
    bool keeping_outputs = false;
    Observer* innermost = nullptr;
};
inline thread_local Looking looking;

}  // namespace detail

/// While it lives, whatever this thread records keeps its output and its constant arguments too (plain numbers where
/// two operands meet), and operations that would be merged are recorded one by one: to look at a tape, not for training.
class KeepOutputs : ScopedFlag {
public:
    explicit KeepOutputs(bool on = true);
    static bool active() { return detail::looking.keeping_outputs; }
};

/// While it lives, it is told of what this thread records and of its walks back. Observers nest; all of them are told, the
/// innermost first. It may throw, which ends the operation or the walk. It dies on the thread that made it, in any order.
class Observer {
public:
    Observer();
    virtual ~Observer();
    Observer(const Observer&) = delete;
    Observer& operator=(const Observer&) = delete;

    /// The innermost of this thread, or null.
    static Observer* current() { return detail::looking.innermost; }
    Observer* outer() const { return outer_; }

    /// An operation has just been recorded; y is its output, whether the node keeps it or not.
    virtual void recorded(Node& node, const Array& y);
    /// A walk back over a tape begins with this gradient of its last node's output. Walks nest: a rule may walk back itself.
    virtual void walking(const Tape& tape, const Variable& seed);
    /// That walk has ended, be it by an exception, perhaps one before this observer was told that it began.
    virtual void walked(const Tape& tape) noexcept;
    /// The walk is about to ask a node for its arguments' gradients; g is its output's.
    virtual void pulling(const Node& node, const Variable& g);
    /// It has them: gradients[p] for every argument p with wanted[p].
    virtual void pulled(const Node& node, const bool* wanted, const Variable* gradients);
    /// What a node that goes around another one gives that one, where that is asked for.
    virtual void went_around(const Node& node, const Variable& gradient);
    /// A gradient that was asked for is complete.
    virtual void finished(const Node& node, const Variable& gradient);

private:
    Observer* outer_;
};

namespace detail {

/// Whether anybody looks on, by KeepOutputs or as an Observer.
inline bool looked_at() { return looking.keeping_outputs || looking.innermost; }

/// For whoever makes a node: keeps the output where that is asked for and tells the observers.
void tell_recorded(Node& node, const Array& y);

}  // namespace detail

}  // namespace xtape
