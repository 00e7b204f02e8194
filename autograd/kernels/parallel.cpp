#include <xtape/autograd/kernels/parallel.hpp>

#include <algorithm>

#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

namespace xtape::kernels {

void parallel_chunks(Index n, Index grain, RangeBody body) {
    const Index pieces = (n + grain - 1) / grain;
    const auto run = [&](const tbb::blocked_range<Index>& range) {
        for (Index piece = range.begin(); piece < range.end(); ++piece)
            body(piece * grain, std::min(n, (piece + 1) * grain));
    };
    // Isolated: a thread that waits here must not pick up a task of the user's, which would find this thread's recording
    // state and locks.
    tbb::this_task_arena::isolate([&] { tbb::parallel_for(tbb::blocked_range<Index>(0, pieces), run); });
}

}  // namespace xtape::kernels
