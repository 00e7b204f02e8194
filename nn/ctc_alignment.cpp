#include <xtape/nn/ctc_alignment.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <xtape/autograd/kernels/parallel.hpp>

namespace xtape::nn::ctc_alignment {
namespace {

constexpr double impossible = -std::numeric_limits<double>::infinity();

/// e^x, and 0 quickly where that is impossible.
double probability(double x) { return x == impossible ? 0 : std::exp(x); }

/// log(e^a + e^b + e^c).
double log_sum(double a, double b, double c = impossible) {
    if (a < b) std::swap(a, b);
    if (a < c) std::swap(a, c);
    if (!(a > impossible)) return a + b + c;  // all are impossible, or one is not a number
    return a + std::log1p(probability(b - a) + probability(c - a));
}

/// One sample's states over its frames.
template <class T>
class Sample {
public:
    Sample(const T* log_probabilities, const Targets& targets, Index sample)
        : frame_(log_probabilities + sample * targets.classes),
          stride_(targets.samples * targets.classes),
          frames_(targets.input_lengths[static_cast<std::size_t>(sample)]),
          states_(2 * targets.lengths[static_cast<std::size_t>(sample)] + 1) {
        for (Index s = 0; s < states_; ++s) {
            labels_.push_back(targets.label(sample, s));
            skips_.push_back(targets.skips(sample, s));
        }
    }

    /// The log probability of the target; before[t][s] is that of its beginnings which are in state s at frame t.
    double forward() {
        if (frames_ == 0) return states_ == 1 ? 0 : impossible;
        before_.assign(static_cast<std::size_t>(frames_ * states_), impossible);
        for (Index s = 0; s < std::min<Index>(states_, 2); ++s) at(before_, 0, s) = said(0, s);
        for (Index t = 1; t < frames_; ++t)
            for (Index s = 0; s < states_; ++s)
                at(before_, t, s) =
                    said(t, s) + log_sum(at(before_, t - 1, s), s >= 1 ? at(before_, t - 1, s - 1) : impossible,
                                         skips(s) ? at(before_, t - 1, s - 2) : impossible);
        const Index last = frames_ - 1;
        return total_ =
                   log_sum(at(before_, last, states_ - 1), states_ > 1 ? at(before_, last, states_ - 2) : impossible);
    }

    /// Adds up how probable each class is at each frame; `occupancy` begins at this sample's first frame.
    void backward(T* occupancy) const {
        if (frames_ == 0 || total_ == impossible) return;
        const auto states = static_cast<std::size_t>(states_);
        std::vector<double> after(states, impossible), next;  // of the endings behind frame t that begin in state s
        after[states - 1] = 0;
        if (states > 1) after[states - 2] = 0;
        std::vector<double> of_class;
        for (Index t = frames_ - 1;; --t) {
            for (Index s = 0; s < states_; ++s) {
                T& place = occupancy[t * stride_ + label(s)];
                place = static_cast<T>(static_cast<double>(place) +
                                       probability(at(before_, t, s) + after[static_cast<std::size_t>(s)] - total_));
            }
            if (t == 0) return;
            next = after;
            const auto ending = [&](Index s) { return said(t, s) + next[static_cast<std::size_t>(s)]; };
            for (Index s = 0; s < states_; ++s)
                after[static_cast<std::size_t>(s)] =
                    log_sum(ending(s), s + 1 < states_ ? ending(s + 1) : impossible,
                            s + 2 < states_ && skips(s + 2) ? ending(s + 2) : impossible);
        }
    }

private:
    template <class List>
    auto& at(List& list, Index t, Index s) const {
        return list[static_cast<std::size_t>(t * states_ + s)];
    }
    Index label(Index s) const { return labels_[static_cast<std::size_t>(s)]; }
    bool skips(Index s) const { return skips_[static_cast<std::size_t>(s)]; }
    double said(Index t, Index s) const { return static_cast<double>(frame_[t * stride_ + label(s)]); }

