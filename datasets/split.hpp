#pragma once

#include <cstdint>

#include <xtape/autograd/ops.hpp>

namespace xtape::datasets {

/// Positions of two disjoint parts of a set, each in ascending order.
struct Split {
    IntArray train, validation;
};

/// Puts round(fraction * n) samples aside for validation, drawn at random from every class in proportion: each class is
/// within one sample of its share. Throws ValueError unless 0 <= fraction <= 1.
Split stratified_split(const IntArray& labels, double fraction, std::uint64_t seed = 0);

}  // namespace xtape::datasets
