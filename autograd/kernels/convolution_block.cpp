#include <xtape/autograd/kernels/convolution_block.hpp>

#include <xtape/autograd/kernels/convolution_columns.hpp>
#include <xtape/autograd/kernels/max_pool_2x2.hpp>
#include <xtape/autograd/kernels/parallel.hpp>

namespace xtape::kernels {

namespace {

// Samples whose full outputs stay in cache.
Index samples_at_once(const ConvolutionBlock& b) {
    constexpr Index cached = 65'536;
    return std::max<Index>(1, cached / std::max<Index>(1, b.convolution.filters * b.pool.image_size()));
}

// The gradient of a convolution's output, for some samples from the gradient of the block's.
template <class T>
void spread(const T* g, const std::uint8_t* codes, Index samples, const ConvolutionBlock& b, T* full) {
    for (Index plane = 0; plane < samples * b.convolution.filters; ++plane)
        spread_plane_2x2(g + plane * b.pool.output_size(), codes + plane * b.pool.output_size(), b.pool,
                         full + plane * b.pool.image_size());
}

}  // namespace

Array convolution_block(const Array& x, const Array& w, const Array& bias, const ConvolutionBlock& b,
                        const BlockCodes* codes) {
    Array full = correlate(x, w, b.convolution, {&bias, false});
    Array y = Array::uninitialized(b.output_shape(x.shape(0)), x.dtype());
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T* const from = full.data<T>();
        T* const to = y.mutable_data<T>();
        parallel_for(x.shape(0) * b.convolution.filters, 16, [&](Index begin, Index end) {
            for (Index plane = begin; plane < end; ++plane)
                max_plane_2x2<true>(from + plane * b.pool.image_size(), b.pool, to + plane * b.pool.output_size(),
                                    codes ? codes->data() + plane * b.pool.output_size() : nullptr);
        });
    });
    return y;
}

Array block_output(const Array& x, const Array& w, const ConvolutionBlock& b, const BlockCodes& codes) {
    const Array full = correlate(x, w, b.convolution);
    Array y = Array::uninitialized(b.output_shape(x.shape(0)), x.dtype());
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T* const from = full.data<T>();
        T* const to = y.mutable_data<T>();
        parallel_for(x.shape(0) * b.convolution.filters, 16, [&](Index begin, Index end) {
            for (Index plane = begin; plane < end; ++plane)
                take_plane_2x2(from + plane * b.pool.image_size(), codes.data() + plane * b.pool.output_size(), b.pool,
                               to + plane * b.pool.output_size());
        });
    });
    return y;
}

namespace {

Array spread(const Array& g, const ConvolutionBlock& b, const BlockCodes& codes) {
    Array full = Array::uninitialized(b.convolution.output_shape(g.shape(0)), g.dtype());
    dispatch(g.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T* const from = g.data<T>();
        T* const to = full.mutable_data<T>();
        const Index filters = b.convolution.filters, outputs = filters * b.pool.output_size();
        parallel_for(g.shape(0), samples_at_once(b), [&](Index begin, Index end) {
            spread(from + begin * outputs, codes.data() + begin * outputs, end - begin, b,
                   to + begin * filters * b.pool.image_size());
        });
    });
    return full;
}

}  // namespace

Array block_input(const Array& g, const Array& w, const ConvolutionBlock& b, const BlockCodes& codes) {
    return correlate_input(spread(g, b, codes), w, b.convolution);
}

Array block_kernel(const Array& x, const Array& g, const ConvolutionBlock& b, const BlockCodes& codes) {
    return correlate_kernel(x, spread(g, b, codes), b.convolution);
}

}  // namespace xtape::kernels
