#pragma once

#include <type_traits>

#include <xtape/autograd/shape.hpp>

/// Work in parallel over oneTBB, which owns the threads.
namespace xtape::kernels {

/// A borrowed callable of one range [begin, end).
class RangeBody {
public:
    template <class F>
    RangeBody(F& f) : object_(&f), call_([](void* o, Index begin, Index end) { (*static_cast<F*>(o))(begin, end); }) {}
    void operator()(Index begin, Index end) const { call_(object_, begin, end); }

private:
    void* object_;
    void (*call_)(void*, Index, Index);
};

/// In which order a thread takes its pieces.
enum class Order {
    to_and_fro,  ///< beginning where the loop before ended: with what the caches still hold of arrays larger than they are
    forward      ///< for arrays of which the caches hold next to nothing
};

void parallel_chunks(Index n, Index grain, RangeBody body, Order order);

/// Calls f(begin, end) over [0, n) in pieces that begin at multiples of `grain`; on the calling thread alone when there is
/// one piece. Pieces depend on n and grain only, never on the number of threads.
template <class F>
void parallel_for(Index n, Index grain, F&& f, Order order = Order::to_and_fro) {
    if (n <= grain) {
        if (n > 0) f(Index{0}, n);
    } else {
        parallel_chunks(n, grain, f, order);
    }
}

}  // namespace xtape::kernels
