#pragma once

#include <cstddef>
#include <string>

#include <xtape/autograd/node.hpp>

/// Which elements of an argument an element of an operation's output comes from.
namespace xtape::detail {

/// Elements first, first + step, ... of an array.
struct Part {
    Index first = 0, step = 1, count = 0;
    std::string text;  ///< "row 2"; empty for one element or the whole array
};

/// What output element `element` of an operation was computed from in its argument p, which has this shape: that one
/// element for an element-wise operation, broadcasting undone; a row or a column for a product of matrices; else the
/// whole argument.
Part part_read(const Node& node, std::size_t p, const Shape& argument, Index element);

/// The element of `from` that is broadcast to element `flat` of `to`.
Index before_broadcast(Index flat, const Shape& from, const Shape& to);

/// Whether each output element comes from one element of each argument.
bool is_elementwise(const Node& node);

/// The value of a node, as far as it is known: a parameter's, or an output that was kept.
Array value_of(const Node& node);
/// Likewise of argument p of a node.
Array value_of_argument(const Node& node, std::size_t p);

/// Number `flat` in row-major order as an index for each axis.
Shape position(Index flat, const Shape& shape);

/// The first element of a part that is not finite; -1 when all are.
Index first_non_finite(const Array& x, const Part& part);

}  // namespace xtape::detail
