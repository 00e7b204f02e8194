#include <xtape/autograd/ops/recognise.hpp>

#include <utility>

#include <xtape/autograd/kernels/softmax.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/tape.hpp>

namespace xtape {

namespace {

// softmax: y = e^x / sum(e^x);  dx = y (g - sum(g y))
class SoftmaxNode final : public Node {
public:
    SoftmaxNode(Where at, const Array& y, const Variable& x, Index along)
        : Node(softmax_name, at, y.shape(), y.dtype(), newer(0, x)), axis(along), argument_(x), y_(y) {
        keeps(&argument_, 1);
    }

    void pull(Variable g, const bool* wanted, Variable* out) override {
        if (freed) detail::throw_freed(*this);
        if (!wanted[0]) return;
        const Variable y(y_, NodePtr(this));
        out[0] = recording() ? y * (g - sum(g * y, axis, true, where))
                             : Variable(kernels::softmax_gradient(std::move(g).array(), y_, axis));
    }

    void free() override {
        Node::free();
        y_ = {};
    }

    void keep(Kept& kept) const override {
        Node::keep(kept);
        kept.add(y_);
    }

    const Index axis;

private:
    Variable argument_;
    Array y_;
};

}  // namespace

Variable softmax(Variable x, Index axis, Where where) {
    axis = shapes::axis("softmax", axis, x.rank(), where);
    Array y = kernels::softmax(x.array(), axis);
    if (!x.requires_grad() || !recording()) {
        y.remember(softmax_name, x.array(), axis);
        return Variable(std::move(y));
    }
    NodePtr node(new SoftmaxNode(where, y, x, axis));
    if (detail::looked_at()) detail::tell_recorded(*node, y);
    return Variable(std::move(y), std::move(node));
}

// log_softmax: y = x - log(sum(e^x));  dx = g - e^y sum(g), as (1 - e^y) g - e^y (sum(g) - g)
Variable log_softmax(Variable x, Index axis, Where where) {
    axis = shapes::axis("log_softmax", axis, x.rank(), where);
    auto dx = on(x, [axis, where](Variable g, const Variable& y) {
        return recording() ? -(expm1(y, where) * g) - exp(y, where) * (sum(g, axis, true, where) - g)
                           : Variable(kernels::log_softmax_gradient(std::move(g).array(), y.array(), axis));
    });
    return record("log_softmax", where, kernels::log_softmax(std::move(x).array(), axis), std::move(dx));
}

Index axis_of_softmax(const Variable& x) {
    return x.node() ? static_cast<const SoftmaxNode&>(*x.node()).axis : x.array().axis();
}

}  // namespace xtape
