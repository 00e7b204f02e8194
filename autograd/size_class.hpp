#pragma once

#include <algorithm>
#include <cstddef>

/// Which sizes the pool's blocks have. Private to storage.cpp.
namespace xtape::storage {

inline constexpr std::size_t alignment = 64;
inline constexpr std::size_t fine_limit = 2048;  // nodes, single numbers: classes of every multiple of the alignment
inline constexpr std::size_t fine_classes = fine_limit / alignment + 1;
inline constexpr std::size_t small_limit = 32768;  // small arrays too are cached by each thread
inline constexpr std::size_t small_classes = fine_classes + 8 * 4;

/// A size class: the bytes its blocks have and its number. Multiples of 64 up to the fine limit, then eighths of powers of
/// two, so that at most an eighth is wasted.
struct SizeClass {
    std::size_t bytes;
    std::size_t number;

    /// Blocks that a thread takes from the common pool at once.
    std::size_t batch() const { return std::clamp<std::size_t>(65536 / bytes, 1, 64); }
    /// Blocks that a thread keeps for itself.
    std::size_t most_kept() const { return number < fine_classes ? 8192 : (std::size_t{2} << 20) / bytes; }
};

constexpr SizeClass size_class(std::size_t bytes) {
    if (bytes <= fine_limit) {
        const std::size_t number = std::max<std::size_t>(1, (bytes + alignment - 1) / alignment);
        return {number * alignment, number};
    }
    const auto octave = static_cast<std::size_t>(63 - __builtin_clzll(bytes - 1));  // 11 at the fine limit
    const std::size_t eighth = std::size_t{1} << (octave - 3);
    const std::size_t steps = (bytes + eighth - 1) / eighth;  // 9 ... 16
    return {steps * eighth, fine_classes + (octave - 11) * 8 + steps - 9};
}
static_assert(size_class(small_limit).number == small_classes - 1);

constexpr SizeClass class_of_number(std::size_t number) {
    if (number < fine_classes) return {number * alignment, number};
    const std::size_t above = number - fine_classes;
    return {(fine_limit / 8 << above / 8) * (9 + above % 8), number};
}

}  // namespace xtape::storage
