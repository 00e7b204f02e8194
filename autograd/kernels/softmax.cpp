#include <xtape/autograd/kernels/softmax.hpp>

#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>

#include <xtape/autograd/kernels/map.hpp>
#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/autograd/kernels/reduce.hpp>
#include <xtape/autograd/kernels/simd.hpp>

namespace xtape::kernels {
namespace {

constexpr Index longest_row = 1 << 12;  // taken at once; stays in the first-level cache
constexpr Index elements_per_piece = 1 << 13;

/// e^(x - maximum) / scale, scale being the sum of the numerators.
struct Softmax {
    template <class V>
    static V normalised(const V& x, const V& maximum, const V& scale) {
        return exp(x - maximum) / scale;
    }
    template <class V>
    static V scale(const V& sum) {
        return sum;
    }
};

/// (x - maximum) - scale, scale being the logarithm of that sum.
struct LogSoftmax {
    template <class V>
    static V normalised(const V& x, const V& maximum, const V& scale) {
        return (x - maximum) - scale;
    }
    template <class V>
    static V scale(const V& sum) {
        return log(sum);
    }
};

/// Calls f(position, size) for the batches of n elements; size is less than a whole batch only for the last.
template <class T, class F>
void each_batch(Index n, F&& f) {
    Index i = 0;
    for (; i + lanes<T> <= n; i += lanes<T>) f(i, lanes<T>);
    if (i < n) f(i, n - i);
}

template <class T>
Batch<T> load(const T* from, Index size, T fill) {
    return size == lanes<T> ? Batch<T>::load_unaligned(from) : load_partial(from, size, fill);
}

template <class T>
void store(T* to, const Batch<T>& value, Index size) {
    if (size == lanes<T>)
        value.store_unaligned(to);
    else
        store_partial(to, value, size);
}

/// One row of contiguous elements, from x to y, which may be the same.
template <class Function, class T>
void normalise_row(const T* x, T* y, Index n) {
    constexpr T lowest = -std::numeric_limits<T>::infinity();
    alignas(64) T lane[lanes<T>];

    Batch<T> maxima(lowest);
    each_batch<T>(n, [&](Index i, Index size) {
        const Batch<T> v = load(x + i, size, lowest);
        maxima = xsimd::select((v > maxima) | xsimd::isnan(v), v, maxima);
    });
    maxima.store_aligned(lane);
    T top = lane[0];
    for (T v : lane) top = v > top || v != v ? v : top;
    const Batch<T> maximum(top);

    constexpr bool keeps_exponentials = std::is_same_v<Function, Softmax>;
    Batch<T> sums(T{0});
    each_batch<T>(n, [&](Index i, Index size) {
        const Batch<T> e = exp(load(x + i, size, lowest) - maximum);
        sums += e;
        if (keeps_exponentials) store(y + i, e, size);
    });
    sums.store_aligned(lane);
    T sum{0};
    for (T v : lane) sum += v;
    const Batch<T> scale = Function::scale(Batch<T>(sum));

    each_batch<T>(n, [&](Index i, Index size) {
        const Batch<T> v = load(keeps_exponentials ? y + i : x + i, size, T{0});
        store(y + i, keeps_exponentials ? v / scale : Function::normalised(v, maximum, scale), size);
    });
}

template <class Function>
Array normalise(Array x, Index axis) {
    const Shape shape = x.shape();
    const Index length = shape[axis];
    if (x.size() == 0) return x;

    const bool contiguous = std::all_of(shape.begin() + axis + 1, shape.end(), [](Index size) { return size == 1; });
    if (contiguous && length <= longest_row) {
        Array y = x.unique() ? x : Array::uninitialized(shape, x.dtype());
        dispatch(x.dtype(), [&](auto tag) {
            using T = decltype(tag);
            const T* const from = x.data<T>();
            T* const to = y.mutable_data<T>();
            parallel_for(x.size() / length, std::max<Index>(1, elements_per_piece / length),
                         [&](Index begin, Index end) {
                             for (Index row = begin; row < end; ++row)
                                 normalise_row<Function>(from + row * length, to + row * length, length);
                         });
        });
        return y;
    }
    Array maxima = reduce_max(x, {axis}, true);
    Array scales =
        map(reduce_exponentials(x, maxima, {axis}, true), [](const auto& sum) { return Function::scale(sum); });
    const auto normalised = [](const auto& v, const auto& m, const auto& s) { return Function::normalised(v, m, s); };
    return map_broadcast(shape, normalised, std::move(x), std::move(maxima), std::move(scales));
}

}  // namespace

Array softmax(Array x, Index axis) { return normalise<Softmax>(std::move(x), axis); }
Array log_softmax(Array x, Index axis) { return normalise<LogSoftmax>(std::move(x), axis); }

}  // namespace xtape::kernels
