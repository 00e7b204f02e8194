#include <xtape/autograd/kernels/convolution_block.hpp>
#include <xtape/autograd/kernels/max_pool_2x2.hpp>
#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/autograd/kernels/vector.hpp>

namespace xtape::kernels {

namespace {

// The sum of the living elements of a plane, in an order that depends on their number alone.
template <class T>
T living_sum(const T* g, const std::uint8_t* codes, Index n) {
    constexpr Index lanes = vector_lanes<T>;
    Vector<T> sum{};
    Index i = 0;
    for (; i + lanes <= n; i += lanes) sum += load_bytes<T>(codes + i) == dead_code ? Vector<T>{} : load_vector(g + i);
    T total = 0;
    for (; i < n; ++i) total += codes[i] == dead_code ? T(0) : g[i];
    for (Index lane = 0; lane < lanes; ++lane) total += sum[lane];
    return total;
}

}  // namespace

Array block_bias(const Array& g, const BlockCodes& codes) {
    const Index samples = g.shape(0), filters = g.shape(1), plane = g.shape(2) * g.shape(3);
    Array sums = Array::uninitialized({filters}, g.dtype());
    dispatch(g.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T* const from = g.data<T>();
        T* const to = sums.mutable_data<T>();
        const Scratch<T> planes(samples * filters);
        const Index grain = std::max<Index>(1, 65'536 / std::max<Index>(1, plane));
        parallel_for(samples * filters, grain, [&](Index begin, Index end) {
            for (Index i = begin; i < end; ++i)
                planes.data()[i] = living_sum(from + i * plane, codes.data() + i * plane, plane);
        });
        for (Index filter = 0; filter < filters; ++filter) {
            double sum = 0;
            for (Index i = 0; i < samples; ++i) sum += static_cast<double>(planes.data()[i * filters + filter]);
            to[filter] = static_cast<T>(sum);
        }
    });
    return sums;
}

Array block_bias_spread(const Array& bias, const Shape& shape, const BlockCodes& codes) {
    const Index filters = shape[1], plane = shape[2] * shape[3];
    Array y = Array::uninitialized(shape, bias.dtype());
    dispatch(bias.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T* const from = bias.data<T>();
        T* const to = y.mutable_data<T>();
        parallel_for(shape[0] * filters, 16, [&](Index begin, Index end) {
            for (Index i = begin; i < end; ++i)
                for (Index j = i * plane; j < (i + 1) * plane; ++j)
                    to[j] = codes.data()[j] == dead_code ? T(0) : from[i % filters];
        });
    });
    return y;
}

}  // namespace xtape::kernels
