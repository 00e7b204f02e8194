#include <utility>

#include <xtape/autograd/kernels/batch_norm_columns.hpp>
#include <xtape/autograd/kernels/channel_norm.hpp>
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

}  // namespace

Normalized batch_norm(const Array& x, const Array& weight, const Array& bias, double eps) {
    const Extents extents(x.shape());
    if (by_columns(extents)) return batch_norm_columns(x, weight, bias, eps);
    const ChannelChunks chunks(extents.samples, extents.channels, extents.length);
    const auto numbers = [&] { return Array::uninitialized({extents.channels}, float64); };
    Normalized result{Array::uninitialized(x.shape(), x.dtype()), {numbers(), numbers()}};
    double* const means = result.moments.mean.mutable_data<double>();
    double* const variances = result.moments.variance.mutable_data<double>();
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T* const from = x.data<T>();
        T* const to = result.y.mutable_data<T>();
        each_channel(extents, chunks, [&](Index c, Index grain) {
            const Scratch<Moment> parts(chunks.count());
            parallel_for(chunks.count(), grain, [&](Index begin, Index end) {
                for (Index k = begin; k < end; ++k) parts.data()[k] = moment_of(from, chunks, c, k);
            });
            const Moment moment = joined(parts.data(), chunks.count());
            means[c] = moment.mean;
            variances[c] = moment.variance();

            const ChannelNorm<T> norm(result.moments, c, weight, bias, eps);
            const Batch<T> centre(norm.centre), scale(norm.scale), shift(norm.shift);
            parallel_for(chunks.count(), grain, [&](Index begin, Index end) {
                for (Index k = begin; k < end; ++k)
                    chunks.each_run(c, k, [&](Index offset, Index n) {
                        each_batch<T>(n, [&](Index i, Index size) {
                            const Batch<T> v = load(from + offset + i, size);
                            store(to + offset + i, xsimd::fma(v - centre, scale, shift), size);
                        });
                    });
            });
        });
    });
    return result;
}

NormGradients batch_norm_gradients(Array g, const Array& x, const Moments& moments, const Array& weight, double eps) {
    const Extents extents(x.shape());
    if (by_columns(extents)) return batch_norm_columns_gradients(std::move(g), x, moments, weight, eps);
    const ChannelChunks chunks(extents.samples, extents.channels, extents.length);
    const auto numbers = [&] { return Array::uninitialized({extents.channels}, x.dtype()); };
    NormGradients result{g.unique() ? g : Array::uninitialized(x.shape(), x.dtype()), numbers(), numbers()};
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T *const slopes = std::as_const(g).data<T>(), *const values = x.data<T>();
        T* const to = result.x.mutable_data<T>();
        each_channel(extents, chunks, [&](Index c, Index grain) {
            const Batch<T> centre(static_cast<T>(moments.mean.at(c)));
            const auto distance = [&](Index place, Index size) { return load(values + place, size) - centre; };

            const Scratch<std::array<T, 2>> parts(chunks.count());  // sums of g and g (x - centre)
            parallel_for(chunks.count(), grain, [&](Index begin, Index end) {
                for (Index k = begin; k < end; ++k) {
                    RunSums<T, 2> sums;
                    chunks.each_run(c, k, [&](Index offset, Index n) {
                        sums.add(n, [&](Index i, Index size) {
                            const Batch<T> slope = load(slopes + offset + i, size);
                            return std::array{slope, slope * distance(offset + i, size)};
                        });
                    });
                    parts.data()[k] = sums.total();
                }
            });
            double of_g = 0, of_products = 0;
            for (Index k = 0; k < chunks.count(); ++k) {
                of_g += parts.data()[k][0];
                of_products += parts.data()[k][1];
            }
            const ChannelNormSlope<T> slope(moments, c, weight, eps, of_g, of_products,
                                            extents.samples * extents.length);
            result.weight.mutable_data<T>()[c] = slope.dweight;
            result.bias.mutable_data<T>()[c] = slope.dbias;
            const Batch<T> scale(slope.scale), slant(slope.slant), shift(slope.shift);
            parallel_for(chunks.count(), grain, [&](Index begin, Index end) {
                for (Index k = begin; k < end; ++k)
                    chunks.each_run(c, k, [&](Index offset, Index n) {
                        each_batch<T>(n, [&](Index i, Index size) {
                            const Batch<T> rest = xsimd::fma(distance(offset + i, size), slant, shift);
                            store(to + offset + i, xsimd::fma(load(slopes + offset + i, size), scale, rest), size);
                        });
                    });
            });
        });
    });
    return result;
}

}  // namespace xtape::kernels
