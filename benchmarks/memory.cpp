// Loops that do nothing but pass over memory: what the machine allows where an operation is bound by that.
#include <memory>
#include <sstream>

#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/autograd/kernels/streaming.hpp>

#include "xtape/rows.hpp"

using namespace xtape;
using kernels::finish_past_caches;
using kernels::store_past_caches;
using Vector = kernels::Vector<float>;

namespace bench {
namespace {

constexpr Index lanes = kernels::vector_lanes<float>, at_once = 8;

/// Whole groups of vectors in parallel, beginning where the caches are warm.
template <class F>
void pass_over(Index elements, F f) {
    kernels::parallel_for(elements / (at_once * lanes), 256,
                          [&](Index first, Index last) { f(first * at_once * lanes, last * at_once * lanes); });
}

void read(const float* x, Index elements) {
    pass_over(elements, [x](Index first, Index last) {
        Vector sums[at_once] = {};
        for (Index i = first; i < last; i += at_once * lanes)
#pragma GCC unroll 8
            for (Index k = 0; k < at_once; ++k) sums[k] += kernels::load_vector(x + i + k * lanes);
        for (const Vector& sum : sums) asm volatile("" : : "x"(sum));  // read for nothing, but read
    });
}

/// y = x + 1 for every element, past the caches if y is too large for them and another array.
void write(const float* x, float* y, Index elements) {
    const bool past_caches = x != y && kernels::exceeds_caches<float>(elements);
    pass_over(elements, [=](Index first, Index last) {
        const Vector one = kernels::broadcast_vector(1.F);
        if (past_caches) {
            for (Index i = first; i < last; i += lanes) store_past_caches(y + i, kernels::load_vector(x + i) + one);
            finish_past_caches();
        } else {
            for (Index i = first; i < last; i += lanes) kernels::store_vector(y + i, kernels::load_vector(x + i) + one);
        }
    });
}

}  // namespace

/// Cases: "read", "update" or "copy", and how many numbers.
void add_memory(Rows& rows) {
    rows["memory"] = [](const std::string& which) -> Run {
        std::istringstream words(which);
        std::string what;
        Index elements = 0;
        if (!(words >> what >> elements)) throw std::invalid_argument("no such case: " + which);
        const auto x = std::make_shared<Array>(Array::filled({elements}, float32, 0));
        if (what == "read") return [x, elements] { read(x->data<float>(), elements); };
        if (what == "update") return [x, elements] { write(x->data<float>(), x->mutable_data<float>(), elements); };
        if (what != "copy") throw std::invalid_argument("no such case: " + which);
        const auto y = std::make_shared<Array>(Array::filled({elements}, float32, 0));
        return [x, y, elements] { write(x->data<float>(), y->mutable_data<float>(), elements); };
    };
}

}  // namespace bench
