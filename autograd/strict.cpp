#include <xtape/autograd/strict.hpp>

namespace xtape {

namespace {

thread_local bool strict_now = false;

}  // namespace

StrictConvolution::StrictConvolution(bool on) : ScopedFlag(strict_now, on) {}
bool StrictConvolution::active() { return strict_now; }

}  // namespace xtape
