#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

/// Random numbers drawn a second time: which part of its stream every draw took, in order, whichever generators they were.
/// checkpoint() notes it and repeats it, and the generators themselves stay where they are.
namespace xtape::detail {

class Draws {
public:
    /// Answers a generator that is to skip `count` positions, at `own` at present: from where the draw is to take them, and
    /// whether the generator is to move on. Of the thread's scopes the innermost that repeats decides; those within it note.
    static bool answer(std::uint64_t own, std::uint64_t count, std::uint64_t& first);

    /// While it lives, the draws of this thread are noted in a list or repeated from one.
    class Scope {
    public:
        enum class Does { note, repeat };
        Scope(Draws& draws, Does what);
        ~Scope();
        Scope(const Scope&) = delete;
        Scope& operator=(const Scope&) = delete;

    private:
        friend class Draws;
        Draws& draws_;
        const bool repeats_;
        std::size_t piece_ = 0;    // the next draw of what is repeated is of this piece
        std::uint64_t taken_ = 0;  // of that piece
        Scope* const outer_;
    };

private:
    struct Piece {
        std::uint64_t first, count;
    };
    void note(std::uint64_t first, std::uint64_t count);

    std::vector<Piece> pieces_;
};

}  // namespace xtape::detail
