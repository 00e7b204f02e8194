#include <xtape/autograd/kernels/parallel.hpp>

#include <algorithm>
#include <array>
#include <atomic>

#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/partitioner.h>
#include <tbb/task_arena.h>

namespace xtape::kernels {

namespace {

constexpr Index most_shares = 64;

/// Pieces that one thread begins with, on a cache line of their own; whoever is done with its own helps with the others'.
struct alignas(64) Share {
    Index begin, end;
    std::atomic<Index> taken;
};

/// The pieces of one parallel loop. Thread k always begins with the k-th share, which its own caches may still hold from the
/// loop before.
class Shares {
public:
    Shares(Index pieces, Index count, bool backwards) : count_(count), backwards_(backwards) {
        for (Index i = 0; i < count; ++i) {
            Share& share = shares_[static_cast<std::size_t>(i)];
            share.begin = pieces * i / count;
            share.end = pieces * (i + 1) / count;
            share.taken.store(0, std::memory_order_relaxed);
        }
    }

    template <class F>
    void work(Index thread, const F& on_piece) {
        for (Index i = 0; i < count_; ++i) {
            Share& share = shares_[static_cast<std::size_t>((thread + i) % count_)];
            const Index size = share.end - share.begin;
            for (Index k; (k = share.taken.fetch_add(1, std::memory_order_relaxed)) < size;)
                on_piece(backwards_ ? share.end - 1 - k : share.begin + k);
        }
    }

private:
    Index count_;
    bool backwards_;
    std::array<Share, most_shares> shares_;  // the first count_ of them are in use
};

/// Whether the next loop to and fro goes backwards.
thread_local bool backwards = false;

}  // namespace

void parallel_chunks(Index n, Index grain, RangeBody body, Order order) {
    const Index pieces = (n + grain - 1) / grain;
    const auto on_piece = [&](Index piece) { body(piece * grain, std::min(n, (piece + 1) * grain)); };
    const bool back = backwards && order == Order::to_and_fro;
    backwards = !back;

    using Limit = tbb::global_control;
    const Index threads = std::min<Index>(static_cast<Index>(Limit::active_value(Limit::max_allowed_parallelism)),
                                          tbb::this_task_arena::max_concurrency());
    if (threads == 1) {
        for (Index k = 0; k < pieces; ++k) on_piece(back ? pieces - 1 - k : k);
        return;
    }
    const Index tasks = std::min(pieces, threads);
    Shares shares(pieces, std::min(tasks, most_shares), back);
    const auto work = [&](const tbb::blocked_range<Index>&) {
        shares.work(tbb::this_task_arena::current_thread_index(), on_piece);
    };
    // Isolated: a thread that waits here must not pick up a task of the user's, which would find this thread's recording
    // state and locks.
    tbb::this_task_arena::isolate(
        [&] { tbb::parallel_for(tbb::blocked_range<Index>(0, tasks, 1), work, tbb::simple_partitioner()); });
}

}  // namespace xtape::kernels
