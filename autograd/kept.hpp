#pragma once

#include <array>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <xtape/autograd/array.hpp>

/// What a tape keeps alive: every node can say what it holds for its rules, and nothing is added up until somebody asks.
namespace xtape {

/// A piece of memory that a rule keeps: where it is, which tells pieces apart, and how large.
struct KeptPiece {
    const void* identity;
    std::size_t bytes;
};

inline KeptPiece kept_piece(const Array& x) {
    if (!x) return {nullptr, 0};
    return {x.identity(), static_cast<std::size_t>(x.size()) * (x.dtype() == float32 ? 4U : 8U)};
}
inline KeptPiece kept_piece(const KeptPiece& piece) { return piece; }

/// A rule, and for whoever asks what a tape keeps alive, the pieces that it captured.
template <class Rule, std::size_t N>
struct Holding : Rule {
    std::array<KeptPiece, N> pieces;
    Holding(Rule rule, const std::array<KeptPiece, N>& held) : Rule(std::move(rule)), pieces(held) {}
    using Rule::operator();
};

/// Says what a rule captured: `on(x, holding([w](const Variable& g) { return g * w; }, w))`. Held are Arrays, Variables and
/// Operands, and KeptPieces of anything else. A rule that captures none of them needs no such word; one that captures some
/// and does not say so works as well, but is counted among those of which nothing is known (Kept::silent).
template <class Rule, class... Held>
Holding<Rule, sizeof...(Held)> holding(Rule rule, const Held&... held) {
    return {std::move(rule), {kept_piece(held)...}};
}

/// Adds up what nodes keep alive. A piece counts once, at the first node that keeps it; a reshaped array is the same piece as
/// the one whose elements it shares.
class Kept {
public:
    void add(const KeptPiece& piece);
    /// An array, and what it holds on to: what it came from, or what was derived from it (Array::remember, keep_derived).
    void add(const Array& x);

    /// What a rule keeps.
    template <class Rule>
    void add_rule(const Rule& rule);

    /// Bytes added since the last take, and starts again from 0; pieces seen stay counted.
    std::size_t take() { return std::exchange(bytes_, 0); }
    std::size_t total() const { return total_; }
    /// Rules that own something and do not say what.
    std::size_t silent() const { return silent_; }

private:
    std::unordered_map<const void*, std::size_t> seen_;
    std::size_t bytes_ = 0;
    std::size_t total_ = 0;
    std::size_t silent_ = 0;
};

namespace detail {

template <class Rule>
inline constexpr bool says_what_it_holds = false;
template <class Rule, std::size_t N>
inline constexpr bool says_what_it_holds<Holding<Rule, N>> = true;

/// A rule around another one, which says what that one said, be that moved from or not.
template <class Outer, class Inner>
auto holding_as(Outer outer, const Inner& inner) {
    if constexpr (says_what_it_holds<Inner>)
        return Holding<Outer, std::tuple_size_v<decltype(inner.pieces)>>(std::move(outer), inner.pieces);
    else
        return outer;
}

}  // namespace detail

template <class Rule>
void Kept::add_rule(const Rule& rule) {
    if constexpr (detail::says_what_it_holds<Rule>)
        for (const KeptPiece& piece : rule.pieces) add(piece);
    else if constexpr (!std::is_trivially_destructible_v<Rule>)
        ++silent_;
}

}  // namespace xtape
