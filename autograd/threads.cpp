#include <xtape/autograd/threads.hpp>

#include <memory>
#include <mutex>

#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <xtape/autograd/error.hpp>

namespace xtape {

namespace {

using Limit = tbb::global_control;

std::mutex mutex;
std::unique_ptr<Limit> limit;

}  // namespace

void set_threads(int count) {
    if (count < 0) throw ValueError("set_threads: the number of threads must be >= 0, got " + std::to_string(count));
    std::lock_guard lock(mutex);
    limit.reset();
    if (count > 0) limit = std::make_unique<Limit>(Limit::max_allowed_parallelism, static_cast<std::size_t>(count));
}

int threads() { return static_cast<int>(Limit::active_value(Limit::max_allowed_parallelism)); }

}  // namespace xtape
