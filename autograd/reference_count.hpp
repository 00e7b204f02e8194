#pragma once

#include <atomic>
#include <cstdint>

#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#endif

namespace xtape {

/// How many hold an object that threads may share. Locked instructions are taken only where another thread could be counting
/// too: small models spend more time in them than in arithmetic.
class ReferenceCount {
public:
    ReferenceCount(std::uint32_t count) : count_(count) {}

    void add() noexcept {
        const std::uint32_t now = count_.load(std::memory_order_relaxed);
        if (now == 0 || single_threaded())  // 0: fresh, nobody else has it
            count_.store(now + 1, std::memory_order_relaxed);
        else
            count_.fetch_add(1, std::memory_order_relaxed);
    }

    /// Takes one away; whether that was the last. The only holder may do it unlocked: nobody can make another behind its back.
    bool drop() noexcept {
        if (is_one()) return true;
        if (!single_threaded()) return count_.fetch_sub(1, std::memory_order_acq_rel) == 1;
        count_.store(count_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
        return false;
    }

    bool is_one() const noexcept { return count() == 1; }
    std::uint32_t count() const noexcept { return count_.load(std::memory_order_acquire); }

private:
    /// Whether this process has never had a second thread; false where that is not known.
    static bool single_threaded() noexcept {
#if __has_include(<sys/single_threaded.h>)
        return __libc_single_threaded;
#else
        return false;
#endif
    }

    std::atomic<std::uint32_t> count_;
};

}  // namespace xtape
