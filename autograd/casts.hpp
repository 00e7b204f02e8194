#pragma once

#include <xtape/autograd/scope.hpp>

namespace xtape {

/// While it lives, this thread lets float32 meet float64 by a recorded cast to float64 instead of a DtypeError. check_grads
/// opens it, so that a function with captured float32 data can be checked as it stands.
class AllowCasts : ScopedFlag {
public:
    explicit AllowCasts(bool on = true);
    static bool active();
};

}  // namespace xtape
