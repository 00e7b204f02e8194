#pragma once

#include <xtape/autograd/ops.hpp>

namespace xtape::datasets {

/// (x - offset) / scale with constants fitted once, on the training set, and applied to everything else.
struct Normalization {
    Variable offset, scale;

    /// Throws ShapeError when x does not fit the set it was fitted on.
    Variable operator()(const Variable& x, Where where = Where::here()) const;
    /// Undoes it.
    Variable inverse(const Variable& x, Where where = Where::here()) const;
};

/// To [0, 1] from the least and the greatest value over `axes`: 0 (each feature by itself) by default, {0, 2, 3} for
/// channels, Axes() for all together. A constant feature becomes 0. Throws ShapeError when there is nothing to fit on.
Normalization min_max(const Variable& x, const Axes& axes = 0, Where where = Where::here());

/// To mean 0 and standard deviation 1 (ddof 0) over `axes`, as above. A constant feature becomes 0.
Normalization mean_std(const Variable& x, const Axes& axes = 0, Where where = Where::here());

}  // namespace xtape::datasets
