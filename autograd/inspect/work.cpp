#include <xtape/autograd/inspect/work.hpp>

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string_view>

#include <xtape/autograd/kept.hpp>
#include <xtape/autograd/lasting_name.hpp>

namespace xtape::inspect::detail {

namespace {

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// Of an argument, if the tape has it.
std::optional<Shape> shape_of(const Node& node, std::size_t p) {
    if (p >= node.arity()) return std::nullopt;
    const Variable& argument = node.arguments()[p];
    if (argument.node()) return argument.node()->shape;
    return argument ? std::optional(argument.shape()) : std::nullopt;
}

double count_of(const Shape& shape) { return static_cast<double>(shape.count()); }

/// Numbers of one filter of w (K, C / groups, h, w).
double taps_of(const Shape& w) { return count_of(w) / static_cast<double>(std::max<Index>(1, w[0])); }

/// Length of the sums in a matrix product: of (.., M, N), whichever factors it read transposed.
double inner_size(const Node& node) {
    const Shape& y = node.shape;
    for (std::size_t p = 0; p < 2; ++p) {
        const auto factor = shape_of(node, p);
        if (!factor || factor->rank() < 2 || y.rank() < 2) continue;
        const Index side = p == 0 ? y[y.rank() - 2] : y.back();
        if (side > 0) return static_cast<double>((*factor)[factor->rank() - 2] * factor->back() / side);
    }
    return 0;
}

/// Multiplications and additions of a bilinear operation, or nothing if it is none.
std::optional<double> product_of(const Node& node, std::string_view name) {
    const double results = count_of(node.shape);
    const auto first = shape_of(node, 0), second = shape_of(node, 1);
    if (is_one_of(name, {"matmul", "linear", "linear_sigmoid", "dot", "outer"})) return 2 * results * inner_size(node);
    if (is_one_of(name, {"conv2d", "correlate2d", "convolve2d", "conv2d_relu_max_pool2d_output"}))
        return second ? 2 * results * taps_of(*second) : 0;
    if (name == "conv2d_relu_max_pool2d")  // four positions are computed for each maximum
        return second ? 8 * results * taps_of(*second) : 0;
    if (is_one_of(name, {"conv_transpose2d", "correlate2d_input", "conv2d_relu_max_pool2d_input"}))
        return first && second ? 2 * count_of(*first) * taps_of(*second) : 0;
    if (is_one_of(name, {"correlate2d_kernel", "conv2d_relu_max_pool2d_kernel"}))
        return second ? 2 * count_of(*second) * taps_of(node.shape) : 0;
    return std::nullopt;
}

/// Whether elements are only copied or looked at from elsewhere.
bool only_moves(std::string_view name) {
    return is_one_of(name,
                     {"reshape", "flatten", "squeeze", "expand_dims", "transpose", "permute", "broadcast_to", "slice",
                      "place", "pad", "concatenate", "stack", "flip", "repeat", "take", "gather", "astype", "unfold"});
}

}  // namespace

double Work::backward(const bool* wanted) const {
    double flops = 0;
    for (std::size_t p = 0; p < arity; ++p)
        if (wanted[p]) flops += bilinear && p < 2 ? product : one_pass;
    return flops;
}

Work work_of(const Node& node) {
    Work work;
    work.arity = node.arity();
    double largest = count_of(node.shape);
    const double size = node.dtype == float32 ? sizeof(float) : sizeof(double);
    work.bytes = size * count_of(node.shape);
    const char* const name =
        xtape::detail::is_lasting_name(node.name) ? "" : node.name;           // a user's own is any operation
    if (is_one_of(name, {"reshape", "flatten", "squeeze", "expand_dims"})) {  // the same elements
        work.bytes = 0;
        return work;
    }
    for (std::size_t p = 0; p < node.arity(); ++p)
        if (const auto shape = shape_of(node, p)) {
            const Variable& argument = node.arguments()[p];
            const DType dtype = argument.node() ? argument.node()->dtype : argument.dtype();
            work.bytes += count_of(*shape) * (dtype == float32 ? sizeof(float) : sizeof(double));
            largest = std::max(largest, count_of(*shape));
        }
    if (const auto product = product_of(node, name)) {
        work.bilinear = true;
        work.product = *product;
        const double positions = std::string_view(name) == "conv2d_relu_max_pool2d" ? 4 : 1;
        const bool with_sigmoid = std::string_view(name) == "linear_sigmoid";
        if (node.arity() == 3) work.elements = positions * count_of(node.shape) * (positions > 1 ? 3 : 1);
        if (with_sigmoid) work.elements *= 2;
        work.one_pass = count_of(node.shape) * (with_sigmoid ? 2 : 1);
    } else if (!only_moves(name)) {
        work.elements = work.one_pass = largest;
    }
    return work;
}

}  // namespace xtape::inspect::detail
