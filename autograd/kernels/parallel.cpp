#include <xtape/autograd/kernels/parallel.hpp>

#include <algorithm>

#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/partitioner.h>

namespace xtape::kernels {

void parallel_chunks(Index n, Index grain, RangeBody body) {
    const Index pieces = (n + grain - 1) / grain;
    tbb::parallel_for(
        tbb::blocked_range<Index>(0, pieces),
        [&](const tbb::blocked_range<Index>& range) {
            for (Index piece = range.begin(); piece < range.end(); ++piece)
                body(piece * grain, std::min(n, (piece + 1) * grain));
        },
        tbb::auto_partitioner());
}

}  // namespace xtape::kernels
