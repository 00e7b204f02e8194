#include <xtape/autograd/checkpoint.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>

#include <fmt/format.h>

#include <xtape/autograd/casts.hpp>
#include <xtape/autograd/draws.hpp>
#include <xtape/autograd/scope.hpp>
#include <xtape/autograd/strict.hpp>
#include <xtape/autograd/tape.hpp>

namespace xtape {

namespace {

thread_local bool running_again = false;

/// Tells two results apart, whatever their values.
std::uint64_t fingerprint(const Array& y) {
    const auto* bytes = static_cast<const unsigned char*>(y.data<void>());
    const std::size_t size = static_cast<std::size_t>(y.size()) * size_of(y.dtype());
    constexpr std::uint64_t odd = 0x9E3779B97F4A7C15;  // 2^64 / golden ratio
    std::uint64_t lanes[4] = {1, 2, 3, 4};             // so that the multiplications overlap
    std::size_t i = 0;
    for (; i + sizeof lanes <= size; i += sizeof lanes) {
        std::uint64_t words[4];
        std::memcpy(words, bytes + i, sizeof words);
        for (std::size_t lane = 0; lane < 4; ++lane) lanes[lane] = (lanes[lane] ^ words[lane]) * odd;
    }
    for (; i < size; ++i) lanes[0] = (lanes[0] ^ bytes[i]) * odd;
    return ((lanes[0] * odd ^ lanes[1]) * odd ^ lanes[2]) * odd ^ lanes[3];
}

/// What f is and all that its value depends on, but for what it refers to.
struct Work {
    GradFunction f;
    std::vector<Variable> xs;
    Where where;
    bool strict = StrictConvolution::active(), casts = AllowCasts::active(), outputs = KeepOutputs::active();
    detail::Draws draws = {};
    std::uint64_t result = 0;
};

/// What f recorded, and since when.
struct Run {
    Variable y;
    Moment since;
};

Run run(Work& work, const GradFunction& f, detail::Draws::Scope::Does with_draws) {
    const EnableGrad recorded;
    const StrictConvolution strict(work.strict);
    const AllowCasts casts(work.casts);
    const KeepOutputs outputs(work.outputs);
    const detail::Draws::Scope draws(work.draws, with_draws);
    const Border border;
    Variable y = f(work.xs);
    if (!y) throw ValueError("checkpoint: the function returned a Variable without a value", work.where);
    return {std::move(y), border.since};
}

/// What a run used that was there before it.
std::vector<Variable> border_of(const Run& run) {
    const Tape tape(run.y, run.since);
    std::vector<Variable> border;
    for (std::size_t i = 0; i < tape.leaves(); ++i)
        if (tape.is_border(i)) border.emplace_back(Array(), NodePtr(tape.nodes()[i]));
    return border;
}

bool same_node(const Variable& a, const Variable& b) { return a.node() == b.node(); }

// checkpoint: y = f(x, what f captured);  dx by a walk over the tape of a second run
class CheckpointNode final : public Node {
public:
    CheckpointNode(const Array& y, std::vector<Variable> border, std::unique_ptr<Work> work)
        : Node("checkpoint", work->where, y.shape(), y.dtype(), newest(border)),
          arguments_(std::move(border)),
          work_(std::move(work)) {
        keeps(arguments_.data(), arguments_.size());
    }

    void pull(Variable g, const bool* wanted, Variable* out) override {
        if (freed) detail::throw_freed(*this);
        const Run again = run_again();
        // A tape of which nothing will be differentiated again is let go of on the way.
        detail::pullback_since(again.since, again.y, std::move(g), arguments_, wanted, !recording(), out);
    }

    void free() override {
        Node::free();
        work_.reset();
    }

    void keep(Kept& kept) const override {
        Node::keep(kept);
        if (!work_) return;
        for (const Variable& x : work_->xs) kept.add(x.array());
        kept.add_rule(work_->f);
    }

private:
    Run run_again() {
        const ScopedFlag again(running_again, true);
        Run result = run(*work_, work_->f, detail::Draws::Scope::Does::repeat);
        if (!result.y.node() || result.y.shape() != shape || result.y.dtype() != dtype ||
            fingerprint(result.y.array()) != work_->result)
            throw TapeError(
                "checkpoint: the function gave something else when it was run again; did a parameter or something "
                "that it refers to change in between?",
                where);
        const std::vector<Variable> border = border_of(result);
        if (!std::is_permutation(border.begin(), border.end(), arguments_.begin(), arguments_.end(), same_node))
            throw TapeError("checkpoint: the function used other parameters or values when it was run again; did its "
                            "first run keep "
                            "something that it recorded? A function object with parameters of its own was copied: hand "
                            "over a lambda "
                            "that refers to it",
                            where);
        return result;
    }

    std::vector<Variable> arguments_;
    std::unique_ptr<Work> work_;
};

}  // namespace

bool recomputing() { return running_again; }

Variable detail::checkpoint(const Repeated& f, std::vector<Variable> xs) {
    for (std::size_t i = 0; i < xs.size(); ++i)
        if (!xs[i]) throw ValueError(fmt::format("checkpoint: argument {} has no value", i + 1), f.where);
    if (!recording()) return f.now(xs);
    auto work = std::make_unique<Work>(Work{f.later, std::move(xs), f.where});
    Run first = run(*work, f.now, Draws::Scope::Does::note);
    std::vector<Variable> border;
    if (first.y.node() && first.since.covers(*first.y.node())) border = border_of(first);
    if (border.empty()) return std::move(first.y);  // nothing was recorded, or nothing that leads further

    Array y = std::move(first.y).array();
    first.y = {};  // and with it what f recorded
    work->result = fingerprint(y);
    NodePtr node(new CheckpointNode(y, std::move(border), std::move(work)));
    if (looked_at()) tell_recorded(*node, y);
    return Variable(std::move(y), std::move(node));
}

}  // namespace xtape
