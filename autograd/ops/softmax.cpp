#include <xtape/autograd/ops/softmax.hpp>

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
        : Node("softmax", at, y.shape(), y.dtype(), newer(0, x)), axis(along), argument_(x), y_(y) {
        keeps(&argument_, 1);
        if (KeepOutputs::active()) output = y;
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

    const Index axis;

private:
    Variable argument_;
    Array y_;
};

}  // namespace

Variable softmax(Variable x, Index axis, Where where) {
    axis = shapes::axis("softmax", axis, x.rank(), where);
    if (!x.requires_grad() || !recording()) return Variable(kernels::softmax(std::move(x).array(), axis));
    Array y = kernels::softmax(x.array(), axis);
    NodePtr node(new SoftmaxNode(where, y, x, axis));
    return Variable(std::move(y), std::move(node));
}

// log_softmax: y = x - log(sum(e^x));  dx = g - e^y sum(g)
Variable log_softmax(Variable x, Index axis, Where where) {
    axis = shapes::axis("log_softmax", axis, x.rank(), where);
    auto dx = on(x, [axis, where](Variable g, const Variable& y) {
        return recording() ? g - exp(y, where) * sum(g, axis, true, where)
                           : Variable(kernels::log_softmax_gradient(std::move(g).array(), y.array(), axis));
    });
    return record("log_softmax", where, kernels::log_softmax(std::move(x).array(), axis), std::move(dx));
}

std::optional<Variable> log_of_softmax(const Variable& x, Where where) {
    auto* node = dynamic_cast<SoftmaxNode*>(x.node().get());
    if (!node || node->freed) return std::nullopt;
    return log_softmax(*node->arguments(), node->axis, where);
}

}  // namespace xtape
