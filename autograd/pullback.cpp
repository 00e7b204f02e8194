#include <xtape/autograd/tape.hpp>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <xtape/autograd/ops/walk.hpp>

/// Gradients: what a walk back begins with, and what is made of what it finds.
namespace xtape {

namespace {

/// While it lives, this thread records or does not.
class Recording {
public:
    explicit Recording(bool on) {
        if (!on) off_.emplace();
    }

private:
    std::optional<NoGrad> off_;
};

}  // namespace

void detail::throw_wrong_gradient(const Node& node, const Node& receiver, const Variable& g) {
    throw TapeError(fmt::format("{}: its rule gave a gradient of {} {} for an argument of {} {}", node.name,
                                to_string(g.shape()), name_of(g.dtype()), to_string(receiver.shape),
                                name_of(receiver.dtype)),
                    node.where);
}

Variable unit_seed(const Variable& y, Where where) {
    if (!y) throw TapeError("backward: there is no value to differentiate", where);
    if (y.size() != 1)
        throw TapeError(
            fmt::format("backward: needs one number to differentiate, got {} with {} elements; take its sum or mean",
                        to_string(y.shape()), y.size()),
            where);
    return Variable(Array::filled(y.shape(), y.dtype(), 1));
}

namespace {

std::vector<Variable> pull_all(const Variable* ys, const Variable* seeds, std::size_t count,
                               const std::vector<Variable>& xs, bool record_gradients, Where where) {
    for (std::size_t k = 0; k < count; ++k)
        if (seeds[k].shape() != ys[k].shape() || seeds[k].dtype() != ys[k].dtype())
            throw ShapeError(fmt::format("pullback: seed {} {} for an output of {} {}", to_string(seeds[k].shape()),
                                         name_of(seeds[k].dtype()), to_string(ys[k].shape()), name_of(ys[k].dtype())),
                             where);
    for (std::size_t i = 0; i < xs.size(); ++i)
        if (!xs[i].node())
            throw TapeError(
                fmt::format("grad: argument {} is a constant; make it a Parameter to differentiate by it", i), where);

    const Recording scope(record_gradients && recording());
    std::vector<Variable> gradients(xs.size());
    Tape::List<NodePtr> held;  // a hook or a rule may let go of the last result that is being differentiated
    for (std::size_t k = 0; k < count; ++k) held.push_back(ys[k].node());
    const Tape tape(ys, count);
    if (tape.size() > 0) {
        detail::Walk walk(tape);
        for (std::size_t k = 0; k < count; ++k)
            if (ys[k].node()) walk.begin_at(tape.find(ys[k].node()), seeds[k]);
        for (const Variable& x : xs)
            if (const auto i = tape.find(x.node()); i != Tape::absent) walk.need(i);
        walk.run(/*free_nodes=*/false, [&](std::size_t i, const Variable& g) {
            for (std::size_t k = 0; k < xs.size(); ++k)
                if (xs[k].node().get() == tape.nodes()[i]) gradients[k] = g;
        });
    }
    for (std::size_t k = 0; k < xs.size(); ++k)
        if (!gradients[k]) gradients[k] = Variable(Array::filled(xs[k].node()->shape, xs[k].node()->dtype, 0));
    return gradients;
}

}  // namespace

std::vector<Variable> pullback(const Variable& y, const Variable& seed, const std::vector<Variable>& xs,
                               bool record_gradients, Where where) {
    return pull_all(&y, &seed, 1, xs, record_gradients, where);
}

std::vector<Variable> pullback(const std::vector<Variable>& ys, const std::vector<Variable>& seeds,
                               const std::vector<Variable>& xs, bool record_gradients, Where where) {
    if (ys.size() != seeds.size())
        throw ValueError(fmt::format("pullback: {} seeds for {} outputs", seeds.size(), ys.size()), where);
    return pull_all(ys.data(), seeds.data(), ys.size(), xs, record_gradients, where);
}

void detail::pullback_since(Moment moment, const Variable& y, Variable seed, const std::vector<Variable>& xs,
                            const bool* wanted, bool free_nodes, Variable* out) {
    const Tape tape(y, moment);
    detail::Walk walk(tape, std::move(seed));
    for (std::size_t k = 0; k < xs.size(); ++k)
        if (const auto i = tape.find(xs[k].node()); wanted[k] && i != Tape::absent) walk.need(i);
    walk.run(free_nodes, [&](std::size_t i, const Variable& g) {
        for (std::size_t k = 0; k < xs.size(); ++k)
            if (xs[k].node().get() == tape.nodes()[i]) out[k] = g;
    });
    for (std::size_t k = 0; k < xs.size(); ++k)
        if (wanted[k] && !out[k]) out[k] = Variable(Array::filled(xs[k].node()->shape, xs[k].node()->dtype, 0));
}

namespace {

std::vector<Variable> grad_of(const Operand& y, const std::vector<Variable>& xs, bool record_gradients) {
    if (y.is_scalar()) throw TapeError("grad: a plain number depends on nothing", y.where());
    return pullback(y.variable(), unit_seed(y.variable(), y.where()), xs, record_gradients, y.where());
}

void run_backward(const Variable& y, bool free_nodes, Where where) {
    const Variable seed = unit_seed(y, where);
    if (!y.node()) throw TapeError("backward: the value is a constant, nothing was recorded", where);
    const NoGrad constant;
    const NodePtr held = y.node();  // a hook or a rule may let go of y
    const Tape tape(y);
    detail::Walk walk(tape, seed);
    for (std::size_t i = 0; i < tape.size(); ++i)
        if (tape.is_leaf(i)) walk.need(i);
    walk.run(free_nodes,
             [&](std::size_t i, const Variable& g) { static_cast<Leaf*>(tape.nodes()[i])->accumulate(g.array()); });
}

}  // namespace

std::vector<Variable> grad(const Operand& y, const VariableList& xs) { return grad_of(y, xs.list(), false); }
std::vector<Variable> grad(const Operand& y, const VariableList& xs, CreateGraph) {
    return grad_of(y, xs.list(), true);
}

void Variable::backward(Where where) const { run_backward(*this, true, where); }
void Variable::backward(KeepTape, Where where) const { run_backward(*this, false, where); }

}  // namespace xtape
