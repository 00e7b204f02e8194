#include <xtape/autograd/node.hpp>

#include <algorithm>
#include <memory>
#include <mutex>

#include <fmt/format.h>

#include <xtape/autograd/moment.hpp>
#include <xtape/autograd/ops.hpp>

namespace xtape {

namespace {

/// Nodes that lost their last holder on this thread, waiting to be destroyed one after the other: destroying one may free
/// the next of a chain of any length, and recursion would run out of stack.
thread_local std::vector<Node*>* doomed = nullptr;

}  // namespace

/// Beyond the largest of the arguments' and of this thread's last one, so that threads need not agree; the thread's own number
/// is in the lowest bits.
std::uint64_t Node::next_number(std::uint64_t newest) {
    static std::atomic<std::uint64_t> threads{0};
    static thread_local std::uint64_t last = 0, own = 0;
    constexpr std::uint64_t step = number_step;
    if (own == 0) own = ++threads % step;
    return last = std::max(last, newest) / step * step + step + own;
}

Node::Node(const char* op, Where at, const Shape& output_shape, DType output_dtype, std::uint64_t newest)
    : dtype(output_dtype), name(op), where(at), number(next_number(newest)), shape(output_shape) {}

void Node::release() noexcept {
    if (doomed) {
        doomed->push_back(this);
        return;
    }
    std::vector<Node*> waiting;
    doomed = &waiting;
    for (Node* next = this; next;) {
        delete next;
        next = waiting.empty() ? nullptr : waiting.back();
        if (next) waiting.pop_back();
    }
    doomed = nullptr;
}

void Node::keep(Kept& kept) const {
    for (std::size_t i = 0; i < arity_; ++i) kept.add(first_argument_[i].array());
    kept.add(output);
    if (!bypass) return;
    kept.add(bypass->operand.array());
    bypass->keep(kept);
}

Leaf::Leaf(Array initial) : Node("parameter", {"", 0}, initial.shape(), initial.dtype(), 0), value(std::move(initial)) {
    value.evaluate();
}

void Node::go_around(std::unique_ptr<Bypass> way) {
    number = next_number(newer(number, way->operand));
    bypass = std::move(way);
}

Moment Moment::now() {
    Moment moment;
    moment.number_ = Node::next_number();
    return moment;
}

thread_local Border* Border::innermost_ = nullptr;

Border::Border() : outer_(std::exchange(innermost_, this)) {}
Border::~Border() { innermost_ = outer_; }

void Leaf::accumulate(Array g) {
    std::lock_guard lock(mutex_);
    const NoGrad constant;
    grad = grad ? (Variable(std::move(grad)) + Variable(std::move(g))).array() : std::move(g);
    grad.evaluate();
}

void detail::throw_freed(const Node& node) {
    throw TapeError(
        fmt::format("backward: the tape was freed by an earlier backward(), {} is gone; backward(keep_tape) keeps it",
                    node.name),
        node.where);
}

}  // namespace xtape
