#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <xtape/autograd/casts.hpp>
#include <xtape/autograd/inspect.hpp>
#include <xtape/autograd/inspect/rules.hpp>
#include <xtape/autograd/tape.hpp>

/// The parts of a derivation.
namespace xtape::inspect::detail {

/// The parameters that lead to a value, float64 for as long as this lives.
class MovableLeaves {
public:
    explicit MovableLeaves(const Variable& y);
    ~MovableLeaves();
    MovableLeaves(const MovableLeaves&) = delete;
    MovableLeaves& operator=(const MovableLeaves&) = delete;

    /// To their values plus step times a direction of its own for each.
    void move(double step);
    const Array& direction(const Node* node) const;

private:
    struct Moved {
        NodePtr node;
        Array before, at, direction;
        Leaf& leaf() const { return static_cast<Leaf&>(*node); }
    };
    std::vector<Moved> leaves_;
};

/// A tape recorded in float64 with all outputs kept, and how fast each value moves when all parameters move at once. While it
/// lives the parameters are float64, and float32 constants may meet them.
class Recording {
public:
    Recording(const std::function<Variable()>& f, Where where);

    const Variable& result() const { return y_; }
    const Tape& tape() const { return *tape_; }
    Array value(std::size_t i) const;
    const Array& rate(std::size_t i) const { return rates_[i]; }
    /// Whether its constant arguments stayed the same while parameters moved: else differences say nothing of its derivatives.
    bool steady(std::size_t i) const { return steady_[i]; }

private:
    AllowCasts casts_;
    std::unique_ptr<MovableLeaves> leaves_;
    Variable y_;
    std::unique_ptr<Tape> tape_;
    std::vector<Array> values_;
    std::vector<Array> rates_;
    std::vector<bool> steady_;
};

/// An argument as the formula has it: a position on the tape, or a constant.
struct FormulaArgument {
    std::uint32_t position;  ///< Tape::absent for a constant
    Array constant;          ///< empty where the tape does not keep it
    std::size_t index;       ///< among the node's arguments
};

/// The tape as the user wrote it: an operation that was recorded around another one takes that one as its argument again.
class WrittenTape {
public:
    explicit WrittenTape(const Tape& tape);

    const std::vector<FormulaArgument>& arguments(std::size_t i) const { return arguments_[i]; }
    /// Whether it leads to the result in the formula.
    bool used(std::size_t i) const { return used_[i]; }
    /// Operations that take it, each once for each place where they do.
    const std::vector<std::uint32_t>& users(std::size_t i) const { return users_[i]; }
    /// What it was recorded in place of, or null.
    const Node* around(std::size_t i) const;

private:
    const Tape& tape_;
    std::vector<std::vector<FormulaArgument>> arguments_;
    std::vector<std::vector<std::uint32_t>> users_;
    std::vector<bool> used_;
};

/// Writes the equations of one recording.
Derivation derive(const Recording& recording, const Names& names);

}  // namespace xtape::inspect::detail
