#include <xtape/autograd/reads.hpp>

#include <algorithm>
#include <cmath>
#include <string_view>

#include <fmt/format.h>

#include <xtape/autograd/kernels/finite.hpp>
#include <xtape/autograd/lasting_name.hpp>
#include <xtape/autograd/ops/formula_node.hpp>

namespace xtape::detail {

namespace {

using Names = std::vector<std::string_view>;

/// An element from one element of each argument, which broadcast; tests/reads.cpp holds them against the catalogue.
const Names elementwise{"abs",
                        "add",
                        "astype",
                        "broadcast_to",
                        "clip",
                        "cos",
                        "divide",
                        "elu",
                        "elu_slope",
                        "erf",
                        "exp",
                        "expm1",
                        "gate",
                        "gelu",
                        "huber_loss",
                        "huber_slope",
                        "leaky_relu",
                        "log",
                        "log1p",
                        "log_sigmoid",
                        "maximum",
                        "minimum",
                        "multiply",
                        "negative",
                        "negative_quotient",
                        "one_plus_exp",
                        "pow",
                        "reciprocal",
                        "relu",
                        "scaled_product",
                        "sigmoid",
                        "sigmoid_cross_entropy",
                        "sigmoid_cross_entropy_slope",
                        "sigmoid_of_negative",
                        "sigmoid_slope",
                        "sin",
                        "softplus",
                        "sqrt",
                        "square",
                        "subtract",
                        "tanh",
                        "tanh_slope",
                        "where"};

/// The same elements under another shape.
const Names reshaping{"expand_dims", "flatten", "reshape", "squeeze"};

/// X W, of two matrices, and perhaps a bias.
const Names products{"dot", "linear", "matmul", "outer"};

bool holds(const Names& names, const char* name) { return std::find(names.begin(), names.end(), name) != names.end(); }

bool broadcasts(const Shape& from, const Shape& to) {
    if (from.rank() > to.rank()) return false;
    const Index extra = to.rank() - from.rank();
    for (Index axis = 0; axis < from.rank(); ++axis)
        if (from[axis] != 1 && from[axis] != to[axis + extra]) return false;
    return true;
}

Part whole(const Shape& argument) { return {0, 1, argument.count(), ""}; }

/// Of X (m, k), W (k, n) and a bias (n,) for one element of (m, n).
Part part_of_product(const Shape& output, std::size_t p, const Shape& argument, Index element) {
    if (output.rank() != 2) return whole(argument);
    const Index row = element / output[1], column = element % output[1];
    if (p == 0 && argument.rank() == 2 && argument[0] == output[0])
        return {row * argument[1], 1, argument[1], fmt::format("row {}", row)};
    if (p == 1 && argument.rank() == 2 && argument[1] == output[1])
        return {column, argument[1], argument[0], fmt::format("column {}", column)};
    if (p == 2 && argument.rank() == 1 && argument[0] == output[1]) return {column, 1, 1, ""};
    return whole(argument);
}

}  // namespace

Index before_broadcast(Index flat, const Shape& from, const Shape& to) {
    const Shape at = position(flat, to);
    const Index extra = to.rank() - from.rank();
    Index result = 0;
    for (Index axis = 0; axis < from.rank(); ++axis)
        result = result * from[axis] + (from[axis] == 1 ? 0 : at[axis + extra]);
    return result;
}

bool is_elementwise(const Node& node) {
    if (const auto* formula = dynamic_cast<const FormulaNode*>(&node)) return formula->elements() == node.shape;
    return !is_lasting_name(node.name) && holds(elementwise, node.name);
}

Part part_read(const Node& node, std::size_t p, const Shape& argument, Index element) {
    if (is_elementwise(node) && broadcasts(argument, node.shape))
        return {before_broadcast(element, argument, node.shape), 1, 1, ""};
    if (is_lasting_name(node.name)) return whole(argument);
    if (holds(reshaping, node.name)) return {element, 1, 1, ""};
    if (holds(products, node.name)) return part_of_product(node.shape, p, argument, element);
    return whole(argument);
}

Array value_of(const Node& node) {
    const auto* leaf = dynamic_cast<const Leaf*>(&node);
    return leaf ? leaf->value : node.output;
}

Array value_of_argument(const Node& node, std::size_t p) {
    const Variable& argument = node.arguments()[p];
    if (argument) return argument.array();
    return argument.node() ? value_of(*argument.node()) : Array();
}

Shape position(Index flat, const Shape& shape) {
    Shape at = shape;
    for (Index axis = shape.rank(); axis-- > 0;) {
        at[axis] = flat % shape[axis];
        flat /= shape[axis];
    }
    return at;
}

Index first_non_finite(const Array& x, const Part& part) {
    if (part.step == 1 && part.count == x.size()) return kernels::first_non_finite(x);
    for (Index i = 0, at = part.first; i < part.count; ++i, at += part.step)
        if (!std::isfinite(x.at(at))) return at;
    return -1;
}

}  // namespace xtape::detail
