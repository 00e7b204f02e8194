#pragma once

#include <xtape/autograd/scope.hpp>

namespace xtape {

/// While it lives, float32 convolutions of this thread agree with the direct sum to about 4e-7 of the largest result. Otherwise
/// those with 3 x 3 kernels take a faster way where it pays, with errors up to some 2e-6. Gradients are computed under
/// whatever holds when they are.
class StrictConvolution : ScopedFlag {
public:
    explicit StrictConvolution(bool on = true);
    static bool active();
};

}  // namespace xtape
