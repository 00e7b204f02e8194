#pragma once

#include <type_traits>
#include <utility>

#include <xtape/autograd/array.hpp>
#include <xtape/autograd/kernels/broadcast.hpp>
#include <xtape/autograd/kernels/odometer.hpp>
#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/autograd/kernels/simd.hpp>
#include <xtape/autograd/kernels/streaming.hpp>

/// Element-wise passes: f takes and returns SIMD batches and is written once for both element types.
namespace xtape::kernels {

inline constexpr Index map_grain = 32768;  // elements a piece of work has at least: some 10 µs

namespace detail {

/// An operand of an inner run: a row of elements, or one element for all.
template <class T>
struct Row {
    const T* first;
    Batch<T> whole(Index i) const { return Batch<T>::load_unaligned(first + i); }
    Batch<T> partial(Index i, Index n) const { return load_partial(first + i, n); }
};

template <class T>
struct Still {
    explicit Still(const T* element) : value(*element) {}
    Batch<T> value;
    Batch<T> whole(Index) const { return value; }
    Batch<T> partial(Index, Index) const { return value; }
};

/// With `past_caches` an aligned output does not go through them; finish_past_caches() is the caller's.
template <class T, class F, class... In>
void map_run(T* out, Index n, bool past_caches, const F& f, const In&... in) {
    Index i = 0;
    if (past_caches && is_aligned(out)) {
        for (; i + lanes<T> <= n; i += lanes<T>) store_past_caches<T>(out + i, as_vector(f(in.whole(i)...)));
    } else {
        for (; i + lanes<T> <= n; i += lanes<T>) f(in.whole(i)...).store_unaligned(out + i);
    }
    if (i < n) store_partial<T>(out + i, f(in.partial(i, n - i)...), n - i);
}

/// Picks Row or Still for each operand in turn, then runs.
template <class T, std::size_t N, class F, class... In>
void map_row(T* out, Index n, bool past_caches, const F& f, const std::array<const T*, N>& from,
             const std::array<bool, N>& moves, const In&... in) {
    constexpr std::size_t k = sizeof...(In);
    if constexpr (k == N) {
        map_run(out, n, past_caches, f, in...);
    } else if (moves[k]) {
        map_row(out, n, past_caches, f, from, moves, in..., Row<T>{from[k]});
    } else {
        map_row(out, n, past_caches, f, from, moves, in..., Still<T>(from[k]));
    }
}

template <class T, std::size_t N, class F>
void map_broadcast(const BroadcastPlan<N>& plan, T* out, const std::array<const T*, N>& in, bool past_caches,
                   const F& f) {
    const Index run = plan.run;
    const Index piece = std::min(run, map_grain);  // of one row
    const Index pieces = piece > 0 ? (run + piece - 1) / piece : 0;
    const Index grain = std::max<Index>(1, map_grain / std::max<Index>(piece, 1));
    parallel_for(plan.rows * pieces, grain, [&](Index begin, Index end) {
        Odometer<N> row(plan.outer, plan.outer_strides, begin / pieces);
        for (Index task = begin; task < end; ++task) {
            const Index first = task % pieces * piece;
            std::array<const T*, N> from;
            for (std::size_t k = 0; k < N; ++k) from[k] = in[k] + row.offset(k) + (plan.moves[k] ? first : 0);
            map_row(out + task / pieces * run + first, std::min(piece, run - first), past_caches, f, from, plan.moves);
            if ((task + 1) % pieces == 0) row.next();
        }
        if (past_caches) finish_past_caches();
    });
}

/// f of single numbers: the same instructions as for a row, with the number in the first lane.
template <class T, class F, class... In>
void map_one(T* out, const F& f, const In*... in) {
    alignas(64) T result[lanes<T>];
    f(xsimd::insert(Batch<T>(T(1)), *in, xsimd::index<0>())...).store_aligned(result);
    *out = result[0];
}

template <class T, class F, class... In>
void map_flat(T* out, Index n, bool past_caches, const F& f, const In*... in) {
    if (n == 1) return map_one(out, f, in...);
    parallel_for(n, map_grain, [&](Index begin, Index end) {
        map_run(out + begin, end - begin, past_caches, f, Row<T>{in + begin}...);
        if (past_caches) finish_past_caches();
    });
}

}  // namespace detail

/// out = f(operands), of one dtype, which broadcast to out's shape; out may be one of them that has this shape itself.
template <class F, class... Arrays>
void map_into(Array& out, const F& f, const Arrays&... operands) {
    constexpr std::size_t count = sizeof...(Arrays);
    const bool flat = ((operands.size() == out.size()) && ...);  // then all differ in axes of size 1 at most
    dispatch(out.dtype(), [&](auto tag) {
        using T = decltype(tag);
        T* const to = out.mutable_data<T>();
        const bool in_place = ((operands.template data<T>() == to) || ...);
        const bool past_caches = !in_place && exceeds_caches<T>(out.size());
        if (flat) {
            detail::map_flat(to, out.size(), past_caches, f, operands.template data<T>()...);
        } else if (out.size() > 0) {
            const auto plan = plan_broadcast<count>(out.shape(), {&operands.shape()...});
            detail::map_broadcast<T, count>(plan, to, {operands.template data<T>()...}, past_caches, f);
        }
    });
}

/// f of every element. Works in x's buffer when nobody else holds it.
template <class F>
Array map(Array x, const F& f) {
    if (x.unique()) {
        map_into(x, f, x);
        return x;
    }
    Array out = Array::uninitialized(x.shape(), x.dtype());
    map_into(out, f, x);
    return out;
}

/// f over operands of one dtype that broadcast to `shape`. Works in the first buffer that fits and that nobody else holds.
template <class F, class... Arrays>
Array map_broadcast(const Shape& shape, const F& f, Arrays... operands) {
    Array out;
    for (Array* operand : {&operands...})
        if (!out && operand->shape() == shape && operand->unique()) out = *operand;
    if (!out) {
        const Array* all[] = {&operands...};
        out = Array::uninitialized(shape, all[0]->dtype());
    }
    map_into(out, f, operands...);
    return out;
}

}  // namespace xtape::kernels
