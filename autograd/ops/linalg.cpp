#include <array>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <xtape/autograd/kernels/deferred_product.hpp>
#include <xtape/autograd/kernels/gemm.hpp>
#include <xtape/autograd/kernels/reduce.hpp>
#include <xtape/autograd/kernels/sigmoid_layer.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/ops/binary.hpp>
#include <xtape/autograd/ops/recognise.hpp>
#include <xtape/autograd/ops/reduced.hpp>
#include <xtape/autograd/ops/relu.hpp>
#include <xtape/autograd/ops/slopes.hpp>
#include <xtape/autograd/tape.hpp>

namespace xtape {

namespace {

/// X W where its gradient in W is likely to be asked for, so that both may be computed together; else no array.
Array product_before_gradient(const Variable& x, const Variable& w) {
    if (w.shape().back() != 1 || !w.requires_grad() || !recording() || detail::looked_at()) return {};
    return kernels::product_later(x.array(), w.array());
}

Array product_of(const Variable& a, bool trans_a, const Variable& b, bool trans_b) {
    Array later;
    if (!trans_b && !trans_a)
        later = product_before_gradient(a, b);
    else if (!trans_b && b.array().waits() && !detail::looked_at())
        later = kernels::gradient_later(a.array(), b.array());
    return later ? later : kernels::matmul(a.array(), trans_a, b.array(), trans_b);
}

/// C = op(A) op(B) over the last two axes, batch axes broadcast. Its gradients are again such products with other
/// flags, so that nothing is ever transposed in memory:
/// dA = G op(B)^T, transposed when A is;  dB = op(A)^T G, transposed when B is.
Variable product(const char* op, const Variable& a, bool trans_a, const Variable& b, bool trans_b, Where where) {
    Array y = product_of(a, trans_a, b, trans_b);
    if (!recording() || !(a.requires_grad() || b.requires_grad())) return Variable(std::move(y));
    auto da =
        keeping(as_argument(a, b.requires_grad()), [op, trans_a, trans_b, where](const Variable& g, Arguments in) {
            return sum_to(trans_a ? product(op, in[1], trans_b, g, true, where)
                                  : product(op, g, false, in[1], !trans_b, where),
                          in[0].node()->shape, where);
        });
    auto db =
        keeping(as_argument(b, a.requires_grad()), [op, trans_a, trans_b, where](const Variable& g, Arguments in) {
            return sum_to(trans_b ? product(op, g, true, in[0], trans_a, where)
                                  : product(op, in[0], !trans_a, g, false, where),
                          in[1].node()->shape, where);
        });
    return record(op, where, std::move(y), std::move(da), std::move(db));
}

Variable product(const char* op, const Variable& a, const Variable& b, Where where) {
    return product(op, a, false, b, false, where);
}

/// Rows of length shape.back() in an array.
Index rows_of(const Shape& shape) { return Shape(shape.begin(), shape.end() - 1).count(); }

/// The axes before the matrices.
Shape batches(const Shape& shape) { return Shape(shape.begin(), shape.end() - 2); }

void require_vectors(const char* op, const Variable& a, const Variable& b, Where where) {
    if (a.rank() != 1 || b.rank() != 1)
        throw ShapeError(
            fmt::format("{}: needs two 1-D arrays: {} and {}", op, to_string(a.shape()), to_string(b.shape())), where);
}

/// The gradient of a bias that was added to every row.
Variable sum_of_rows(Variable g, Where where) {
    if (recording()) return sum(std::move(g), {0}, false, where);
    return Variable(g.shape()[1] == 1 ? reduced_array(kernels::reduce_sum, g.array(), {0}, false)
                                      : kernels::sum_of_rows(g.array()));
}

/// sigmoid(X W + bias). What goes into the sigmoid is not kept, nor seen by anybody.
class SigmoidLayer final : public Node {
public:
    SigmoidLayer(Where at, const Array& y, std::array<Variable, 3> arguments)
        : Node("linear_sigmoid", at, y.shape(), y.dtype(), newest(arguments)), arguments_(std::move(arguments)), y_(y) {
        keeps(arguments_.data(), arguments_.size());
    }

    void pull(Variable g, const bool* wanted, Variable* out) override {
        if (freed) detail::throw_freed(*this);
        const auto& [x, w, bias] = arguments_;
        if (!recording() && kernels::is_small_layer(shape[0], shape[1])) {
            Array slope = std::move(g).array();
            Array of_bias = kernels::sigmoid_layer_gradient(slope, y_);
            g = Variable(std::move(slope));
            if (wanted[2]) out[2] = Variable(std::move(of_bias));
        } else {
            g = sigmoid_slope(std::move(g), Variable(y_, recording() ? NodePtr(this) : NodePtr()));
            if (wanted[2]) out[2] = sum_of_rows(g, where);
        }
        if (wanted[0]) out[0] = product("linear", g, false, w, true, where);
        if (wanted[1]) out[1] = product("linear", x, true, g, false, where);
    }

