#pragma once

#include <cstddef>

/// Pooled memory: every array and every node of a tape comes from here and goes back here, because touching fresh
/// memory costs several times more than passing over memory that was used before.
namespace xtape::storage {

/// At least `bytes`, aligned to 64 bytes; throws std::bad_alloc.
void* allocate(std::size_t bytes);

/// Gives back what `allocate(bytes)` returned; any thread may.
void deallocate(void* block, std::size_t bytes) noexcept;

/// For containers that live as long as a pass does.
template <class T>
struct Allocator {
    using value_type = T;
    static_assert(alignof(T) <= 64);

    Allocator() = default;
    template <class U>
    Allocator(const Allocator<U>&) {}

    T* allocate(std::size_t count) { return static_cast<T*>(storage::allocate(count * sizeof(T))); }
    void deallocate(T* block, std::size_t count) noexcept { storage::deallocate(block, count * sizeof(T)); }

    template <class U>
    bool operator==(const Allocator<U>&) const {
        return true;
    }
    template <class U>
    bool operator!=(const Allocator<U>&) const {
        return false;
    }
};

/// Counters since the program began (fresh, reused) and of this moment (live, cached, peak), over all threads.
struct Stats {
    std::size_t live_bytes;     ///< handed out and not yet given back
    std::size_t peak_bytes;     ///< the largest live_bytes since the last reset_peak
    std::size_t cached_bytes;   ///< kept for reuse
    std::size_t fresh_blocks;   ///< requests that had to ask the system
    std::size_t reused_blocks;  ///< requests answered from the pool
};
Stats stats();

/// Starts a new peak measurement from the current live bytes.
void reset_peak();

/// Returns the cached large blocks to the system.
void trim();

}  // namespace xtape::storage
