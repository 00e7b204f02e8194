#include <xtape/autograd/kernels/convolution_winograd.hpp>

#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/autograd/kernels/partial_sums.hpp>

namespace xtape::kernels::winograd {

namespace {

Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }

void run(const Correlation& correlation, const float* x, float* y, Index samples, const Finish<float>& finish) {
    const Index group = correlation.group_rows(samples);
    parallel_for(samples * correlation.tile_rows(), group, [&](Index begin, Index end) {
        const Scratch<float> scratch(correlation.scratch_size(std::min(group, end - begin)));
        for (Index row = begin; row < end; row += group)
            correlation.run(x, y, {row, std::min(row + group, end)}, finish, scratch.data());
    });
}

}  // namespace

bool takes(const Convolution& c) {
    const Windows& v = c.windows;
    return v.kernel == Pair(3) && v.stride == Pair(1) && v.dilation == Pair(1) && c.groups == 1;
}

Index tile_count(Pair outputs, Tiling tiling) {
    const Index size = static_cast<Index>(tiling);
    return ceil_div(outputs.rows, size) * ceil_div(outputs.cols, size);
}

double products_per_output(Pair outputs, Tiling tiling) {
    const Index positions = (static_cast<Index>(tiling) + 2) * (static_cast<Index>(tiling) + 2);
    return static_cast<double>(positions * tile_count(outputs, tiling)) /
           static_cast<double>(outputs.rows * outputs.cols);
}

Tiling tiling_of(Pair outputs) {
    return products_per_output(outputs, Tiling::two) <= products_per_output(outputs, Tiling::four) ? Tiling::two
                                                                                                   : Tiling::four;
}

namespace {

// Sums of this many channels and filters stay in cache; transforming tiles anew for each such slice costs little.
constexpr Index slice_size = 128;

Span slice_of(Index i, Index slices, Index size) { return {size * i / slices, size * (i + 1) / slices}; }

}  // namespace

KernelSlices::KernelSlices(const Convolution& c, Tiling tiling)
    : convolution_(c),
      tiling_(tiling),
      channel_slices_(ceil_div(c.channels, slice_size)),
      filter_slices_(ceil_div(c.filters, slice_size)) {}

Span KernelSlices::filters(Index slice) const {
    return slice_of(slice % filter_slices_, filter_slices_, convolution_.filters);
}

KernelGradient KernelSlices::gradient(Index slice) const {
    return {convolution_, slice_of(slice / filter_slices_, channel_slices_, convolution_.channels), filters(slice),
            tiling_};
}

namespace {

constexpr const char *by_two = "filters for Winograd's F(2x2, 3x3)", *by_four = "filters for Winograd's F(4x4, 3x3)";

/// Filters that one thread works on at a time.
constexpr Index filter_slice = 2 * vector_lanes<float>;

Convolution with_filters(Convolution c, Index filters) {
    c.filters = filters;
    return c;
}

/// w's slices, each transformed by itself, in rows; kept with w until that is written.
Array transformed_slices(const Array& w, const Convolution& c, Tiling tiling) {
    const char* const name = tiling == Tiling::two ? by_two : by_four;
    if (Array kept = w.derived(name)) return kept;
    const Index size = transformed_size(KernelMatrix::of(with_filters(c, std::min(filter_slice, c.filters))), tiling);
    Array u = Array::uninitialized({ceil_div(c.filters, filter_slice), size}, float32);
    float* const to = u.mutable_data<float>();
    parallel_for(c.filters, filter_slice, [&](Index begin, Index end) {
        transform_filters(w.data<float>() + begin * c.depth(), KernelMatrix::of(with_filters(c, end - begin)), tiling,
                          to + begin / filter_slice * size);
    });
    w.keep_derived(name, u);
    return u;
}

/// Few tiles: to each thread some filters, which it finds in its own cache; that all transform the same tiles costs less than
/// filters that come from another thread.
void run_by_filters(const float* x, const Array& w, float* y, Index samples, const Convolution& c,
                    const Finish<float>& finish, Tiling tiling) {
    const Array u = transformed_slices(w, c, tiling);
    const Index image = c.channels * c.windows.image_size(), plane = c.windows.output_size();
    parallel_for(c.filters, filter_slice, [&](Index begin, Index end) {
        const Transformed slice{u.data<float>() + begin / filter_slice * u.shape(1)};
        const auto correlation = Correlation::of(slice, with_filters(c, end - begin), tiling);
        const Finish<float> their(finish.bias ? finish.bias + begin : nullptr, finish.relu);
        const Index rows = correlation.tile_rows();
        const Scratch<float> scratch(correlation.scratch_size(rows));
        for (Index sample = 0; sample < samples; ++sample)
            correlation.run(x + sample * image, y + (sample * c.filters + begin) * plane, {0, rows}, their,
                            scratch.data());
    });
}

}  // namespace

void correlate(const float* x, const Array& w, float* y, Index samples, const Convolution& c,
               const Finish<float>& finish, Tiling tiling) {
    constexpr Index few_tiles = 16;
    if (samples * tile_count(c.windows.outputs, tiling) <= few_tiles)
        run_by_filters(x, w, y, samples, c, finish, tiling);
    else
        run(Correlation::of(w.data<float>(), c, tiling), x, y, samples, finish);
}

void correlate_input(const float* g, const float* w, float* dx, Index samples, const Convolution& c, Tiling tiling) {
    run(Correlation::adjoint_of(w, c, tiling), g, dx, samples, {});
}

void correlate_kernel(const float* x, const float* g, float* dw, Index samples, const Convolution& c, Tiling tiling) {
    constexpr Index most_parts = 16;
    const KernelSlices all(c, tiling);
    const Index slices = all.count();
    const KernelGradient first = all.gradient(0);
    const Index rows = samples * first.tile_rows(), group = std::min(first.group_rows(), rows);
    const Index groups = ceil_div(rows, group), wanted = std::min(groups, std::max<Index>(4, most_parts / slices));
    const Index part_rows = ceil_div(groups, wanted) * group;
    const Index parts = ceil_div(rows, part_rows), size = c.kernel_shape().count();
    const Scratch<float> partial(parts > 1 ? parts * size : 0);
    float* const partials = parts > 1 ? partial.data() : dw;

    parallel_for(parts * slices, 1, [&](Index begin, Index end) {
        for (Index task = begin; task < end; ++task) {
            const KernelGradient g_slice = all.gradient(task % slices);
            const Index part = task / slices, last = std::min(rows, (part + 1) * part_rows);
            const Scratch<float> sum(g_slice.sum_size()), scratch(g_slice.scratch_size(group));
            for (Index row = part * part_rows; row < last; row += group)
                g_slice.add(x, g, {row, std::min(row + group, last)}, row == part * part_rows, sum.data(),
                            scratch.data());
            g_slice.finish(sum.data(), partials + part * size);
        }
    });
    if (parts > 1) sum_parts(partials, parts, size, dw);
}

}  // namespace xtape::kernels::winograd
