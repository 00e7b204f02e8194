#pragma once

#include <cstdint>

#include <xtape/autograd/node.hpp>

/// Before and since: what a part of a tape is cut out by.
namespace xtape {

/// Tells what this thread has recorded since from everything else.
class Moment {
public:
    /// Before everything.
    Moment() = default;
    static Moment now();

    bool before_everything() const { return number_ == 0; }
    /// Whether it was recorded since, by the same thread.
    bool covers(const Node& node) const { return covers(node.number); }
    bool covers(std::uint64_t number) const {
        return number_ == 0 || (number > number_ && (number - number_) % Node::number_step == 0);
    }

private:
    std::uint64_t number_ = 0;
};

/// While it lives, operations of this thread do not recognise (ops/recognise.hpp) what was recorded before it: none goes around
/// it, so that what is recorded since has a border.
class Border {
public:
    Border();
    ~Border();
    Border(const Border&) = delete;
    Border& operator=(const Border&) = delete;

    static bool hides(const Node& node) { return hides(node.number); }
    static bool hides(std::uint64_t number) { return innermost_ && !innermost_->since.covers(number); }

    const Moment since = Moment::now();

private:
    static thread_local Border* innermost_;
    Border* const outer_;
};

}  // namespace xtape
