#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <type_traits>

#include <xtape/autograd/error.hpp>

namespace xtape {

/// Signed everywhere, so that sizes, axes and negative positions share one type.
using Index = std::ptrdiff_t;

/// A short list of integers held in place: a shape, a list of axes, a permutation. At most 8 entries.
class Shape {
public:
    static constexpr Index max_rank = 8;

    Shape() = default;
    Shape(const Shape& other) noexcept : rank_(other.rank_) { copy_sizes(other); }
    Shape& operator=(const Shape& other) noexcept {
        rank_ = other.rank_;
        copy_sizes(other);
        return *this;
    }
    Shape(std::initializer_list<Index> sizes) : Shape(sizes.begin(), sizes.end()) {}

    /// Throws ShapeError beyond 8 entries.
    template <class It, class = std::enable_if_t<!std::is_integral_v<It>>>
    Shape(It first, It last) {
        for (; first != last; ++first) push_back(static_cast<Index>(*first));
    }

    /// `rank` entries of the same value.
    static Shape filled(Index rank, Index value);

    Index rank() const { return rank_; }
    bool empty() const { return rank_ == 0; }

    /// Product of the entries: the number of elements; 1 for rank 0.
    Index count() const {
        Index n = 1;
        for (Index size : *this) n *= size;
        return n;
    }

    Index& operator[](Index i) { return sizes_[static_cast<std::size_t>(i)]; }
    Index operator[](Index i) const { return sizes_[static_cast<std::size_t>(i)]; }
    Index back() const { return sizes_[static_cast<std::size_t>(rank_ - 1)]; }

    Index* begin() { return sizes_.data(); }
    Index* end() { return sizes_.data() + rank_; }
    const Index* begin() const { return sizes_.data(); }
    const Index* end() const { return sizes_.data() + rank_; }

    /// Throws ShapeError when the list is full.
    void push_back(Index value) {
        if (rank_ == max_rank) throw_full();
        sizes_[static_cast<std::size_t>(rank_++)] = value;
    }
    void insert(Index position, Index value);
    void erase(Index position);
    bool contains(Index value) const;

    friend bool operator==(const Shape& a, const Shape& b) {
        if (a.rank_ != b.rank_) return false;
        for (Index i = 0; i < a.rank_; ++i)
            if (a[i] != b[i]) return false;
        return true;
    }
    friend bool operator!=(const Shape& a, const Shape& b) { return !(a == b); }

private:
    /// Only the entries in use: most shapes have few, and in the header of an array or a node the others are cache lines
    /// never touched.
    void copy_sizes(const Shape& other) noexcept {
        for (std::size_t i = 0; i < static_cast<std::size_t>(rank_); ++i) sizes_[i] = other.sizes_[i];
    }
    [[noreturn]] static void throw_full();

    Index rank_ = 0;
    std::array<Index, max_rank> sizes_;
};

/// A list of axes, which may be negative (counted from the last); the empty list stands for all axes.
struct Axes {
    Shape list;

    Axes() = default;
    Axes(Index axis) : list{axis} {}
    Axes(std::initializer_list<Index> axes) : list(axes) {}
    Axes(const Shape& axes) : list(axes) {}
};

/// "(2, 3)", "(4,)" or "()".
std::string to_string(const Shape& shape);

/// Shape rules: pure functions, each names the operation, the condition, both numbers and the user's line when it throws.
namespace shapes {

/// `axis` in [0, rank), negative ones counted from the last. Throws ShapeError.
Index axis(const char* op, Index axis, Index rank, Where where);

/// The axes of a reduction, sorted and in [0, rank); all of them when the list is empty. Throws ShapeError on repeats.
Shape axes(const char* op, const Axes& axes, Index rank, Where where);

/// What remains after reducing `axes` (normalised): ones in their place with keepdims, else without them.
Shape reduced(const Shape& x, const Shape& axes, bool keepdims);

/// NumPy's broadcasting of two shapes. Throws ShapeError.
Shape broadcast(const char* op, const Shape& a, const Shape& b, Where where);

/// The shape `wanted` with its one -1 worked out for `count` elements. Throws ShapeError.
Shape reshaped(const Shape& x, const Shape& wanted, Where where);

}  // namespace shapes
}  // namespace xtape
