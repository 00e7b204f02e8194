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

/// Bounds of random_elastic: `Elastic{{12, 0.08, 0.85, 1.15, 12}, 0.8}`.
struct Elastic : Affine {
    double deviation = 0;  ///< of the normal distances, in pixels, that the knots move down and to the right
    Index knots = 4;       ///< along each axis, the outer ones in the image's corners
};

/// random_affine, and in the same pass the image is bent as if it were of rubber: a grid of knots lies on it, each is moved in
/// its own way, and between them the distances are interpolated linearly (after Simard, Steinkraus and Platt, ICDAR 2003, who
/// smooth a field of distances for every pixel). Throws ValueError as random_affine, and unless deviation >= 0 is finite and there are
/// at least 2 knots.
Loader::Transform random_elastic(const Elastic& bounds, Where where = Where::here());

}  // namespace xtape::datasets
