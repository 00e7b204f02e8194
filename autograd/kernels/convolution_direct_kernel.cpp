#include <cstring>

#include <xtape/autograd/kernels/convolution_direct.hpp>
#include <xtape/autograd/kernels/convolution_direct_tasks.hpp>

namespace xtape::kernels::direct {

namespace {

/// What the outputs of some rows see, tap after tap in vector lanes: an element of the gradient times its patch is all that it adds
/// to dw. `scale` is 2 where g is that of 2 x 2 maxima: then there is a plane of patches for each place in a window, and a last one
/// of zeros, for gradients that go nowhere.
class Patches {
public:
    Patches(const Convolution& c, Index scale)
        : c_(c),
          scale_(scale),
          columns_(c.windows.outputs.cols / scale),
          width_(round_up(c.depth(), lanes)),
          most_rows_(std::clamp<Index>(6000 / (places() * columns_ * width_), 1, c.windows.outputs.rows / scale)),
          patches_((places() + 1) * plane()) {
        std::fill_n(patches_.data(), (places() + 1) * plane(), 0.0F);
    }

    /// For rows [first, first + rows) of g.
    void fill(const PaddedImages& images, Index first, Index rows) {
        for (Index place = 0; place < places(); ++place)
            for (Index i = 0; i < rows; ++i)
                for (Index j = 0; j < columns_; ++j)
                    fill_one(images.at(scale_ * (first + i) + place / scale_, scale_ * j + place % scale_), images,
                             patches_.data() + place * plane() + (i * columns_ + j) * width_);
    }

    Index places() const { return scale_ * scale_; }
    Index most_rows() const { return most_rows_; }
    Index columns() const { return columns_; }
    Index width() const { return width_; }
    Index plane() const { return most_rows_ * columns_ * width_ + round_up(copied, lanes); }  // all aligned
    const float* data() const { return patches_.data(); }

private:
    /// Copies `copied` elements for each row of the kernel; those too many are overwritten by the next, or lie where no tap is.
    void fill_one(const float* from, const PaddedImages& images, float* to) const {
        const Pair kernel = c_.windows.kernel;
        for (Index channel = 0; channel < c_.channels; ++channel)
            for (Index r = 0; r < kernel.rows; ++r, to += kernel.cols)
                std::memcpy(to, from + channel * images.channel_stride() + r * images.width(), copied * sizeof(float));
    }

    const Convolution& c_;
    Index scale_, columns_, width_, most_rows_;
    Scratch<float> patches_;
};

/// A gradient of filters with `stride` elements each; `codes`, if there are any, name the places that the elements go to.
struct Gradient {
    const float* g;
    const std::uint8_t* codes;
    Index stride;

