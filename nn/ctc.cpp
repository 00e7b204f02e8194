#include <xtape/nn/ctc.hpp>

#include <algorithm>
#include <cmath>
#include <memory>

#include <fmt/format.h>

#include <xtape/nn/ctc_alignment.hpp>
#include <xtape/nn/labels.hpp>
#include <xtape/nn/loss_parts.hpp>

namespace xtape::nn {

using namespace loss_parts;
using ctc_alignment::Targets;

namespace {

/// Lengths, one for each sample, in [0, most]; `most` each when there are none.
std::vector<Index> lengths(const char* name, const std::vector<Index>& given, Index samples, Index most, Where where) {
    if (given.empty()) return std::vector<Index>(static_cast<std::size_t>(samples), most);
    if (static_cast<Index>(given.size()) != samples)
        throw ShapeError(
            fmt::format("ctc: there must be one {} for each of {} samples: {}", name, samples, given.size()), where);
    for (std::size_t n = 0; n < given.size(); ++n)
        if (given[n] < 0 || given[n] > most)
            throw ValueError(fmt::format("ctc: the {} of sample {} must be in [0, {}]: {}", name, n, most, given[n]),
                             where);
    return given;
}

Targets checked(const Variable& x, const IntArray& labels, const std::vector<Index>& input_lengths,
                const std::vector<Index>& target_lengths, Index blank, Where where) {
    if (!x) throw ValueError("ctc: the prediction has no value", where);
    if (x.rank() != 3)
        throw ShapeError(
            fmt::format("ctc: the prediction must be (T, N, C): {} has {} axes", to_string(x.shape()), x.rank()),
            where);
    const Index frames = x.shape()[0], samples = x.shape()[1], classes = x.shape()[2];
    if (labels.dimension() != 2 || static_cast<Index>(labels.shape()[0]) != samples)
        throw ShapeError(fmt::format("ctc: targets must be (N, S) for N = {} samples: {}", samples,
                                     to_string(Shape(labels.shape().begin(), labels.shape().end()))),
                         where);
    if (blank < 0 || blank >= classes)
        throw ValueError(fmt::format("ctc: the blank must be in [0, {}): {}", classes, blank), where);

    const auto longest = static_cast<Index>(labels.shape()[1]);
    Targets targets{frames,
                    samples,
                    classes,
                    labels,
                    lengths("input length", input_lengths, samples, frames, where),
                    lengths("target length", target_lengths, samples, longest, where),
                    blank};
    for (Index n = 0; n < samples; ++n)
        for (Index s = 0; s < targets.lengths[static_cast<std::size_t>(n)]; ++s)
            if (const std::int64_t label = labels::at(labels, n * longest + s);
                label < 0 || label >= classes || label == blank)
                throw ValueError(
                    fmt::format("ctc: the target at position {} must be in [0, {}) and not the blank, {}: {}",
                                to_string(Shape{n, s}), classes, blank, label),
                    where);
    return targets;
}

/// A constant (N,) of f(sample).
template <class F>
Variable of_samples(Index samples, DType dtype, F f) {
    Array result = Array::uninitialized({samples}, dtype);
    dispatch(dtype, [&](auto tag) {
        for (Index n = 0; n < samples; ++n) result.mutable_data<decltype(tag)>()[n] = static_cast<decltype(tag)>(f(n));
    });
    return result;
}

}  // namespace

// ctc: y = -log p(target);  dx = -g p(class at frame | target)
Variable ctc(const Variable& x, const IntArray& labels, const std::vector<Index>& input_lengths,
             const std::vector<Index>& target_lengths, Index blank, Reduction reduction, bool zero_infinity,
             Where where) {
    const auto targets =
        std::make_shared<const Targets>(checked(x, labels, input_lengths, target_lengths, blank, where));
    const Index samples = targets->samples;
    const ctc_alignment::Alignment alignment =
        ctc_alignment::align(x.array(), *targets, x.requires_grad() && recording());
    // Without frames nothing depends on x, and where no alignment exists the loss is infinite all around.
    const Variable depends = of_samples(samples, x.dtype(), [&](Index n) {
        return targets->input_lengths[static_cast<std::size_t>(n)] > 0 && !std::isinf(alignment.losses.at(n));
    });
    Array losses = alignment.losses;
    if (zero_infinity)
        losses = of_samples(samples, x.dtype(), [&](Index n) {
                     return std::isinf(alignment.losses.at(n)) ? 0 : alignment.losses.at(n);
                 }).array();

    const auto rule = [x, targets, occupancy = alignment.occupancy, depends, where](const Variable& g) {
        if (!recording() || targets->frames == 0)
            return at(negative(reshape(g, {1, g.size(), 1}, where), where), where) * Variable(occupancy);
        // A tape of its own that ends at x: x's hooks wait for its gradient in full.
        const Border border;
        const Variable again = ctc_alignment::recorded_losses(x, *targets, where);
        const Variable seed = at(g, where) * depends;
        const bool wanted = true;
        Variable dx;
        detail::pullback_since(border.since, again, seed, {x}, &wanted, /*free_nodes=*/false, &dx);
        return dx;
    };
    Variable result = record("ctc", where, std::move(losses), on(x, holding(rule, x, alignment.occupancy, depends)));
    if (reduction == Reduction::mean)
        result = at(std::move(result), where) / of_samples(samples, x.dtype(), [&](Index n) {
                     return std::max<Index>(1, targets->lengths[static_cast<std::size_t>(n)]);
                 });
    return reduced(std::move(result), reduction, where);
}

}  // namespace xtape::nn
