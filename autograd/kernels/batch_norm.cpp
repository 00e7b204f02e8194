#include <utility>

#include <xtape/autograd/kernels/batch_norm_columns.hpp>
#include <xtape/autograd/kernels/batch_norm_tails.hpp>
#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/autograd/kernels/scratch.hpp>

namespace xtape::kernels {

namespace {

struct Extents {
    explicit Extents(const Shape& shape)
        : samples(shape[0]), channels(shape[1]), length(Shape(shape.begin() + 2, shape.end()).count()) {}

    Index samples, channels, length;
};

constexpr Index elements_per_piece = 1 << 15;

/// Calls channel(c, grain) for every channel; its work on chunks is to be cut by `grain`: many channels go to the threads
/// whole, so that a second pass over one finds it in the cache, few are shared among them.
template <class F>
void each_channel(const Extents& extents, const ChannelChunks& chunks, const F& channel) {
    const Index of_one = std::max<Index>(1, extents.samples * extents.length);
    const bool many = extents.channels >= 16;
    const Index grain = many ? std::max<Index>(1, elements_per_piece / of_one) : extents.channels;
    parallel_for(extents.channels, grain, [&](Index begin, Index end) {
        for (Index c = begin; c < end; ++c) channel(c, many ? chunks.count() : Index{8});
    });
}

/// Whether the runs are too short to be taken by themselves.
bool by_columns(const Extents& extents) { return extents.length < 16; }

/// Finds the moments of every channel and hands its normalised numbers to the tail.
template <class T, class Tail>
void normalize(const Array& x, const Array& weight, const Array& bias, double eps, const Moments& moments,
               const Tail& tail) {
    const Extents extents(x.shape());
    const ChannelChunks chunks(extents.samples, extents.channels, extents.length, Tail::whole_runs);
    Array mean = moments.mean, variance = moments.variance;
    double *const means = mean.mutable_data<double>(), *const variances = variance.mutable_data<double>();
    const T* const from = x.data<T>();
    each_channel(extents, chunks, [&](Index c, Index grain) {
        const Scratch<Moment> parts(chunks.count());
        parallel_for(chunks.count(), grain, [&](Index begin, Index end) {
            for (Index k = begin; k < end; ++k) parts.data()[k] = moment_of(from, chunks, c, k);
        });
        const Moment moment = joined(parts.data(), chunks.count());
        means[c] = moment.mean;
        variances[c] = moment.variance();

        const ChannelNorm<T> norm(moments, c, weight, bias, eps);
        parallel_for(chunks.count(), grain, [&](Index begin, Index end) {
            for (Index k = begin; k < end; ++k)
                chunks.each_run(
                    c, k, [&](Index offset, Index n) { tail.take(offset, n, NormalizedRun<T>(from + offset, norm)); });
        });
    });
}

/// dx into `to`, and the gradients of weight and bias; the tail says what reaches the normalised numbers.
template <class T, class Tail>
void pull_through(const Array& x, const Moments& moments, const Array& weight, const Array& bias, double eps,
                  const Tail& tail, T* to, T* dweight, T* dbias) {
    const Extents extents(x.shape());
    const ChannelChunks chunks(extents.samples, extents.channels, extents.length, Tail::whole_runs);
    const T* const values = x.data<T>();
    each_channel(extents, chunks, [&](Index c, Index grain) {
        const ChannelNorm<T> norm(moments, c, weight, bias, eps);
        const Scratch<std::array<T, 2>> parts(chunks.count());  // sums of g and g (x - centre)
        parallel_for(chunks.count(), grain, [&](Index begin, Index end) {
            for (Index k = begin; k < end; ++k) {
                SlopeSums<T> sums;
                chunks.each_run(c, k, [&](Index offset, Index n) {
                    tail.sum(offset, n, NormalizedRun<T>(values + offset, norm), sums);
                });
                parts.data()[k] = sums.total();
            }
        });
        double of_g = 0, of_products = 0;
        for (Index k = 0; k < chunks.count(); ++k) {
            of_g += parts.data()[k][0];
            of_products += parts.data()[k][1];
        }
        const ChannelNormSlope<T> slope(moments, c, weight, eps, of_g, of_products, extents.samples * extents.length);
        dweight[c] = slope.dweight;
        dbias[c] = slope.dbias;
        const Batch<T> scale(slope.scale), slant(slope.slant), shift(slope.shift);
        parallel_for(chunks.count(), grain, [&](Index begin, Index end) {
            for (Index k = begin; k < end; ++k)
                chunks.each_run(c, k, [&](Index offset, Index n) {
                    const NormalizedRun<T> run(values + offset, norm);
                    tail.each_slope(offset, n, run, [&](Index i, const Batch<T>& g, Index size) {
                        const Batch<T> rest = xsimd::fma(run.distance(i, size), slant, shift);
                        store(to + offset + i, xsimd::fma(g, scale, rest), size);
                    });
                });
        });
    });
}

/// Room for the gradients of a normalisation of x, that of x in `to`.
NormGradients gradients_in(Array to, const Array& x) {
    const auto numbers = [&] { return Array::uninitialized({x.shape(1)}, x.dtype()); };
    return {std::move(to), numbers(), numbers()};
}

}  // namespace

bool takes_tails(const Shape& x) { return !by_columns(Extents(x)); }

Normalized batch_norm(const Array& x, const Array& weight, const Array& bias, double eps, bool relu) {
    if (by_columns(Extents(x.shape()))) return batch_norm_columns(x, weight, bias, eps);
    Normalized result(x.shape(), x.dtype(), x.shape(1));
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        T* const y = result.y.mutable_data<T>();
        if (relu)
            normalize<T>(x, weight, bias, eps, result.moments, RunTail<T, true>{y, nullptr});
        else
            normalize<T>(x, weight, bias, eps, result.moments, RunTail<T, false>{y, nullptr});
    });
    return result;
}