    void free() override {
        Node::free();
        y_ = {};
    }

    void keep(Kept& kept) const override {
        Node::keep(kept);
        kept.add(y_);
    }

private:
    std::array<Variable, 3> arguments_;  // X and W with their arrays where the other one's gradient needs that
    Array y_;
};

enum class Then { nothing, relu, sigmoid };

/// relu is computed with the rest, but recorded as a node of its own, so that its rule is relu's.
Variable affine(Variable x, Variable w, Variable bias, Then then, Where where) {
    const auto all = [&] {
        return fmt::format("X {}, W {}, bias {}", to_string(x.shape()), to_string(w.shape()), to_string(bias.shape()));
    };
    if (x.rank() == 0 || w.rank() != 2 || bias.rank() != 1)
        throw ShapeError(fmt::format("linear: needs X (..., in), W (in, out) and bias (out,): {}", all()), where);
    if (x.shape().back() != w.shape()[0])
        throw ShapeError(fmt::format("linear: inner sizes differ: {}, {} != {}", all(), x.shape().back(), w.shape()[0]),
                         where);
    if (bias.shape()[0] != w.shape()[1])
        throw ShapeError(
            fmt::format("linear: the bias does not fit: {}, {} != {}", all(), bias.shape()[0], w.shape()[1]), where);
    match_dtypes("linear", x, w, bias, where);

    Shape shape = x.shape();
    shape[shape.rank() - 1] = w.shape()[1];
    if (x.rank() != 2) x = reshape(std::move(x), {rows_of(x.shape()), w.shape()[0]}, where);

    const auto product_and = [&](const kernels::Epilogue& epilogue) {
        return kernels::matmul(x.array(), false, w.array(), false, epilogue);
    };
    Variable y;
    if (Array later = then == Then::nothing ? product_before_gradient(x, w) : Array()) {
        const Shape column = later.shape();
        y = Variable(result_of(
            column, [](auto u, auto v) { return u + v; }, std::move(later), bias.array()));
    } else if (then == Then::sigmoid && kernels::is_small_layer(x.shape()[0], w.shape()[1])) {
        Array s = product_and({});
        kernels::add_and_sigmoid(s, bias.array());
        y = Variable(std::move(s));
    } else {
        y = Variable(product_and({&bias.array(), then == Then::relu}));
        if (then == Then::sigmoid) y = sigmoid_in_place(std::move(y), where);
    }
    if (recording() && (x.requires_grad() || w.requires_grad() || bias.requires_grad())) {
        const bool to_x = x.requires_grad(), to_w = w.requires_grad();
        if (then == Then::sigmoid) {
            NodePtr node(new SigmoidLayer(
                where, y.array(),
                {as_argument(std::move(x), to_w), as_argument(std::move(w), to_x), as_argument(std::move(bias))}));
            if (detail::looked_at()) detail::tell_recorded(*node, y.array());
            y = Variable(std::move(y).array(), std::move(node));
            return shape.rank() == 2 ? y : reshape(std::move(y), shape, where);
        }
        auto dx = keeping(as_argument(std::move(x), to_w), [where](const Variable& g, Arguments in) {
            return product("linear", g, false, in[1], true, where);
        });
        auto dw = keeping(as_argument(std::move(w), to_x), [where](const Variable& g, Arguments in) {
            return product("linear", in[0], true, g, false, where);
        });
        auto dbias = on(std::move(bias).node(), [where](Variable g) { return sum_of_rows(std::move(g), where); });
        y = record("linear", where, std::move(y).array(), std::move(dx), std::move(dw), std::move(dbias));
        if (then == Then::relu) y = record_relu(std::move(y), where);
    }
    return shape.rank() == 2 ? y : reshape(std::move(y), shape, where);
}

}  // namespace

Variable linear(Variable x, Variable w, Variable bias, Where where) {
    return affine(std::move(x), std::move(w), std::move(bias), Then::nothing, where);
}

Variable linear_relu(Variable x, Variable w, Variable bias, Where where) {
    // Whoever looks at the tape sees what goes into relu.
    if (KeepOutputs::active()) return relu(linear(std::move(x), std::move(w), std::move(bias), where), where);
    return affine(std::move(x), std::move(w), std::move(bias), Then::relu, where);
}

Variable linear_sigmoid(Variable x, Variable w, Variable bias, Where where) {
    if (KeepOutputs::active()) return sigmoid(linear(std::move(x), std::move(w), std::move(bias), where), where);
    return affine(std::move(x), std::move(w), std::move(bias), Then::sigmoid, where);
}

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
        a = reshape(std::move(a), {rows_of(a.shape()), inner}, where);
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
