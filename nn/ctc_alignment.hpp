#pragma once

#include <cstdint>
#include <vector>

#include <xtape/autograd/ops.hpp>

/// The sum over all alignments of connectionist temporal classification. A target of L classes has 2 L + 1 states: its classes
/// with a blank before, between and behind; an alignment stays in its state, goes to the next, or skips a blank between two
/// unequal classes.
namespace xtape::nn::ctc_alignment {

/// N targets and the lengths of what spells them, already looked over.
struct Targets {
    Index frames, samples, classes;    ///< T, N, C
    IntArray labels;                   ///< (N, S)
    std::vector<Index> input_lengths;  ///< N
    std::vector<Index> lengths;        ///< N
    Index blank;

    Index states() const { return 2 * static_cast<Index>(labels.shape()[1]) + 1; }
    /// The class of a state; the blank behind the last one too.
    Index label(Index sample, Index state) const;
    /// Whether a state may be entered from the one before the last.
    bool skips(Index sample, Index state) const;
};

/// Losses (N,), infinite where no alignment exists, and how probable it is, given the target, that a frame says a class
/// (T, N, C), 0 where no alignment exists: minus the losses' derivative. Without `occupied` the latter is left out.
struct Alignment {
    Array losses;
    Array occupancy;
};
Alignment align(const Array& log_probabilities, const Targets& targets, bool occupied);

/// The same losses recorded from public operations, finite where no alignment exists.
Variable recorded_losses(const Variable& log_probabilities, const Targets& targets, Where where);

}  // namespace xtape::nn::ctc_alignment
