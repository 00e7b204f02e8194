#pragma once

#include <optional>

#include <xtape/autograd/shape.hpp>

namespace xtape {

/// Two sizes, along rows (H) and columns (W); one number stands for both.
struct Pair {
    Index rows;
    Index cols;

    constexpr Pair(Index both) : rows(both), cols(both) {}
    constexpr Pair(Index rows_, Index cols_) : rows(rows_), cols(cols_) {}
    friend constexpr bool operator==(Pair a, Pair b) { return a.rows == b.rows && a.cols == b.cols; }
};

struct Valid {};
/// No padding: only windows that lie wholly inside.
inline constexpr Valid valid{};

struct Same {};
/// As much padding as gives ceil(size / stride) outputs; the odd one goes to the bottom and the right.
inline constexpr Same same{};

/// Zeros around the two last axes of (N, C, H, W): `valid`, `same`, one number, or (rows, columns) for both sides.
class Padding {
public:
    constexpr Padding(Valid = {}) {}
    constexpr Padding(Same) : same_(true) {}
    constexpr Padding(Index all) : top_(all), bottom_(all), left_(all), right_(all) {}
    constexpr Padding(Pair sides) : top_(sides.rows), bottom_(sides.rows), left_(sides.cols), right_(sides.cols) {}
    constexpr Padding(Index top, Index bottom, Index left, Index right)
        : top_(top), bottom_(bottom), left_(left), right_(right) {}

    constexpr bool is_same() const { return same_; }
    constexpr Index top() const { return top_; }
    constexpr Index bottom() const { return bottom_; }
    constexpr Index left() const { return left_; }
    constexpr Index right() const { return right_; }

private:
    bool same_ = false;
    Index top_ = 0, bottom_ = 0, left_ = 0, right_ = 0;
};

}  // namespace xtape
