#include <xtape/autograd/kernels/softmax.hpp>

#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>

#include <xtape/autograd/kernels/map.hpp>
#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/autograd/kernels/reduce.hpp>
#include <xtape/autograd/kernels/runs.hpp>

namespace xtape::kernels {
namespace {

constexpr Index longest_row = 1 << 12;  // taken at once; stays in the first-level cache
constexpr Index elements_per_piece = 1 << 13;

/// x seen as outer x along x inner elements. Columns are worked on in blocks as wide as a few lines of the cache, which stay
/// in the second-level cache from one pass to the next.
struct Columns {
    Columns(const Shape& shape, Index axis) : along(shape[axis]) {
        for (Index i = 0; i < axis; ++i) outer *= shape[i];
        for (Index i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
    }

    /// Calls block(offset, width) for each block of columns, width at most `widest`.
    template <class F>
    void each(Index widest, const F& block) const {
        const Index blocks = (inner + widest - 1) / widest;
        const Index grain = std::max<Index>(1, elements_per_piece / (along * std::min(inner, widest)));
        parallel_for(outer * blocks, grain, [&](Index begin, Index end) {
            for (Index task = begin; task < end; ++task) {
                const Index first = task % blocks * widest;
                block(task / blocks * along * inner + first, std::min(widest, inner - first));
            }
        });
    }

    Index outer = 1, along, inner = 1;
};

/// Whether the elements along the axis lie together and are few enough to be passed over several times.
bool by_rows(const Shape& shape, Index axis) {
    const auto is_one = [](Index size) { return size == 1; };
    return shape[axis] <= longest_row && std::all_of(shape.begin() + axis + 1, shape.end(), is_one);
}

/// Whether the elements along the axis lie apart, and are few enough for plain sums.
bool by_columns(const Shape& shape, Index axis) {
    return !by_rows(shape, axis) && shape[axis] <= 1 << 14 && Columns(shape, axis).inner > 1;
}

/// Calls row(offset) for each row of `length` elements.
template <class F>
void each_row(Index size, Index length, const F& row) {
    parallel_for(size / length, std::max<Index>(1, elements_per_piece / length), [&](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) row(i * length);
    });
}

/// e^(x - maximum) / scale, scale being the sum of the numerators.
struct Softmax {
    template <class V>
    static V normalised(const V& x, const V& maximum, const V& scale) {
        return exp(x - maximum) / scale;
    }
    template <class V>
    static V scale(const V& sum, const V&) {
        return sum;
    }
    /// What a row of g adds to the sum that the gradient needs.
    template <class V>
    static V term(const V& g, const V& y) {
        return g * y;
    }
    template <class V>
    static V gradient(const V& g, const V& y, const V& sum) {
        return y * (g - sum);
    }
};

/// (x - maximum) - scale, scale being the logarithm of that sum. Where one element outweighs the others, that is small, and
/// its digits are in `below`: the sum without the maximum. So are those of 1 - e^y for the gradient.
struct LogSoftmax {
    template <class V>
    static V normalised(const V& x, const V& maximum, const V& scale) {
        return (x - maximum) - scale;
    }
    template <class V>
    static V scale(const V& sum, const V& below) {
        return xsimd::select(sum < V(1.5), log1p(below), log(sum));
    }
    template <class V>
    static V term(const V& g, const V&) {
        return g;
    }
    template <class V>
    static V gradient(const V& g, const V& y, const V& sum) {
        return -(expm1(y) * g) - exp(y) * (sum - g);
    }
};

/// One row of contiguous elements, from x to y, which may be the same.
template <class Function, class T>
void normalise_row(const T* x, T* y, Index n) {
    constexpr bool keeps_exponentials = std::is_same_v<Function, Softmax>;
    constexpr T lowest = -std::numeric_limits<T>::infinity();
    const Batch<T> maximum(largest_of_run(x, n));
    constexpr std::size_t sums = keeps_exponentials ? 1 : 2;  // of all, and of all below the maximum
    const auto total = sums_of_run<T, sums>(n, [&](Index i, Index size) {
        const Batch<T> v = load(x + i, size, lowest), e = exp(v - maximum);
        if constexpr (keeps_exponentials) {
            store(y + i, e, size);
            return std::array{e};
        } else {
            return std::array{e, xsimd::select(v < maximum, e, Batch<T>(T{0}))};
        }
    });
    const Batch<T> scale = Function::scale(Batch<T>(total[0]), Batch<T>(total[sums - 1]));
    each_batch<T>(n, [&](Index i, Index size) {
        const Batch<T> v = load(keeps_exponentials ? y + i : x + i, size);
        store(y + i, keeps_exponentials ? v / scale : Function::normalised(v, maximum, scale), size);
    });
}

/// Batches side by side in a block of columns.
constexpr Index batches_abreast = 4;

/// The sums of the columns of term(offset, size, batch's number), which is called for all elements batch by batch.
template <class T, class F>
void sum_columns(const Columns& columns, Index width, Batch<T>* sums, const F& term) {
    constexpr Index block = 128;  // rows: so that rounding grows with their number and with that of blocks only
    std::fill_n(sums, batches_abreast, Batch<T>(T{0}));
    for (Index begin = 0; begin < columns.along; begin += block) {
        Batch<T> part[batches_abreast];
        std::fill_n(part, batches_abreast, Batch<T>(T{0}));
        for (Index row = begin; row < std::min(columns.along, begin + block); ++row)
            each_batch<T>(width, [&](Index j, Index size) {
                part[j / lanes<T>] += term(row * columns.inner + j, size, j / lanes<T>);
            });
        for (Index k = 0; k < batches_abreast; ++k) sums[k] += part[k];
    }
}

/// f(offset, size, batch's number) for all elements of a block of columns, batch by batch.
template <class T, class F>
void each_of_columns(const Columns& columns, Index width, const F& f) {
    for (Index row = 0; row < columns.along; ++row)
        each_batch<T>(width, [&](Index j, Index size) { f(row * columns.inner + j, size, j / lanes<T>); });
}

/// A block of columns, from x to y, which may be the same.
template <class Function, class T>
void normalise_columns(const T* x, T* y, const Columns& columns, Index width) {
    constexpr bool keeps_exponentials = std::is_same_v<Function, Softmax>;
    Batch<T> maxima[batches_abreast], scales[batches_abreast];
    std::fill_n(maxima, batches_abreast, Batch<T>(-std::numeric_limits<T>::infinity()));
    each_of_columns<T>(columns, width,
                       [&](Index i, Index size, Index k) { maxima[k] = xsimd::max(load(x + i, size), maxima[k]); });
    sum_columns<T>(columns, width, scales, [&](Index i, Index size, Index k) {
        const Batch<T> e = exp(load(x + i, size) - maxima[k]);
        if (keeps_exponentials) store(y + i, e, size);
        return e;
    });
    Batch<T> below[batches_abreast];
    if (keeps_exponentials)
        std::copy_n(scales, batches_abreast, below);  // not looked at
    else
        sum_columns<T>(columns, width, below, [&](Index i, Index size, Index k) {
            const Batch<T> v = load(x + i, size);
            return xsimd::select(v < maxima[k], exp(v - maxima[k]), Batch<T>(T{0}));
        });
    for (Index k = 0; k < batches_abreast; ++k) scales[k] = Function::scale(scales[k], below[k]);
    each_of_columns<T>(columns, width, [&](Index i, Index size, Index k) {
        const Batch<T> v = load(keeps_exponentials ? y + i : x + i, size);
        store(y + i, keeps_exponentials ? v / scales[k] : Function::normalised(v, maxima[k], scales[k]), size);
    });
}

template <class Function>
Array normalise(Array x, Index axis) {
    const Shape shape = x.shape();
    if (x.size() == 0) return x;

    if (by_rows(shape, axis)) {
        Array y = x.unique() ? x : Array::uninitialized(shape, x.dtype());
        dispatch(x.dtype(), [&](auto tag) {
            using T = decltype(tag);
            const T* const from = x.data<T>();
            T* const to = y.mutable_data<T>();
            each_row(x.size(), shape[axis],
                     [&](Index row) { normalise_row<Function>(from + row, to + row, shape[axis]); });
        });
        return y;
    }
    if (by_columns(shape, axis)) {
        Array y = x.unique() ? x : Array::uninitialized(shape, x.dtype());
        dispatch(x.dtype(), [&](auto tag) {
            using T = decltype(tag);
            const T* const from = x.data<T>();
            T* const to = y.mutable_data<T>();
            const Columns columns(shape, axis);
            columns.each(batches_abreast * lanes<T>, [&](Index first, Index width) {
                normalise_columns<Function>(from + first, to + first, columns, width);
            });
        });
        return y;
    }
    Array maxima = reduce_max(x, {axis}, true);
    Array scales = reduce_exponentials(x, maxima, {axis}, true);
    if (std::is_same_v<Function, LogSoftmax>)
        scales = map_broadcast(
            scales.shape(), [](const auto& sum, const auto& below) { return LogSoftmax::scale(sum, below); }, scales,
            reduce_exponentials_below(x, maxima, {axis}, true));
    const auto normalised = [](const auto& v, const auto& m, const auto& s) { return Function::normalised(v, m, s); };
    return map_broadcast(shape, normalised, std::move(x), std::move(maxima), std::move(scales));
}

template <class Function>
Array gradient(Array g, const Array& y, Index axis) {
    const Shape shape = y.shape();
    const auto term = [](const auto& a, const auto& b) { return Function::term(a, b); };
    const auto for_x = [](const auto& a, const auto& b, const auto& sum) { return Function::gradient(a, b, sum); };
    if (y.size() == 0) return g;

    if (by_rows(shape, axis)) {
        Array dx = g.unique() ? g : Array::uninitialized(shape, y.dtype());
        dispatch(y.dtype(), [&](auto tag) {
            using T = decltype(tag);
            const T *const slopes = std::as_const(g).data<T>(), *const values = y.data<T>();
            T* const out = dx.mutable_data<T>();
            each_row(y.size(), shape[axis], [&](Index row) {
                const auto from_g = [&](Index i, Index size) { return load(slopes + row + i, size); };
                const auto from_y = [&](Index i, Index size) { return load(values + row + i, size); };
                const Batch<T> sum(sums_of_run<T, 1>(shape[axis], [&](Index i, Index size) {
                    return std::array{term(from_g(i, size), from_y(i, size))};
                })[0]);
                each_batch<T>(shape[axis], [&](Index i, Index size) {
                    store(out + row + i, for_x(from_g(i, size), from_y(i, size), sum), size);
                });
            });
        });
        return dx;
    }
    if (by_columns(shape, axis)) {
        Array dx = g.unique() ? g : Array::uninitialized(shape, y.dtype());
        dispatch(y.dtype(), [&](auto tag) {
            using T = decltype(tag);
            const T *const slopes = std::as_const(g).data<T>(), *const values = y.data<T>();
            T* const out = dx.mutable_data<T>();
            const Columns columns(shape, axis);
            columns.each(batches_abreast * lanes<T>, [&](Index first, Index width) {
                const auto from_g = [&](Index i, Index size) { return load(slopes + first + i, size); };
                const auto from_y = [&](Index i, Index size) { return load(values + first + i, size); };
                Batch<T> sums[batches_abreast];
                sum_columns<T>(columns, width, sums,
                               [&](Index i, Index size, Index) { return term(from_g(i, size), from_y(i, size)); });
                each_of_columns<T>(columns, width, [&](Index i, Index size, Index k) {
                    store(out + first + i, for_x(from_g(i, size), from_y(i, size), sums[k]), size);
                });
            });
        });
        return dx;
    }
    Array sum = reduce_sum(map_broadcast(shape, term, g, y), {axis}, true);
    return map_broadcast(shape, for_x, std::move(g), y, std::move(sum));
}

}  // namespace

Array softmax(Array x, Index axis) { return normalise<Softmax>(std::move(x), axis); }
Array softmax_gradient(Array g, const Array& y, Index axis) { return gradient<Softmax>(std::move(g), y, axis); }
Array log_softmax(Array x, Index axis) { return normalise<LogSoftmax>(std::move(x), axis); }
Array log_softmax_gradient(Array g, const Array& y, Index axis) { return gradient<LogSoftmax>(std::move(g), y, axis); }

}  // namespace xtape::kernels
