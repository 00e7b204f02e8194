#include <string>
#include <utility>

#include <fmt/format.h>

#include <xtape/autograd/kernels/gemm.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/ops/binary.hpp>
#include <xtape/autograd/tape.hpp>

namespace xtape {

namespace {

/// C = op(A) op(B) over the last two axes, batch axes broadcast. Its gradients are again such products with other
/// flags, so that nothing is ever transposed in memory:
/// dA = G op(B)^T, transposed when A is;  dB = op(A)^T G, transposed when B is.
Variable product(const char* op, const Variable& a, bool trans_a, const Variable& b, bool trans_b, Where where) {
    auto da = on(a, [op, b, trans_a, trans_b, shape = a.shape(), where](const Variable& g) {
        return sum_to(trans_a ? product(op, b, trans_b, g, true, where) : product(op, g, false, b, !trans_b, where),
                      shape, where);
    });
    auto db = on(b, [op, a, trans_a, trans_b, shape = b.shape(), where](const Variable& g) {
        return sum_to(trans_b ? product(op, g, true, a, trans_a, where) : product(op, a, !trans_a, g, false, where),
                      shape, where);
    });
    return record(op, where, kernels::matmul(a.array(), trans_a, b.array(), trans_b), std::move(da), std::move(db));
}

Variable product(const char* op, const Variable& a, const Variable& b, Where where) {
    return product(op, a, false, b, false, where);
}

/// The axes before the matrices.
Shape batches(const Shape& shape) { return Shape(shape.begin(), shape.end() - 2); }

void require_vectors(const char* op, const Variable& a, const Variable& b, Where where) {
    if (a.rank() != 1 || b.rank() != 1)
        throw ShapeError(
            fmt::format("{}: needs two 1-D arrays: {} and {}", op, to_string(a.shape()), to_string(b.shape())), where);
}

}  // namespace

Variable matmul(Variable a, Variable b, Where where) {
    const Shape shape_a = a.shape(), shape_b = b.shape();
    const auto both = [&] { return fmt::format("X {} x W {}", to_string(shape_a), to_string(shape_b)); };
    if (shape_a.empty() || shape_b.empty())
        throw ShapeError(fmt::format("matmul: a scalar is no matrix: {}; multiply with *", both()), where);
    match_dtypes("matmul", a, b, where);
    const Index inner = shape_a.back(), inner_b = shape_b.rank() == 1 ? shape_b[0] : shape_b[shape_b.rank() - 2];
    if (inner != inner_b)
        throw ShapeError(fmt::format("matmul: inner sizes differ: {}, {} != {}", both(), inner, inner_b), where);

    if (a.rank() == 1) a = reshape(std::move(a), {1, inner}, where);
    if (b.rank() == 1) b = reshape(std::move(b), {inner, 1}, where);
    Shape shape;
    if (a.rank() > 2 || b.rank() > 2) {
        const std::string described = "matmul: batch axes of " + both();
        shape = shapes::broadcast(described.c_str(), batches(a.shape()), batches(b.shape()), where);
    }
    if (shape_a.rank() > 1) shape.push_back(shape_a[shape_a.rank() - 2]);
    if (shape_b.rank() > 1) shape.push_back(shape_b.back());

    // One matrix for a whole batch of others: their rows are rows of one product, and its gradient needs no sum.
    if (b.rank() == 2 && a.rank() > 2) {
        const Index rows = Shape(a.shape().begin(), a.shape().end() - 1).count();
        a = reshape(std::move(a), {rows, inner}, where);
    }
    return reshape(product("matmul", a, b, where), shape, where);
}

Variable dot(Variable a, Variable b, Where where) {
    require_vectors("dot", a, b, where);
    match_dtypes("dot", a, b, where);
    const Index n = a.size();
    if (n != b.size())
        throw ShapeError(fmt::format("dot: sizes differ: {} . {}, {} != {}", to_string(a.shape()), to_string(b.shape()),
                                     n, b.size()),
                         where);
    return reshape(product("dot", reshape(a, {1, n}, where), reshape(b, {n, 1}, where), where), {}, where);
}

Variable outer(Variable a, Variable b, Where where) {
    require_vectors("outer", a, b, where);
    match_dtypes("outer", a, b, where);
    return product("outer", reshape(a, {a.size(), 1}, where), reshape(b, {1, b.size()}, where), where);
}

}  // namespace xtape
