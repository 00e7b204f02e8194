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
    void ask_for(Index i) const { kernels::ask_for(first, i); }
};

template <class T>
struct Still {
    explicit Still(const T* element) : value(*element) {}
    Batch<T> value;
    Batch<T> whole(Index) const { return value; }
    Batch<T> partial(Index, Index) const { return value; }
    void ask_for(Index) const {}
};

/// Elements of a row that is cut into strips.
template <class T>
inline constexpr Index fit_for_strips = 2 * Strips::most* strip_elements<T>;

/// How an output is passed over.
struct Manner {
    bool far;          ///< operands are not in the near caches: they are asked for ahead
    bool past_caches;  ///< an aligned output does not go through them; finish_past_caches() is the caller's
    Order order;
};

/// For an output of this size; one that overwrites an operand, or that is read at once, goes through the caches.
template <class T>
Manner manner_for(Index size, bool through_caches) {
    const bool beyond = exceeds_caches<T>(size);
    return {exceeds_near_caches<T>(size), beyond && !through_caches, beyond ? Order::forward : Order::to_and_fro};
}

template <class T, class F, class... In>
void map_run(T* out, Index n, Manner manner, const F& f, const In&... in) {
    constexpr Index ahead = strip_elements<T>;
    const bool in_strips = manner.far && n >= fit_for_strips<T> && gains_by_turns();
    constexpr Index part = strip_elements<T>;
    const auto on_part = [&](Index i, Index end) {
        if (manner.past_caches && is_aligned(out)) {
            for (; i + lanes<T> <= end; i += lanes<T>) {
                (in.ask_for(i + ahead), ...);
                store_past_caches<T>(out + i, as_vector(f(in.whole(i)...)));
            }
        } else if (manner.far) {
            for (; i + lanes<T> <= end; i += lanes<T>) {
                (in.ask_for(i + ahead), ...);
                f(in.whole(i)...).store_unaligned(out + i);
            }
        } else {
            for (; i + lanes<T> <= end; i += lanes<T>) f(in.whole(i)...).store_unaligned(out + i);
        }
        if (i < end) store_partial<T>(out + i, f(in.partial(i, end - i)...), end - i);
    };
    if (!in_strips) return on_part(0, n);
    Strips((n + part - 1) / part, true).each([&](Index item, Index) {
        on_part(item * part, std::min(n, (item + 1) * part));
    });
}

/// Stands for an operand of this kind.
template <class Kind>
struct OfKind {
    using type = Kind;
};

/// Calls g with Row or Still for each operand in turn.
template <class T, std::size_t N, class G, class... Kinds>
void with_kinds(const std::array<bool, N>& moves, const G& g, Kinds... kinds) {
    if constexpr (sizeof...(Kinds) == N) {
        g(kinds...);
    } else if (moves[sizeof...(Kinds)]) {
        with_kinds<T>(moves, g, kinds..., OfKind<Row<T>>());
    } else {
        with_kinds<T>(moves, g, kinds..., OfKind<Still<T>>());
    }
}

/// One row, or a piece of one, with operands of these kinds at these places.
template <class T, std::size_t N, class F, std::size_t... I, class... Kinds>
void map_row(T* out, Index n, Manner manner, const F& f, const std::array<const T*, N>& from, std::index_sequence<I...>,
             Kinds...) {
    map_run(out, n, manner, f, typename Kinds::type{from[I]}...);
}

template <class T, std::size_t N, class F>
void map_broadcast(const BroadcastPlan<N>& plan, T* out, const std::array<const T*, N>& in, Manner manner, const F& f) {
    const Index run = plan.run;
    const Index piece = std::min(run, map_grain);  // of one row
    const Index pieces = piece > 0 ? (run + piece - 1) / piece : 0;
    const Index grain = std::max<Index>(1, map_grain / std::max<Index>(piece, 1));
    // Rows that are too short for strips of their own take turns.
    const bool in_turn = manner.far && run < fit_for_strips<T> && gains_by_turns();
    auto rows = [&](Index begin, Index end) {
        const Strips strips(end - begin, in_turn);
        Odometer<N> place[Strips::most];
        for (Index strip = 0; strip < strips.count(); ++strip)
            place[strip] = Odometer<N>(plan.outer, plan.outer_strides, (begin + strips.first(strip)) / pieces);
        with_kinds<T>(plan.moves, [&](auto... kinds) {
            strips.each([&](Index item, Index strip) {
                const Index task = begin + item, row = pieces == 1 ? task : task / pieces;
                const Index first = (task - row * pieces) * piece;
                std::array<const T*, N> from;
                for (std::size_t k = 0; k < N; ++k)
                    from[k] = in[k] + place[strip].offset(k) + (plan.moves[k] ? first : 0);
                map_row(out + row * run + first, std::min(piece, run - first), manner, f, from,
                        std::make_index_sequence<N>(), kinds...);
                if (first + piece >= run) place[strip].next();
            });
        });
        if (manner.past_caches) finish_past_caches();
    };
    parallel_for(plan.rows * pieces, grain, rows, manner.order);
}

/// f of single numbers: the same instructions as for a row, with the number in every lane.
template <class T, class F, class... In>
void map_one(T* out, const F& f, const In*... in) {
    alignas(64) T result[lanes<T>];
    f(Batch<T>(*in)...).store_aligned(result);
    *out = result[0];
}

template <class T, class F, class... In>
void map_flat(T* out, Index n, Manner manner, const F& f, const In*... in) {
    parallel_for(
        n, map_grain,
        [&](Index begin, Index end) {
            map_run(out + begin, end - begin, manner, f, Row<T>{in + begin}...);
            if (manner.past_caches) finish_past_caches();
        },
        manner.order);
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
        if (flat && out.size() == 1) return detail::map_one(to, f, operands.template data<T>()...);
        const bool in_place = ((operands.template data<T>() == to) || ...);
        const detail::Manner manner = detail::manner_for<T>(out.size(), in_place);
        if (flat) {
            detail::map_flat(to, out.size(), manner, f, operands.template data<T>()...);
        } else if (out.size() > 0) {
            const auto plan = plan_broadcast<count>(out.shape(), {&operands.shape()...});
            detail::map_broadcast<T, count>(plan, to, {operands.template data<T>()...}, manner, f);
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
