#include <array>

#include <xtape/autograd/kernels/convolution_direct.hpp>
#include <xtape/autograd/kernels/convolution_direct_tasks.hpp>
#include <xtape/autograd/kernels/max_pool_2x2.hpp>

namespace xtape::kernels::direct {

namespace {

constexpr Index tile_filters = vector_registers == 32 ? 2 : 1;
constexpr std::size_t tile_vectors = 2;

/// The images of one sample with zeros around them, each as four: rows and columns of even and of odd number. So what neighbouring
/// windows see under one tap is contiguous.
class ParityImages {
public:
    explicit ParityImages(const Convolution& c)
        : v_(c.windows),
          rows_(v_.outputs.rows / 2 + v_.kernel.rows / 2),
          width_(round_up(v_.outputs.cols / 2, lanes) + v_.kernel.cols / 2),
          images_(c.channels * 4 * rows_ * width_) {
        std::fill_n(images_.data(), c.channels * 4 * rows_ * width_, 0.0F);
    }

    void fill(const float* x, Index channels) {
        for (Index image = 0; image < channels * 4; ++image) {
            const float* from = x + image / 4 * v_.image_size();
            const Index top = image / 2 % 2 - v_.padding.rows, left = image % 2 - v_.padding.cols;
            const Span rows = outputs_inside(v_.image.rows, rows_, 2, top);
            const Span columns = outputs_inside(v_.image.cols, width_, 2, left);
            for (Index i = rows.first; i < rows.last; ++i) {
                const float* row = from + (2 * i + top) * v_.image.cols + left;
                float* to = images_.data() + (image * rows_ + i) * width_;
                for (Index j = columns.first; j < columns.last; ++j) to[j] = row[2 * j];
            }
        }
    }

    Index size() const { return rows_ * width_; }
    Index width() const { return width_; }
    const float* data() const { return images_.data(); }

private:
    const Windows& v_;
    Index rows_, width_;
    Scratch<float> images_;
};

/// Sums of the four outputs in each window: [vector][filter][row][column].
using Sums = std::array<std::array<std::array<std::array<Vector<float>, 2>, 2>, tile_filters>, tile_vectors>;
using Places = std::array<Index, tile_vectors>;

/// What row `a` of the windows' pixels gives: to their upper outputs under the kernel row `upper`, to their lower outputs under
/// `lower`, the row before.
template <Index kernel_width, bool to_upper, bool to_lower>
void add_row(Sums& sums, const float* even, const float* odd, const Places& places, const float* upper,
             const float* lower) {
#pragma GCC unroll 8
    for (Index b = 0; b <= kernel_width; ++b) {
        Vector<float> seen[tile_vectors];
#pragma GCC unroll 2
        for (std::size_t i = 0; i < tile_vectors; ++i)
            seen[i] = load_vector((b % 2 == 0 ? even : odd) + places[i] + b / 2);
        const auto add = [&](const float* weights, Index tap, std::size_t row, std::size_t column) {
#pragma GCC unroll 2
            for (std::size_t f = 0; f < tile_filters; ++f) {
                const Vector<float> weight = broadcast_vector(weights[tap * tile_filters + static_cast<Index>(f)]);
#pragma GCC unroll 2
                for (std::size_t i = 0; i < tile_vectors; ++i) sums[i][f][row][column] += weight * seen[i];
            }
        };
        if (to_upper && b < kernel_width) add(upper, b, 0, 0);
        if (to_upper && b > 0) add(upper, b - 1, 0, 1);
        if (to_lower && b < kernel_width) add(lower, b, 1, 0);
        if (to_lower && b > 0) add(lower, b - 1, 1, 1);
    }
}

template <Index kernel_width>
void add_taps(Sums& sums, const ParityImages& images, const Places& places, const Convolution& c, const float* w) {
    const Index last = c.windows.kernel.rows;
    for (Index channel = 0; channel < c.channels; ++channel) {
        for (Index a = 0; a <= last; ++a) {
            const float* even = images.data() + (channel * 4 + a % 2 * 2) * images.size() + a / 2 * images.width();
            const float* odd = even + images.size();
            const float* upper = w + (channel * last + a) * kernel_width * tile_filters;
            const float* lower = upper - kernel_width * tile_filters;
            if (a == 0)
                add_row<kernel_width, true, false>(sums, even, odd, places, upper, lower);
            else if (a < last)
                add_row<kernel_width, true, true>(sums, even, odd, places, upper, lower);
            else
                add_row<kernel_width, false, true>(sums, even, odd, places, upper, lower);
        }
    }
}

struct Maxima {
    typedef std::int32_t Places __attribute__((vector_size(vector_bytes)));
    typedef std::uint8_t Codes __attribute__((vector_size(vector_bytes / sizeof(float))));