NormGradients batch_norm_gradients(Array g, const Array& x, const Moments& moments, const Array& weight,
                                   const Array& bias, double eps, bool relu) {
    if (by_columns(Extents(x.shape()))) return batch_norm_columns_gradients(std::move(g), x, moments, weight, eps);
    NormGradients result = gradients_in(g.unique() ? g : Array::uninitialized(x.shape(), x.dtype()), x);
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T* const from = std::as_const(g).data<T>();
        const auto pull = [&](const auto& tail) {
            pull_through<T>(x, moments, weight, bias, eps, tail, result.x.mutable_data<T>(),
                            result.weight.mutable_data<T>(), result.bias.mutable_data<T>());
        };
        if (relu)
            pull(RunTail<T, true>{nullptr, from});
        else
            pull(RunTail<T, false>{nullptr, from});
    });
    return result;
}

Normalized batch_norm_relu_max_pool(const Array& x, const Array& weight, const Array& bias, double eps,
                                    const Windows& windows, const BlockCodes* codes) {
    const Shape& shape = x.shape();
    Normalized result({shape[0], shape[1], windows.outputs.rows, windows.outputs.cols}, x.dtype(), shape[1]);
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        normalize<T>(x, weight, bias, eps, result.moments,
                     PoolTail<T>{result.y.mutable_data<T>(), nullptr, codes ? codes->data() : nullptr, &windows});
    });
    return result;
}

NormGradients batch_norm_relu_max_pool_gradients(const Array& g, const Array& x, const Moments& moments,
                                                 const Array& weight, const Array& bias, double eps,
                                                 const Windows& windows, const BlockCodes& codes) {
    NormGradients result = gradients_in(Array::uninitialized(x.shape(), x.dtype()), x);
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        pull_through<T>(x, moments, weight, bias, eps, PoolTail<T>{nullptr, g.data<T>(), codes.data(), &windows},
                        result.x.mutable_data<T>(), result.weight.mutable_data<T>(), result.bias.mutable_data<T>());
    });
    return result;
}

}  // namespace xtape::kernels
