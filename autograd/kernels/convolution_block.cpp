#include <xtape/autograd/kernels/convolution_block.hpp>

#include <xtape/autograd/kernels/convolution_direct.hpp>
#include <xtape/autograd/kernels/convolution_samples.hpp>
#include <xtape/autograd/kernels/max_pool_2x2.hpp>
#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/autograd/kernels/partial_sums.hpp>

namespace xtape::kernels {

namespace {

/// Where a block's arrays are, element counts of one sample.
struct Sizes {
    Index image, full, pooled;

    explicit Sizes(const ConvolutionBlock& b)
        : image(b.convolution.channels * b.convolution.windows.image_size()),
          full(b.convolution.filters * b.pool.image_size()),
          pooled(b.convolution.filters * b.pool.output_size()) {}
};

/// Calls f(full plane, pooled element) for each plane of some samples: both as offsets.
template <class F>
void each_plane(const ConvolutionBlock& b, Index samples, const F& f) {
    const Index full = b.pool.image_size(), pooled = b.pool.output_size(), planes = samples * b.convolution.filters;
    const Index grain = std::max<Index>(1, 32'768 / std::max<Index>(1, full));
    parallel_for(planes, grain, [&](Index begin, Index end) {
        for (Index plane = begin; plane < end; ++plane) f(plane * full, plane * pooled);
    });
}

/// The gradient of the convolution's output, from g: zeros but at the coded places.
template <class T>
void spread(const T* g, const std::uint8_t* codes, Index samples, const ConvolutionBlock& b, T* full) {
    each_plane(b, samples,
               [&](Index plane, Index pooled) { spread_plane_2x2(g + pooled, codes + pooled, b.pool, full + plane); });
}

/// How the samples go through a face of a block.
enum class Passage {
    direct,  ///< by kernels that pool in registers
    groups,  ///< some at a time, with what the convolution gives for them in cache
    whole,   ///< all at once, because they are so few or there is nothing to compute
};

Passage choose(Face face, Index samples, DType dtype, const ConvolutionBlock& b) {
    const Path path = choose_path(face, samples, dtype, b.convolution).path;
    if (path == Path::direct) return Passage::direct;
    return samples < 8 || path == Path::nothing ? Passage::whole : Passage::groups;
}

}  // namespace

Array convolution_block(const Array& x, const Array& w, const Array& bias, const ConvolutionBlock& b,
                        const BlockCodes* codes) {
    const Index samples = x.shape(0);
    const Sizes sizes(b);
    const Passage passage = choose(Face::output, samples, x.dtype(), b);
    Array y = Array::uninitialized(b.output_shape(samples), x.dtype());
    if (passage == Passage::direct) {
        direct::correlate_pooled(x.data<float>(), w.data<float>(), bias.data<float>(), y.mutable_data<float>(),
                                 codes ? codes->data() : nullptr, samples, b.convolution);
        return y;
    }
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        T* const to = y.mutable_data<T>();
        const auto pool = [&](const T* full, Index some, Index pooled) {
            each_plane(b, some, [&](Index plane, Index at) {
                max_plane_2x2<true>(full + plane, b.pool, to + pooled + at,
                                    codes ? codes->data() + pooled + at : nullptr);
            });
        };
        if (passage == Passage::whole) {
            const Array full = correlate(x, w, b.convolution, {&bias, false});
            return pool(full.data<T>(), samples, 0);
        }
        const SampleCorrelation<T> correlation(Face::output, w.data<T>(), samples, b.convolution);
        const Finish<T> finish(bias.data<T>(), false);
        parallel_for(samples, correlation.at_once(), [&](Index begin, Index end) {
            const Scratch<T> full((end - begin) * sizes.full), scratch(correlation.scratch_size());
            correlation.run(x.data<T>() + begin * sizes.image, full.data(), end - begin, finish, scratch.data());
            pool(full.data(), end - begin, begin * sizes.pooled);
        });
    });
    return y;
}

Array block_output(const Array& x, const Array& w, const ConvolutionBlock& b, const BlockCodes& codes) {
    return block_gather(correlate(x, w, b.convolution), b.pool, codes);
}

Array block_input(const Array& g, const Array& w, const ConvolutionBlock& b, const BlockCodes& codes) {
    const Index samples = g.shape(0);
    if (choose(Face::input, samples, g.dtype(), b) == Passage::whole)
        return correlate_input(block_scatter(g, b.pool, codes), w, b.convolution);
    const Sizes sizes(b);
    Array dx = Array::uninitialized(b.convolution.image_shape(samples), g.dtype());
    dispatch(g.dtype(), [&](auto tag) {
        using T = decltype(tag);
        T* const to = dx.mutable_data<T>();
        const SampleCorrelation<T> correlation(Face::input, w.data<T>(), samples, b.convolution);
        parallel_for(samples, correlation.at_once(), [&](Index begin, Index end) {
            const Scratch<T> full((end - begin) * sizes.full), scratch(correlation.scratch_size());
            const Index pooled = begin * sizes.pooled;
            spread(g.data<T>() + pooled, codes.data() + pooled, end - begin, b, full.data());
            correlation.run(full.data(), to + begin * sizes.image, end - begin, {}, scratch.data());
        });
    });
    return dx;
}

Array block_kernel(const Array& x, const Array& g, const ConvolutionBlock& b, const BlockCodes& codes) {
    const Index samples = x.shape(0);
    const Passage passage = choose(Face::kernel, samples, x.dtype(), b);
    if (passage == Passage::whole) return correlate_kernel(x, block_scatter(g, b.pool, codes), b.convolution);
    const Sizes sizes(b);
    Array dw = Array::uninitialized(b.convolution.kernel_shape(), x.dtype());
    if (passage == Passage::direct) {
        direct::correlate_kernel_pooled(x.data<float>(), g.data<float>(), codes.data(), dw.mutable_data<float>(),
                                        samples, b.convolution);
        return dw;
    }
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const SampleKernelGradient<T> gradient(samples, b.convolution);
        const Index at_once = gradient.at_once(), groups = (samples + at_once - 1) / at_once;
        // Few parts, for each is as large as dw.
        const Index part_samples = (groups + 15) / 16 * at_once, parts = (samples + part_samples - 1) / part_samples;
        const Scratch<T> sums(parts * dw.size());
        parallel_for(parts * gradient.slices(), 1, [&](Index task, Index) {
            const Index part = task / gradient.slices(), slice = task % gradient.slices();
            const Index last = std::min(samples, (part + 1) * part_samples);
            const Scratch<T> full(at_once * sizes.full);
            typename SampleKernelGradient<T>::Sum sum(gradient, slice);
            for (Index begin = part * part_samples; begin < last; begin += at_once) {
                const Index some = std::min(at_once, last - begin), pooled = begin * sizes.pooled;
                spread(g.data<T>() + pooled, codes.data() + pooled, some, b, full.data());
                sum.add(x.data<T>() + begin * sizes.image, full.data(), some);
            }
            sum.finish(sums.data() + part * dw.size());
        });
        sum_parts(sums.data(), parts, dw.size(), dw.mutable_data<T>());
    });
    return dw;
}

}  // namespace xtape::kernels
