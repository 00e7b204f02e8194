#include <xtape/autograd/strict.hpp>

namespace xtape {

namespace {

thread_local bool strict_now = false;

}  // namespace

StrictConvolution::StrictConvolution() : ScopedFlag(strict_now, true) {}
bool StrictConvolution::active() { return strict_now; }

}  // namespace xtape
