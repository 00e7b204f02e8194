#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>

#include <fmt/format.h>

#include <xtape/autograd/differences.hpp>
#include <xtape/autograd/inspect/derivation.hpp>

namespace xtape::inspect::detail {

using xtape::detail::extrapolated;
using xtape::detail::plus;
using xtape::detail::uneven;

namespace {

/// Calls f with the same random numbers each time.
class Repeated {
public:
    explicit Repeated(const std::function<Variable()>& f) : f_(f), start_(random::generator()) {}
    Variable operator()() const {
        random::generator() = start_;
        return f_();
    }

private:
    const std::function<Variable()>& f_;
    Generator start_;
};

Array value_of(const Node& node) {
    const auto* leaf = dynamic_cast<const Leaf*>(&node);
    return leaf ? leaf->value : node.output;
}

bool same_bits(const Array& a, const Array& b) {
    if (static_cast<bool>(a) != static_cast<bool>(b)) return false;
    if (!a) return true;
    const std::size_t bytes = static_cast<std::size_t>(a.size()) * size_of(a.dtype());
    return a.dtype() == b.dtype() && a.shape() == b.shape() && std::memcmp(a.data<void>(), b.data<void>(), bytes) == 0;
}

/// Whether node i's constant arguments are the same on both tapes.
bool same_constants(const Tape& a, const Tape& b, std::size_t i) {
    for (std::size_t p = 0; p < a.arity(i); ++p)
        if (a.parents(i)[p] == Tape::absent &&
            !same_bits(a.nodes()[i]->arguments()[p].array(), b.nodes()[i]->arguments()[p].array()))
            return false;
    return true;
}

bool same_operations(const Tape& a, const Tape& b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
        if (std::strcmp(a.nodes()[i]->name, b.nodes()[i]->name) != 0 || a.nodes()[i]->shape != b.nodes()[i]->shape)
            return false;
    return true;
}

}  // namespace

MovableLeaves::MovableLeaves(const Variable& y) {
    const Tape tape(y);
    Generator generator;
    for (std::size_t i = 0; i < tape.size() && tape.is_leaf(i); ++i) {
        auto& leaf = static_cast<Leaf&>(*tape.nodes()[i]);
        leaves_.push_back({NodePtr(&leaf), leaf.value, leaf.value.astype(float64), uneven(leaf.shape, generator)});
        leaf.dtype = float64;
    }
    move(0);
}

MovableLeaves::~MovableLeaves() {
    for (Moved& each : leaves_) {
        each.leaf().value = each.before;
        each.leaf().dtype = each.before.dtype();
    }
}

void MovableLeaves::move(double step) {
    for (Moved& each : leaves_) each.leaf().value = plus(each.at, step, each.direction);
}

const Array& MovableLeaves::direction(const Node* node) const {
    for (const Moved& each : leaves_)
        if (each.node.get() == node) return each.direction;
    throw TapeError("derivation: the function uses other parameters at another call");
}

Recording::Recording(const std::function<Variable()>& f, Where where) {
    if (!recording()) throw TapeError("derivation: nothing is recorded while a NoGrad lives", where);
    const Repeated repeated(f);
    const Variable first = repeated();
    if (!first.requires_grad()) throw TapeError("derivation: the value is a constant, nothing was recorded", where);
    unit_seed(first, where);  // one number, or an error

    const KeepOutputs outputs;
    constexpr double step = 1e-4;
    leaves_ = std::make_unique<MovableLeaves>(first);
    std::vector<Variable> moved;
    for (const double at : {-step, step, -step / 2, step / 2}) {
        leaves_->move(at);
        moved.push_back(repeated());
    }
    leaves_->move(0);
    const Array before = repeated().array();
    y_ = repeated();  // the last one: names given in f are for its operations
    if (!same_bits(y_.array(), before))
        throw TapeError(
            "derivation: the function is not the same at two calls: does it draw random numbers of its own?", where);
    tape_ = std::make_unique<Tape>(y_);
    const Tape tapes[] = {Tape(moved[0]), Tape(moved[1]), Tape(moved[2]), Tape(moved[3])};
    for (const Tape& other : tapes)
        if (!same_operations(*tape_, other))
            throw TapeError("derivation: the function records different operations at different calls", where);

    for (std::size_t i = 0; i < tape_->size(); ++i) {
        const Node* node = tape_->nodes()[i];
        values_.push_back(value_of(*node));
        steady_.push_back(std::all_of(std::begin(tapes), std::end(tapes),
                                      [&](const Tape& other) { return same_constants(*tape_, other, i); }));
        if (tape_->is_leaf(i)) {
            rates_.push_back(leaves_->direction(node));
            continue;
        }
        Array z[4], rate = Array::uninitialized(node->shape, float64);
        for (std::size_t k = 0; k < 4; ++k) z[k] = value_of(*tapes[k].nodes()[i]);
        for (Index e = 0; e < rate.size(); ++e)
            rate.mutable_data<double>()[e] =
                extrapolated((z[1].at(e) - z[0].at(e)) / (2 * step), (z[3].at(e) - z[2].at(e)) / step);
        rates_.push_back(rate);
    }
}

Array Recording::value(std::size_t i) const { return values_[i]; }

WrittenTape::WrittenTape(const Tape& tape)
    : tape_(tape), arguments_(tape.size()), users_(tape.size()), used_(tape.size(), false) {
    used_.back() = true;
    for (std::size_t i = tape.size(); i-- > 0;) {
        if (!used_[i]) continue;
        const std::uint32_t around = tape.bypassed(i);
        for (std::size_t p = 0; p < tape.arity(i); ++p) {
            const std::uint32_t at = p == 0 && around != Tape::absent ? around : tape.parents(i)[p];
            arguments_[i].push_back({at, tape.nodes()[i]->arguments()[p].array(), p});
            if (at == Tape::absent) continue;
            used_[at] = true;
            users_[at].push_back(static_cast<std::uint32_t>(i));
        }
    }
}

const Node* WrittenTape::around(std::size_t i) const {
    const std::uint32_t around = tape_.bypassed(i);
    return around == Tape::absent ? nullptr : tape_.nodes()[around];
}

}  // namespace xtape::inspect::detail
