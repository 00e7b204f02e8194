#pragma once

#include <vector>

#include <xtape/autograd/window.hpp>
#include <xtape/datasets/loader.hpp>

/// Images (N, C, H, W) changed at random, each in its own way and all channels of one alike, for training on more than there
/// is: `loader.transform(chain({random_flip(), random_crop(64, 4)}), seed)`. The numbers come from the generator alone, so
/// that an epoch is the same for any number of threads; the result is a constant. All throw ShapeError when called with
/// anything but four axes.
namespace xtape::datasets {

/// One after the other.
Loader::Transform chain(std::vector<Loader::Transform> transforms);

/// Mirrors left and right with this probability. Throws ValueError unless it is in [0, 1].
Loader::Transform random_flip(double probability = 0.5, Where where = Where::here());

/// Moves by up to so many whole pixels up or down, left or right; zeros come in. Throws ValueError on a negative number.
Loader::Transform random_shift(Pair most, Where where = Where::here());

/// A part of this size, from anywhere in the image with `padding` zeros around it. Throws ValueError on a size below 1 or
/// negative padding, ShapeError when called with smaller images.
Loader::Transform random_crop(Pair size, Pair padding = 0, Where where = Where::here());

/// The part of this size in the middle (the odd pixel is left out at the bottom and the right): what to predict on after
/// training on random_crop. Throws ShapeError when the images are smaller.
Variable center_crop(const Variable& images, Pair size, Where where = Where::here());

/// Bounds of random_affine, each number uniform within its own.
struct Affine {
    double degrees = 0;                ///< turned by up to this, either way
    double shift = 0;                  ///< moved by up to this share of height and width
    double smallest = 1, largest = 1;  ///< enlarged by this factor
    double shear = 0;                  ///< slanted by up to this angle in degrees, either way
};

/// Slants, turns and enlarges around the middle, in this order, and moves, between pixels by linear interpolation; outside
/// there are zeros. Throws ValueError on bounds that are negative, not finite or in the wrong order, a factor of 0, or a
/// shear of 90 degrees and more.
Loader::Transform random_affine(const Affine& bounds, Where where = Where::here());

}  // namespace xtape::datasets