    Gradient from(Index filter, Index element) const {
        const Index offset = filter * stride + element;
        return {g + offset, codes ? codes + offset : nullptr, stride};
    }
};

/// Adds what `count` elements of each of some filters give to `vectors` vectors of their rows of dw.
template <Index filters, Index vectors, bool coded>
void add_tile(const Gradient& gradient, Index count, const float* patch, Index width, Index plane, float* dw) {
    Vector<float> sums[filters][vectors];
    const float* g[filters];
    const std::uint8_t* codes[filters];
#pragma GCC unroll 8
    for (Index f = 0; f < filters; ++f) {
        g[f] = gradient.from(f, 0).g;
        codes[f] = gradient.from(f, 0).codes;
#pragma GCC unroll 4
        for (Index i = 0; i < vectors; ++i) sums[f][i] = load_vector(dw + f * width + i * lanes);
    }
    for (Index o = 0; o < count; ++o, patch += width) {
#pragma GCC unroll 8
        for (Index f = 0; f < filters; ++f) {
            const float* seen = coded ? patch + codes[f][o] * plane : patch;
            const Vector<float> element = broadcast_vector(g[f][o]);
#pragma GCC unroll 4
            for (Index i = 0; i < vectors; ++i) sums[f][i] += element * load_vector(seen + i * lanes);
        }
    }
#pragma GCC unroll 8
    for (Index f = 0; f < filters; ++f) {
#pragma GCC unroll 4
        for (Index i = 0; i < vectors; ++i) store_vector(dw + f * width + i * lanes, sums[f][i]);
    }
}

template <Index vectors, bool coded>
void add_filters(const Gradient& gradient, Index filters, Index count, const Patches& patches, Index column,
                 float* dw) {
    constexpr Index tile = vectors * 8 <= vector_registers       ? (coded ? 4 : 8)
                           : vectors * 4 <= vector_registers / 2 ? 4
                                                                 : 2;
    const float* patch = patches.data() + column;
    const Index width = patches.width(), plane = patches.plane();
    Index f = 0;
    for (; f + tile <= filters; f += tile)
        add_tile<tile, vectors, coded>(gradient.from(f, 0), count, patch, width, plane, dw + f * width + column);
    for (; f < filters; ++f)
        add_tile<1, vectors, coded>(gradient.from(f, 0), count, patch, width, plane, dw + f * width + column);
}

/// Adds what one sample gives to dw (filters, width), which has the width of the patches.
template <bool coded>
void add_sample(const PaddedImages& images, Patches& patches, const Gradient& gradient, Index filters, Index rows,
                float* dw) {
    for (Index first = 0; first < rows; first += patches.most_rows()) {
        const Index some = std::min(patches.most_rows(), rows - first), count = some * patches.columns();
        patches.fill(images, first, some);
        const Gradient part = gradient.from(0, first * patches.columns());
        for (Index column = 0; column < patches.width(); column += 4 * lanes) {
            constexpr decltype(&add_filters<1, coded>) by_width[] = {add_filters<1, coded>, add_filters<2, coded>,
                                                                     add_filters<3, coded>, add_filters<4, coded>};
            const Index vectors = std::min<Index>(4, (patches.width() - column) / lanes);
            by_width[vectors - 1](part, filters, count, patches, column, dw);
        }
    }
}

/// Samples are added up in at most 32 parts, and these in order.
template <bool coded>
void sum_samples(const float* x, const float* g, const std::uint8_t* codes, float* dw, Index samples,
                 const Convolution& c) {
    constexpr Index scale = coded ? 2 : 1;
    const Index rows = c.windows.outputs.rows / scale, outputs = rows * (c.windows.outputs.cols / scale);
    const Index width = round_up(c.depth(), lanes), size = c.filters * width;
    const Index in_part = (samples + 31) / 32, parts = (samples + in_part - 1) / in_part;
    const Scratch<float> sums(parts * size);
    parallel_for(parts, 1, [&](Index begin, Index end) {
        PaddedImages images(c);
        Patches patches(c, scale);
        for (Index part = begin; part < end; ++part) {
            float* sum = sums.data() + part * size;
            std::fill_n(sum, size, 0.0F);
            for (Index sample = part * in_part; sample < std::min(samples, (part + 1) * in_part); ++sample) {
                images.fill(x + sample * c.channels * c.windows.image_size(), c.channels);
                const Gradient gradient = Gradient{g, codes, outputs}.from(sample * c.filters, 0);
                add_sample<coded>(images, patches, gradient, c.filters, rows, sum);
            }
        }
    });
    for (Index filter = 0; filter < c.filters; ++filter, dw += c.depth()) {
        std::copy_n(sums.data() + filter * width, c.depth(), dw);
        for (Index part = 1; part < parts; ++part)
            for (Index i = 0; i < c.depth(); ++i) dw[i] += sums.data()[part * size + filter * width + i];
    }
}

}  // namespace

void correlate_kernel(const float* x, const float* g, float* dw, Index samples, const Convolution& c) {
    sum_samples<false>(x, g, nullptr, dw, samples, c);
}

void correlate_kernel_pooled(const float* x, const float* g, const std::uint8_t* codes, float* dw, Index samples,
                             const Convolution& c) {
    sum_samples<true>(x, g, codes, dw, samples, c);
}

}  // namespace xtape::kernels::direct
