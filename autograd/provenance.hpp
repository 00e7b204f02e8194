#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <xtape/autograd/anomaly.hpp>
#include <xtape/autograd/reads.hpp>
#include <xtape/autograd/tape.hpp>

/// Where numbers that are not finite come from, told from what a tape has kept.
namespace xtape {

struct NonFinite;

namespace detail {

/// What is known beside the tape: the user's names, and which rule recorded an operation.
class Provenance {
public:
    explicit Provenance(VariableNames names) : names_(std::move(names)) {}

    void name(const std::string& text, const Variable& x, Where where) { names_.add(text, x, where); }

    /// The rule of `of` has recorded `made`.
    void recorded_by_rule(const Node& made, const Node& of);

    /// Forgets what rules have recorded since one of these was called last, or keeps it.
    void forget_recent();
    void keep_recent() { recent_.clear(); }

    /// The first cause of a value that is not finite at an end of a tape, with the way from there; nothing when it is
    /// finite or not known. Followed back from the end, through elements that are not finite and went into one another.
    std::optional<Anomaly> of_output(const Tape& tape) const;

    /// The same of a node that has just been recorded, from its arguments alone; nothing when the output of an operation that
    /// was recorded since among them is not finite.
    std::optional<Anomaly> of_recorded(const Node& node, const Array& y, Moment since) const;

    /// A rule has given this gradient for argument p.
    Anomaly of_rule(const Node& node, std::size_t p, const Array& g, const Array& gradient, Index element) const;

    /// What a node gave the one that it goes around.
    Anomaly of_bypass(const Node& node, const Array& gradient, Index element) const;

    /// Gradients that met at the output of a node, or at a parameter, have become this.
    Anomaly of_sum(const Node& node, const Array& g, Index element) const;

    Anomaly::Step step(const Node& node) const;

private:
    std::string origin(const Node& node, std::size_t p) const;
    Anomaly::Numbers numbers(std::string role, std::string origin, const Array& x, const Shape& shape,
                             const Part& part) const;
    void add_arguments(Anomaly& found, const Node& node, std::optional<Index> element) const;
    void add_formula(Anomaly& found, const Node& node, const NonFinite& bad) const;
    /// An operation whose arguments are finite where output element `element` came from.
    Anomaly of_operation(const Node& node, const Array& y, Index element) const;
    Anomaly of_node(Anomaly::Kind kind, const Node& node, const Array& y, Index element) const;
    Anomaly of_constant(const Node& node, std::size_t p, Index element) const;
    Anomaly of_parameter(const Node& leaf, Index element, const Node* user) const;

    VariableNames names_;
    std::unordered_map<std::uint64_t, Anomaly::Step> rules_;  // by the number of what they recorded
    std::vector<std::uint64_t> recent_;
};

/// The shortest way from node i to an end over a tape's edges: positions, i first.
std::vector<std::size_t> way_to_end(const Tape& tape, std::size_t i);

}  // namespace detail

}  // namespace xtape
