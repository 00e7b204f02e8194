#include <xtape/autograd/kernels/streaming.hpp>

#include <algorithm>

#include <unistd.h>

namespace xtape::kernels {

namespace {

CacheBytes found() {
    constexpr Index megabyte = Index{1} << 20;
    Index second = 0, third = 0;  // as for a machine that does not say
#if defined(_SC_LEVEL2_CACHE_SIZE)
    second = static_cast<Index>(sysconf(_SC_LEVEL2_CACHE_SIZE));
    third = static_cast<Index>(sysconf(_SC_LEVEL3_CACHE_SIZE));
#endif
    // A last cache of hundreds of MB serves many cores, which have work of their own.
    return {second > 0 ? second : megabyte, std::max(32 * megabyte, third / 8)};
}

bool is_intel() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_is("intel");
#else
    return false;
#endif
}

}  // namespace

const CacheBytes& cache_bytes() {
    static const CacheBytes bytes = found();
    return bytes;
}

bool gains_by_turns() {
    static const bool gains = is_intel();
    return gains;
}

}  // namespace xtape::kernels
