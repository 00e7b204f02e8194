#include <xtape/autograd/ops/formula_trace.hpp>

#include <atomic>

namespace xtape::detail {

FormulaTrace*& FormulaTrace::innermost() {
    static thread_local FormulaTrace* trace = nullptr;
    return trace;
}

/// Different from those of all traces before, so that a symbol that outlives its own is known for a stranger.
std::uint32_t FormulaTrace::next_id() {
    static std::atomic<std::uint32_t> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace xtape::detail