    const T* frame_;
    Index stride_, frames_, states_;
    std::vector<Index> labels_;
    std::vector<bool> skips_;
    std::vector<double> before_;
    double total_ = impossible;
};

}  // namespace

Index Targets::label(Index sample, Index state) const {
    if (state % 2 == 0 || state / 2 >= lengths[static_cast<std::size_t>(sample)]) return blank;
    return static_cast<Index>(labels(static_cast<std::size_t>(sample), static_cast<std::size_t>(state / 2)));
}

bool Targets::skips(Index sample, Index state) const {
    return state >= 3 && state % 2 == 1 && label(sample, state) != label(sample, state - 2);
}

Alignment align(const Array& log_probabilities, const Targets& targets, bool occupied) {
    const DType dtype = log_probabilities.dtype();
    Alignment result{Array::uninitialized({targets.samples}, dtype), {}};
    if (occupied) result.occupancy = Array::filled(log_probabilities.shape(), dtype, 0);
    dispatch(dtype, [&](auto tag) {
        using T = decltype(tag);
        const T* x = log_probabilities.data<T>();
        T* losses = result.losses.mutable_data<T>();
        T* occupancy = occupied ? result.occupancy.mutable_data<T>() : nullptr;
        kernels::parallel_for(targets.samples, 1, [&](Index begin, Index end) {
            for (Index n = begin; n < end; ++n) {
                Sample<T> sample(x, targets, n);
                losses[n] = static_cast<T>(-sample.forward());
                if (occupied) sample.backward(occupancy + n * targets.classes);
            }
        });
    });
    return result;
}

// ------------------------------------------------------------------------------------------- from public operations

namespace {

/// Stands for the logarithm of 0 in a result: finite in float32 too.
constexpr double no_alignment = -1e30;

/// A constant (N, columns) of f(sample, column).
template <class F>
Variable table(const Targets& targets, Index columns, DType dtype, F f) {
    Array result = Array::uninitialized({targets.samples, columns}, dtype);
    dispatch(dtype, [&](auto tag) {
        auto* out = result.mutable_data<decltype(tag)>();
        for (Index n = 0; n < targets.samples; ++n)
            for (Index s = 0; s < columns; ++s) *out++ = static_cast<decltype(tag)>(f(n, s));
    });
    return result;
}

/// Each state's predecessor by `steps`.
Variable moved(const Variable& x, Index steps, Where where) {
    const Index states = x.shape()[1];
    if (states <= steps) return Variable(Array::filled(x.shape(), x.dtype(), impossible));
    return pad(slice(x, {all(), range(0, states - steps)}, where), {{0, 0}, {steps, 0}}, impossible, where);
}

}  // namespace

Variable recorded_losses(const Variable& log_probabilities, const Targets& targets, Where where) {
    const Index states = targets.states();
    const DType dtype = float64;  // second derivatives add up the rounding of hundreds of frames
    const auto length = [&](Index n) { return targets.lengths[static_cast<std::size_t>(n)]; };
    IntArray labels = IntArray::from_shape(
        {std::size_t{1}, static_cast<std::size_t>(targets.samples), static_cast<std::size_t>(states)});
    for (Index n = 0; n < targets.samples; ++n)
        for (Index s = 0; s < states; ++s)
            labels.data()[n * states + s] = static_cast<std::int64_t>(targets.label(n, s));
    const Variable said = take_along_axis(astype(log_probabilities, dtype, where), labels, 2, where);
    const Variable late = table(targets, states, dtype, [](Index, Index s) { return s > 1; });
    const Variable no_skip = table(targets, states, dtype, [&](Index n, Index s) { return !targets.skips(n, s); });
    const Variable not_last =
        table(targets, states, dtype, [&](Index n, Index s) { return s != 2 * length(n) && s != 2 * length(n) - 1; });

    Variable before = masked_fill(slice(said, {0}, where), late, impossible, where);
    for (Index t = 1; t < targets.frames; ++t) {
        const Variable ways =
            stack({before, moved(before, 1, where), masked_fill(moved(before, 2, where), no_skip, impossible, where)},
                  0, where);
        const Variable next = Operand(logsumexp(ways, 0, false, where), where) + slice(said, {t}, where);
        const Variable runs = table(
            targets, 1, dtype, [&](Index n, Index) { return t < targets.input_lengths[static_cast<std::size_t>(n)]; });
        before = xtape::where(runs, Operand(next, where), before);
    }
    const Variable total = logsumexp(masked_fill(before, not_last, impossible, where), 1, false, where);
    return astype(negative(maximum(Operand(total, where), no_alignment), where), log_probabilities.dtype(), where);
}

}  // namespace xtape::nn::ctc_alignment
