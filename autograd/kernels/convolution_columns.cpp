#include <xtape/autograd/kernels/convolution_columns.hpp>

#include <xtape/autograd/kernels/gemm.hpp>
#include <xtape/autograd/kernels/im2col.hpp>
#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/autograd/kernels/partial_sums.hpp>
#include <xtape/autograd/kernels/scratch.hpp>

namespace xtape::kernels::columns {

namespace {

Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }

// The largest piece of at most `wanted` when `size` is cut into pieces as equal as can be.
Index even_piece(Index size, Index wanted) {
    const Index pieces = ceil_div(size, std::clamp<Index>(wanted, 1, size));
    return ceil_div(size, pieces);
}

Span piece(Index i, Index length, Index size) { return {i * length, std::min((i + 1) * length, size)}; }

/// How the products are cut: output rows (n), filters (m) and channels (k, times the taps).
struct Blocks {
    // OpenBLAS multiplies without packing up to this m n k, where it has such a path; columns should stay in L2.
    static constexpr Index product = 1'000'000;
    static constexpr Index column_elements = 32'768;

    Index rows;
    Index filters;
    Index channels;
    Index row_blocks;
    Index channel_blocks;

    Blocks(const Convolution& c, Index samples) {
        const Windows& v = c.windows;
        filters = even_piece(c.group_filters(), 64);
        const Index depth = std::min(c.depth(), std::max<Index>(72, v.taps()));
        const Index positions = std::min<Index>(1024, product / (filters * depth));
        rows = even_piece(v.outputs.rows, positions / v.outputs.cols);
        while (samples * c.groups * ceil_div(v.outputs.rows, rows) < 8 && rows > 1 && rows * v.outputs.cols >= 128)
            rows = ceil_div(rows, 2);
        const Index n = rows * v.outputs.cols;
        const Index most = std::min(product / (filters * n), column_elements / n);
        channels = even_piece(c.group_channels(), most / v.taps());
        row_blocks = ceil_div(v.outputs.rows, rows);
        channel_blocks = ceil_div(c.group_channels(), channels);
    }

    Index largest_columns(const Windows& v) const { return channels * v.taps() * rows * v.outputs.cols; }
};

// Tasks of at least a million multiplications.
Index grain(Index multiplications) { return std::max<Index>(1, (Index{1} << 20) / multiplications); }

// The columns of some channels; those of a pointwise convolution are the image itself.
template <class T>
Factor<T> columns_of(const T* images, Index channels, const Windows& v, Span rows, T* scratch) {
    if (v.pointwise()) return {images + rows.first * v.image.cols, v.image_size()};
    im2col(images, channels, v, rows, scratch);
    return {scratch, rows.size() * v.outputs.cols};
}

}  // namespace

template <class T>
void correlate(const T* x, const T* w, T* y, Index samples, const Convolution& c, const Finish<T>& finish) {
    const Windows& v = c.windows;
    const Blocks blocks(c, samples);
    const Index plane = v.output_size(), depth = c.depth();
    const Index unit_work = c.group_filters() * blocks.rows * v.outputs.cols * depth;
    parallel_for(samples * c.groups * blocks.row_blocks, grain(unit_work), [&](Index begin, Index end) {
        const Scratch<T> scratch(blocks.largest_columns(v));
        for (Index unit = begin; unit < end; ++unit) {
            const Index image_group = unit / blocks.row_blocks, group = image_group % c.groups;
            const Span rows = piece(unit % blocks.row_blocks, blocks.rows, v.outputs.rows);
            const T* images = x + image_group * c.group_channels() * v.image_size();
            const T* filters = w + group * c.group_filters() * depth;
            T* out = y + image_group * c.group_filters() * plane + rows.first * v.outputs.cols;
            for (Index j = 0; j < blocks.channel_blocks; ++j) {
                const Span channels = piece(j, blocks.channels, c.group_channels());
                const auto columns =
                    columns_of(images + channels.first * v.image_size(), channels.size(), v, rows, scratch.data());
                for (Index f = 0; f < c.group_filters(); f += blocks.filters)
                    gemm(std::min(blocks.filters, c.group_filters() - f), rows.size() * v.outputs.cols,
                         channels.size() * v.taps(), Factor<T>{filters + f * depth + channels.first * v.taps(), depth},
                         columns, out + f * plane, plane, j > 0);
            }
            for (Index f = 0; f < c.group_filters(); ++f)
                finish.apply(out + f * plane, rows.size() * v.outputs.cols, group * c.group_filters() + f);
        }
    });
}

