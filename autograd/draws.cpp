#include <xtape/autograd/draws.hpp>

#include <xtape/autograd/error.hpp>

namespace xtape::detail {

namespace {
thread_local Draws::Scope* innermost = nullptr;
}

Draws::Scope::Scope(Draws& draws, Does what) : draws_(draws), repeats_(what == Does::repeat), outer_(innermost) {
    innermost = this;
}
Draws::Scope::~Scope() { innermost = outer_; }

void Draws::note(std::uint64_t first, std::uint64_t count) {
    if (!pieces_.empty() && pieces_.back().first + pieces_.back().count == first)
        pieces_.back().count += count;
    else
        pieces_.push_back({first, count});
}

bool Draws::answer(std::uint64_t own, std::uint64_t count, std::uint64_t& first) {
    first = own;
    if (!innermost || count == 0) return true;
    Scope* repeating = innermost;
    while (repeating && !repeating->repeats_) repeating = repeating->outer_;
    if (repeating) {
        const auto& pieces = repeating->draws_.pieces_;
        if (repeating->piece_ < pieces.size() && repeating->taken_ == pieces[repeating->piece_].count)
            ++repeating->piece_, repeating->taken_ = 0;
        if (repeating->piece_ == pieces.size() || pieces[repeating->piece_].count - repeating->taken_ < count)
            throw TapeError("checkpoint: the function drew other random numbers when it was run again");
        first = pieces[repeating->piece_].first + repeating->taken_;
        repeating->taken_ += count;
    }
    for (Scope* scope = innermost; scope != repeating; scope = scope->outer_) scope->draws_.note(first, count);
    return !repeating;
}

}  // namespace xtape::detail
