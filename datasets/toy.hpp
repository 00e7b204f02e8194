#pragma once

#include <cstdint>

#include <xtape/autograd/ops.hpp>

/// Small made-up sets, as scikit-learn defines them (make_blobs, make_circles, make_moons), in shuffled order. All
/// throw ValueError on a negative count or noise.
namespace xtape::datasets {

/// Points and the class of each.
struct Toy {
    Variable x;       ///< (samples, features), float32
    Variable y;       ///< (samples, 1), float32: the labels as numbers, for log_loss
    IntArray labels;  ///< (samples,)
};

/// Round clouds, equally many points in each (the first ones get what is left over); the centers are uniform in
/// [-10, 10] along every feature, the points normal around them. Throws ValueError unless centers >= 1.
Toy blobs(Index samples, Index features = 2, Index centers = 3, std::uint64_t seed = 0, double deviation = 1);

/// A circle of radius 1 (label 0, samples / 2 points at equal angles) and one of radius `factor` inside it (label 1),
/// both with normal noise. Throws ValueError unless 0 <= factor < 1.
Toy circles(Index samples, double noise = 0, double factor = 0.8, std::uint64_t seed = 0);

/// Two interleaving half circles: the upper one around (0, 0) (label 0, samples / 2 points), the lower one around
/// (1, 1/2) (label 1), with normal noise.
Toy moons(Index samples, double noise = 0, std::uint64_t seed = 0);

/// The samples at `positions`, in that order. Throws ShapeError when one does not exist.
Toy select(const Toy& toy, const IntArray& positions);

}  // namespace xtape::datasets
