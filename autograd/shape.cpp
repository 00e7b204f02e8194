#include <xtape/autograd/shape.hpp>

#include <algorithm>

#include <fmt/format.h>

namespace xtape {

Shape Shape::filled(Index rank, Index value) {
    Shape shape;
    for (Index i = 0; i < rank; ++i) shape.push_back(value);
    return shape;
}

void Shape::throw_full() { throw ShapeError(fmt::format("shape: more than {} axes, which is the limit", max_rank)); }

void Shape::insert(Index position, Index value) {
    if (rank_ == max_rank) throw_full();
    std::copy_backward(begin() + position, end(), end() + 1);
    (*this)[position] = value;
    ++rank_;
}

void Shape::erase(Index position) {
    std::copy(begin() + position + 1, end(), begin() + position);
    --rank_;
}

bool Shape::contains(Index value) const { return std::find(begin(), end(), value) != end(); }

std::string to_string(const Shape& shape) {
    if (shape.rank() == 1) return fmt::format("({},)", shape[0]);
    return fmt::format("({})", fmt::join(shape.begin(), shape.end(), ", "));
}

namespace shapes {

Index axis(const char* op, Index axis, Index rank, Where where) {
    if (axis < -rank || axis >= rank)
        throw ShapeError(fmt::format("{}: axis {} is not an axis of an array of rank {}", op, axis, rank), where);
    return axis < 0 ? axis + rank : axis;
}

Shape axes(const char* op, const Axes& axes, Index rank, Where where) {
    Shape result;
    if (axes.list.empty()) {
        for (Index i = 0; i < rank; ++i) result.push_back(i);
        return result;
    }
    for (Index given : axes.list) result.push_back(axis(op, given, rank, where));
    std::sort(result.begin(), result.end());
    const Index* repeated = std::adjacent_find(result.begin(), result.end());
    if (repeated != result.end())
        throw ShapeError(fmt::format("{}: axis {} is named twice in {}", op, *repeated, to_string(axes.list)), where);
    return result;
}

Shape reduced(const Shape& x, const Shape& axes, bool keepdims) {
    Shape result;
    for (Index i = 0; i < x.rank(); ++i) {
        if (!axes.contains(i))
            result.push_back(x[i]);
        else if (keepdims)
            result.push_back(1);
    }
    return result;
}

Shape broadcast(const char* op, const Shape& a, const Shape& b, Where where) {
    const Shape& longer = a.rank() >= b.rank() ? a : b;
    Shape result = longer;
    for (Index back = 1; back <= std::min(a.rank(), b.rank()); ++back) {
        const Index of_a = a[a.rank() - back];
        const Index of_b = b[b.rank() - back];
        if (of_a != of_b && of_a != 1 && of_b != 1)
            throw ShapeError(fmt::format("{}: shapes do not broadcast: {} with {}, {} != {} at axis {}", op,
                                         to_string(a), to_string(b), of_a, of_b, result.rank() - back),
                             where);
        result[result.rank() - back] = of_a == 1 ? of_b : of_a;
    }
    return result;
}

Shape reshaped(const Shape& x, const Shape& wanted, Where where) {
    Shape result = wanted;
    Index* unknown = nullptr;
    Index known = 1, nonzero = 1;
    bool overflows = false;
    for (Index& size : result) {
        if (size >= 0) {
            overflows |= __builtin_mul_overflow(nonzero, std::max<Index>(size, 1), &nonzero);
            known = overflows ? 0 : known * size;
        } else if (size == -1 && !unknown) {
            unknown = &size;
        } else {
            throw ShapeError(
                fmt::format("reshape: {} is not a shape: sizes are >= 0, but for one -1", to_string(wanted)), where);
        }
    }
    const Index count = x.count();
    if (!overflows && unknown && known != 0 && count % known == 0) *unknown = count / known;
    if (overflows || (unknown ? *unknown < 0 : known != count))
        throw ShapeError(
            fmt::format("reshape: {} elements of {} do not fill {}", count, to_string(x), to_string(wanted)), where);
    return result;
}

}  // namespace shapes
}  // namespace xtape
