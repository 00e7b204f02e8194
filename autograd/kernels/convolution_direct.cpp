#include <xtape/autograd/kernels/convolution_direct.hpp>

#include <array>

#include <xtape/autograd/kernels/convolution_direct_tasks.hpp>

namespace xtape::kernels::direct {

bool takes(const Convolution& c) {
    const Windows& v = c.windows;
    const Index width = v.kernel.cols;
    return c.groups == 1 && c.channels <= 4 && v.stride == Pair(1) && v.dilation == Pair(1) && v.kernel.rows <= 7 &&
           (width == 3 || width == 5 || width == 7) && 2 * v.outputs.cols >= lanes;
}

namespace {

constexpr Index tile_filters = 4;
constexpr Index tile_vectors = vector_registers == 32 ? 4 : 2;

using Sums = std::array<std::array<Vector<float>, tile_filters>, tile_vectors>;
using Places = std::array<const float*, tile_vectors>;

template <Index kernel_width>
void add_taps(Sums& sums, Places at, const PaddedImages& images, const Convolution& c, const float* w) {
    for (Index channel = 0; channel < c.channels; ++channel) {
        for (Index r = 0; r < c.windows.kernel.rows; ++r, w += kernel_width * tile_filters) {
            const Index offset = channel * images.channel_stride() + r * images.width();
#pragma GCC unroll 8
            for (Index s = 0; s < kernel_width; ++s) {
                Vector<float> seen[tile_vectors];
#pragma GCC unroll 4
                for (std::size_t i = 0; i < tile_vectors; ++i) seen[i] = load_vector(at[i] + offset + s);
#pragma GCC unroll 4
                for (std::size_t f = 0; f < tile_filters; ++f) {
                    const Vector<float> weight = broadcast_vector(w[s * tile_filters + static_cast<Index>(f)]);
#pragma GCC unroll 4
                    for (std::size_t i = 0; i < tile_vectors; ++i) sums[i][f] += weight * seen[i];
                }
            }
        }
    }
}

/// Some filters over all outputs of a sample.
template <Index kernel_width>
void correlate_filters(const PaddedImages& images, const float* w, float* y, Index first, Index filters,
                       const Convolution& c, const Finish<float>& finish) {
    const RowVectors outputs{c.windows.outputs.rows, c.windows.outputs.cols};
    const Index plane = c.windows.output_size();
    for (Index begin = 0; begin < outputs.count(); begin += tile_vectors) {
        Sums sums{};
        Places at;
        std::array<Index, tile_vectors> number;
        for (std::size_t i = 0; i < tile_vectors; ++i) {
            number[i] = std::min(begin + static_cast<Index>(i), outputs.count() - 1);  // the last may be done twice
            at[i] = images.at(outputs.row(number[i]), outputs.column(number[i]));
        }
        add_taps<kernel_width>(sums, at, images, c, w);
        for (std::size_t f = 0; f < static_cast<std::size_t>(filters); ++f) {
            const Index filter = first + static_cast<Index>(f);
            for (std::size_t i = 0; i < tile_vectors; ++i)
                outputs.store(y + filter * plane, number[i], finish.applied(sums[i][f], filter));
        }
    }
}

template <Index kernel_width>
void correlate_wide(const float* x, const float* w, float* y, Index samples, const Convolution& c,
                    const Finish<float>& finish) {
    const Index plane = c.windows.output_size(), image = c.channels * c.windows.image_size();
    const Tasks tasks(samples, c, tile_filters);
    const FilterBlocks blocks(w, c, tile_filters);
    parallel_for(samples * tasks.parts, tasks.grain, [&](Index begin, Index end) {
        PaddedImages images(c);
        for (Index task = begin; task < end; ++task) {
            const Index sample = task / tasks.parts, part = task % tasks.parts;
            images.fill(x + sample * image, c.channels);
            const Index last = std::min(c.filters, (part + 1) * tasks.filters);
            for (Index f = part * tasks.filters; f < last; f += tile_filters)
                correlate_filters<kernel_width>(images, blocks.from(f), y + sample * c.filters * plane, f,
                                                std::min(tile_filters, last - f), c, finish);
        }
    });
}

}  // namespace

void correlate(const float* x, const float* w, float* y, Index samples, const Convolution& c,
               const Finish<float>& finish) {
    const Index width = c.windows.kernel.cols;
    const auto run = width == 3 ? correlate_wide<3> : width == 5 ? correlate_wide<5> : correlate_wide<7>;
    run(x, w, y, samples, c, finish);
}

}  // namespace xtape::kernels::direct