template <class T>
void correlate_input(const T* g, const T* w, T* dx, Index samples, const Convolution& c) {
    const Windows& v = c.windows;
    const Blocks blocks(c, samples);
    const Index plane = v.output_size(), depth = c.depth();
    const Index unit_work = c.group_filters() * plane * blocks.channels * v.taps();
    parallel_for(samples * c.groups * blocks.channel_blocks, grain(unit_work), [&](Index begin, Index end) {
        const Scratch<T> scratch(blocks.largest_columns(v));
        for (Index unit = begin; unit < end; ++unit) {
            const Index image_group = unit / blocks.channel_blocks, group = image_group % c.groups;
            const Span channels = piece(unit % blocks.channel_blocks, blocks.channels, c.group_channels());
            const T* filters = w + group * c.group_filters() * depth + channels.first * v.taps();
            const T* gradients = g + image_group * c.group_filters() * plane;
            T* images = dx + (image_group * c.group_channels() + channels.first) * v.image_size();
            std::fill_n(images, channels.size() * v.image_size(), T(0));
            for (Index i = 0; i < blocks.row_blocks; ++i) {
                const Span rows = piece(i, blocks.rows, v.outputs.rows);
                const Index n = rows.size() * v.outputs.cols;
                for (Index f = 0; f < c.group_filters(); f += blocks.filters)
                    gemm(channels.size() * v.taps(), n, std::min(blocks.filters, c.group_filters() - f),
                         Factor<T>{filters + f * depth, depth, true},
                         Factor<T>{gradients + f * plane + rows.first * v.outputs.cols, plane}, scratch.data(), n,
                         f > 0);
                col2im(scratch.data(), channels.size(), v, rows, images);
            }
        }
    });
}

template <class T>
void correlate_kernel(const T* x, const T* g, T* dw, Index samples, const Convolution& c) {
    const Windows& v = c.windows;
    const Blocks blocks(c, samples);
    const Index plane = v.output_size(), depth = c.depth(), size = c.filters * depth;
    // Few parts where dw is large: there the channel blocks alone give enough tasks.
    constexpr Index most_elements = Index{1} << 22;
    const Index units = samples * blocks.row_blocks;
    const Index part_units = ceil_div(units, std::clamp<Index>(most_elements / size, 1, 32));
    const Index parts = ceil_div(units, part_units);
    const Index slices = c.groups * blocks.channel_blocks;
    const Scratch<T> sums(parts > 1 ? parts * size : 0);
    T* const totals = parts > 1 ? sums.data() : dw;
    const Index task_work = c.group_filters() * blocks.rows * v.outputs.cols * blocks.channels * v.taps() * part_units;

    parallel_for(parts * slices, grain(task_work), [&](Index begin, Index end) {
        const Scratch<T> scratch(blocks.largest_columns(v));
        for (Index task = begin; task < end; ++task) {
            const Index part = task / slices, group = task % slices / blocks.channel_blocks;
            const Span channels = piece(task % blocks.channel_blocks, blocks.channels, c.group_channels());
            const Index k = channels.size() * v.taps();
            const Span part_span = piece(part, part_units, units);
            T* out = totals + part * size + group * c.group_filters() * depth + channels.first * v.taps();
            for (Index unit = part_span.first; unit < part_span.last; ++unit) {
                const Index image_group = unit / blocks.row_blocks * c.groups + group;
                const Span rows = piece(unit % blocks.row_blocks, blocks.rows, v.outputs.rows);
                const T* images = x + (image_group * c.group_channels() + channels.first) * v.image_size();
                const T* gradients = g + image_group * c.group_filters() * plane + rows.first * v.outputs.cols;
                const auto columns = columns_of(images, channels.size(), v, rows, scratch.data());
                for (Index f = 0; f < c.group_filters(); f += blocks.filters)
                    gemm(std::min(blocks.filters, c.group_filters() - f), k, rows.size() * v.outputs.cols,
                         Factor<T>{gradients + f * plane, plane}, columns.turned(), out + f * depth, depth,
                         unit > part_span.first);
            }
        }
    });
    if (parts > 1) sum_parts(totals, parts, size, dw);
}

Convolution turned(const Convolution& c) { return {c.filters, c.channels, c.groups, c.windows.turned()}; }

template <class T>
void turn_kernel(const T* w, T* turned_w, const Convolution& c) {
    const Index taps = c.windows.taps(), channels = c.group_channels(), filters = c.group_filters();
    for (Index group = 0; group < c.groups; ++group) {
        for (Index channel = 0; channel < channels; ++channel) {
            for (Index filter = 0; filter < filters; ++filter, turned_w += taps) {
                const T* from = w + ((group * filters + filter) * channels + channel) * taps;
                std::reverse_copy(from, from + taps, turned_w);
            }
        }
    }
}

template void correlate(const float*, const float*, float*, Index, const Convolution&, const Finish<float>&);
template void correlate(const double*, const double*, double*, Index, const Convolution&, const Finish<double>&);
template void correlate_input(const float*, const float*, float*, Index, const Convolution&);
template void correlate_input(const double*, const double*, double*, Index, const Convolution&);
template void correlate_kernel(const float*, const float*, float*, Index, const Convolution&);
template void correlate_kernel(const double*, const double*, double*, Index, const Convolution&);
template void turn_kernel(const float*, float*, const Convolution&);
template void turn_kernel(const double*, double*, const Convolution&);

}  // namespace xtape::kernels::columns