    Vector<float> best;
    Codes codes;

    /// Of the four sums in a window.
    explicit Maxima(const std::array<std::array<Vector<float>, 2>, 2>& sums) : best(sums[0][0]) {
        Places places{};
        const auto take = [&](const Vector<float>& v, std::int32_t place) {
            const Places wins = beats(v, best);
            best = wins ? v : best;
            places = wins ? Places{} + place : places;
        };
        take(sums[0][1], 1);
        take(sums[1][0], 2);
        take(sums[1][1], 3);
        const Vector<float> zero{};
        codes = __builtin_convertvector(best > zero ? places : Places{} + dead_code, Codes);
        best = best <= zero ? zero : best;  // NaN stays
    }
};

/// The sums before the first tap: the bias of each filter.
Sums begin_sums(const float* bias, Index filters) {
    Sums sums;
#pragma GCC unroll 2
    for (std::size_t f = 0; f < tile_filters; ++f) {
        const bool there = bias && static_cast<Index>(f) < filters;
        const Vector<float> first = broadcast_vector(there ? bias[f] : 0.0F);
#pragma GCC unroll 2
        for (std::size_t i = 0; i < tile_vectors; ++i) sums[i][f] = {{{first, first}, {first, first}}};
    }
    return sums;
}

/// Some filters, at most a tile of them, over all windows of a sample.
template <Index kernel_width>
void pooled_filters(const ParityImages& images, const float* w, const float* bias, float* y, std::uint8_t* codes,
                    Index filters, const Convolution& c) {
    const RowVectors outputs{c.windows.outputs.rows / 2, c.windows.outputs.cols / 2};
    const Index plane = outputs.rows * outputs.columns;
    for (Index begin = 0; begin < outputs.count(); begin += tile_vectors) {
        Sums sums = begin_sums(bias, filters);
        Places places;
        std::array<Index, tile_vectors> number;
        for (std::size_t i = 0; i < tile_vectors; ++i) {
            number[i] = std::min(begin + static_cast<Index>(i), outputs.count() - 1);  // the last may be done twice
            places[i] = outputs.row(number[i]) * images.width() + outputs.column(number[i]);
        }
        add_taps<kernel_width>(sums, images, places, c, w);
#pragma GCC unroll 2
        for (std::size_t f = 0; f < tile_filters; ++f) {
            const Index filter = static_cast<Index>(f);
            if (filter >= filters) break;
#pragma GCC unroll 2
            for (std::size_t i = 0; i < tile_vectors; ++i) {
                const Maxima maxima(sums[i][f]);
                outputs.store(y + filter * plane, number[i], maxima.best);
                if (codes) outputs.store(codes + filter * plane, number[i], maxima.codes);
            }
        }
    }
}

template <Index kernel_width>
void correlate_wide(const float* x, const float* w, const float* bias, float* y, std::uint8_t* codes, Index samples,
                    const Convolution& c) {
    const Index image = c.channels * c.windows.image_size();
    const Index windows = (c.windows.outputs.rows / 2) * (c.windows.outputs.cols / 2), result = c.filters * windows;
    const Tasks tasks(samples, c, tile_filters);
    const FilterBlocks blocks(w, c, tile_filters);
    parallel_for(samples * tasks.parts, tasks.grain, [&](Index begin, Index end) {
        ParityImages images(c);
        for (Index task = begin; task < end; ++task) {
            const Index sample = task / tasks.parts, part = task % tasks.parts;
            images.fill(x + sample * image, c.channels);
            const Index last = std::min(c.filters, (part + 1) * tasks.filters);
            for (Index f = part * tasks.filters; f < last; f += tile_filters) {
                const Index offset = sample * result + f * windows;
                pooled_filters<kernel_width>(images, blocks.from(f), bias ? bias + f : nullptr, y + offset,
                                             codes ? codes + offset : nullptr, std::min(tile_filters, last - f), c);
            }
        }
    });
}

}  // namespace

void correlate_pooled(const float* x, const float* w, const float* bias, float* y, std::uint8_t* codes, Index samples,
                      const Convolution& c) {
    const Index width = c.windows.kernel.cols;
    const auto run = width == 3 ? correlate_wide<3> : width == 5 ? correlate_wide<5> : correlate_wide<7>;
    run(x, w, bias, y, codes, samples, c);
}

}  // namespace xtape::kernels::direct
