#include "window_reference.hpp"

#include <array>
#include <limits>
#include <thread>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/kernels/convolution_winograd.hpp>
#include <xtape/autograd/random.hpp>
#include <xtape/autograd/storage.hpp>
#include <xtape/autograd/strict.hpp>
#include <xtape/autograd/threads.hpp>

/// Winograd's way against the generic one in float64, which window_convolution.cpp tests against plain loops.
using namespace xtape;
using namespace xtape::window_reference;
using kernels::Convolution;
using kernels::winograd::Tiling;

namespace {

struct Case {
    Index samples, channels, filters;
    Pair image;
    Padding padding = 1;

    Convolution convolution() const {
        const Pair outputs(image.rows + padding.top() + padding.bottom() - 2,
                           image.cols + padding.left() + padding.right() - 2);
        return {channels, filters, 1, {image, 3, 1, 1, Pair(padding.top(), padding.left()), outputs}};
    }
    bool empty() const { return convolution().windows.outputs.rows <= 0 || convolution().windows.outputs.cols <= 0; }
    std::string name() const {
        const Layout layout{3, 1, padding, 1};
        return to_string(convolution().image_shape(samples)) + " to " + std::to_string(filters) + " " + layout.name();
    }
};

Array normal(const Shape& shape, std::uint64_t seed) {
    Generator generator(seed);
    return xtape::random::normal(shape, 0, 1, generator);
}

struct Faces {
    Array y, dx, dw;
};

struct Operands {
    Array x, w, g;

    explicit Operands(const Case& c)
        : x(normal(c.convolution().image_shape(c.samples), 1)),
          w(normal(c.convolution().kernel_shape(), 2)),
          g(normal(c.convolution().output_shape(c.samples), 3)) {}
};

Faces by_winograd(const Case& s, const Operands& o, Tiling tiling) {
    const Convolution c = s.convolution();
    Faces f{Array::filled(o.g.shape(), float32, 7), Array::filled(o.x.shape(), float32, 7),
            Array::filled(o.w.shape(), float32, 7)};
    const float *x = o.x.data<float>(), *w = o.w.data<float>(), *g = o.g.data<float>();
    kernels::winograd::correlate(x, o.w, f.y.mutable_data<float>(), s.samples, c, {}, tiling);
    kernels::winograd::correlate_input(g, w, f.dx.mutable_data<float>(), s.samples, c, tiling);
    kernels::winograd::correlate_kernel(x, g, f.dw.mutable_data<float>(), s.samples, c, tiling);
    return f;
}

Faces exact(const Case& s, const Operands& o) {
    const Convolution c = s.convolution();
    const Array x = o.x.astype(float64), w = o.w.astype(float64), g = o.g.astype(float64);
    return {kernels::correlate(x, w, c), kernels::correlate_input(g, w, c), kernels::correlate_kernel(x, g, c)};
}

struct Errors {
    double largest, rms;  ///< relative to the largest value and to the rms
};

Errors errors(const Array& have, const Array& want) {
    double largest = 0, sum = 0, largest_value = 0, values_sum = 0;
    for (Index i = 0; i < want.size(); ++i) {
        const double d = std::abs(have.at(i) - want.at(i)), v = std::abs(want.at(i));
        largest = d <= largest ? largest : d;  // a NaN stays
        largest_value = std::max(largest_value, v);
        sum += d * d;
        values_sum += v * v;
    }
    return {largest / largest_value, std::sqrt(sum / values_sum)};
}

void check(const Case& c) {
    const Operands operands(c);
    const Faces want = exact(c, operands);
    for (Tiling tiling : {Tiling::four, Tiling::two}) {
        const Faces have = by_winograd(c, operands, tiling);
        const double allowed = tiling == Tiling::four ? 4e-6 : 1e-6;
        BOOST_TEST_CONTEXT(c.name() << " tiles of " << static_cast<Index>(tiling)) {
            BOOST_TEST(errors(have.y, want.y).largest < allowed);
            BOOST_TEST(errors(have.dx, want.dx).largest < allowed);
            BOOST_TEST(errors(have.dw, want.dw).largest < allowed);
        }
    }
}

bool same_bits(const Array& a, const Array& b) {
    return std::memcmp(a.data<float>(), b.data<float>(), static_cast<std::size_t>(a.size()) * sizeof(float)) == 0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(convolution_winograd)

BOOST_AUTO_TEST_CASE(every_size_and_padding) {
    const Index sizes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 28};
    const Index counts[] = {1, 3, 15, 16, 17, 33}, batches[] = {1, 3, 5};
    const Padding paddings[] = {0, 1, 2, Padding(1, 0, 2, 3), 5};
    std::size_t turn = 0;
    for (Index rows : sizes)
        for (Index cols : sizes)
            for (const Padding& padding : paddings) {
                const Case c{batches[turn % 3], counts[turn / 3 % 6], counts[turn / 18 % 6], {rows, cols}, padding};
                turn += 7;
                if (!c.empty()) check(c);
            }
}

BOOST_AUTO_TEST_CASE(every_number_of_channels) {
    for (Index channels : {1, 3, 15, 16, 17, 33})
        for (Index filters : {1, 3, 15, 16, 17, 33}) check({3, channels, filters, {7, 6}});
}

// Several panels and slices of channels, groups that are part of a sample, and sums of several parts.
BOOST_AUTO_TEST_CASE(every_kind_of_piece) {
    check({2, 70, 90, {9, 9}});
    check({1, 150, 20, {14, 14}});
    check({2, 20, 150, {8, 7}});
    check({1, 130, 140, {5, 5}});
    check({1, 33, 17, {70, 90}});
    check({40, 17, 33, {14, 14}});
    check({3, 16, 16, {4, 300}, 0});
}

// The bounds are what a prototype with the same points was measured to have, for images as a ReLU leaves them.
BOOST_AUTO_TEST_CASE(errors_of_the_documents_layer) {
    const Case c{16, 128, 64, {14, 14}};
    Operands operands(c);
    float* const x = operands.x.mutable_data<float>();
    for (Index i = 0; i < operands.x.size(); ++i) x[i] = std::max(x[i], 0.0F);
    const Faces want = exact(c, operands);
    struct Bounds {
        Errors y, dx, dw;
    };
    const auto within = [&](Tiling tiling, const Bounds& bounds) {
        const Faces have = by_winograd(c, operands, tiling);
        const auto both = [](Errors e, Errors bound) {
            BOOST_TEST(e.largest < bound.largest);
            BOOST_TEST(e.rms < bound.rms);
        };
        both(errors(have.y, want.y), bounds.y);
        both(errors(have.dx, want.dx), bounds.dx);
        both(errors(have.dw, want.dw), bounds.dw);
    };
    within(Tiling::four, {{1.8e-6, 8.7e-7}, {2.0e-6, 8.1e-7}, {9.4e-7, 6.1e-7}});
    within(Tiling::two, {{3.9e-7, 3.2e-7}, {3.9e-7, 2.6e-7}, {4.0e-7, 2.7e-7}});
}

BOOST_AUTO_TEST_CASE(same_bits_for_any_threads_and_in_any_company) {
    for (const Case& c : {Case{33, 17, 20, {14, 14}}, Case{1, 64, 70, {29, 31}}, Case{5, 130, 40, {7, 7}}}) {
        const Operands operands(c);
        const Faces once = by_winograd(c, operands, Tiling::four);
        for (int count : {1, 2, 4}) {
            set_threads(count);
            const Faces again = by_winograd(c, operands, Tiling::four);
            BOOST_TEST((same_bits(once.y, again.y) && same_bits(once.dx, again.dx) && same_bits(once.dw, again.dw)),
                       c.name());
        }
        set_threads(0);
        // The last sample alone.
        const Case single{1, c.channels, c.filters, c.image, c.padding};
        const Convolution shape = single.convolution();
        const Index image = shape.channels * shape.windows.image_size();
        const Index output = shape.filters * shape.windows.output_size();
        Array y = Array::uninitialized(shape.output_shape(1), float32);
        kernels::winograd::correlate(operands.x.data<float>() + (c.samples - 1) * image, operands.w,
                                     y.mutable_data<float>(), 1, shape, {}, Tiling::four);
        BOOST_TEST(std::memcmp(y.data<float>(), once.y.data<float>() + (c.samples - 1) * output,
                               static_cast<std::size_t>(output) * sizeof(float)) == 0);
    }
}

BOOST_AUTO_TEST_CASE(nan_reaches_all_that_see_it_and_no_other_sample) {
    const Case c{3, 32, 16, {14, 14}};
    Operands operands(c);
    Array x = operands.x.copy();
    x.mutable_data<float>()[(32 + 20) * 196 + 7 * 14 + 3] =
        std::numeric_limits<float>::quiet_NaN();  // sample 1, (7, 3)
    operands.x = x;
    const Faces have = by_winograd(c, operands, Tiling::four);
    for (Index i = 0; i < have.y.size(); ++i) {
        const Index sample = i / (16 * 196), row = i % 196 / 14, col = i % 14;
        const bool sees = sample == 1 && std::abs(row - 7) <= 1 && std::abs(col - 3) <= 1;
        const bool may = sample == 1 && row >= 4 && row < 12 && col < 8;  // the tiles that see it
        if (sees) BOOST_TEST(std::isnan(have.y.at(i)));
        if (!may) BOOST_TEST(!std::isnan(have.y.at(i)));
    }
    for (Index i = 0; i < have.dw.size(); ++i) BOOST_TEST(std::isnan(have.dw.at(i)) == (i / 9 % 32 == 20));
}

BOOST_AUTO_TEST_CASE(it_is_what_convolutions_take) {
    const Case c{4, 128, 64, {14, 14}};
    const Operands o(c);
    const Faces four = by_winograd(c, o, Tiling::four), two = by_winograd(c, o, Tiling::two);
    BOOST_TEST(same_bits(kernels::correlate(o.x, o.w, c.convolution()), four.y));
    BOOST_TEST(same_bits(kernels::correlate_input(o.g, o.w, c.convolution()), four.dx));
    BOOST_TEST(same_bits(kernels::correlate_kernel(o.x, o.g, c.convolution()), four.dw));
    {
        const StrictConvolution strict;
        BOOST_TEST(same_bits(kernels::correlate(o.x, o.w, c.convolution()), two.y));
        BOOST_TEST(same_bits(kernels::correlate_input(o.g, o.w, c.convolution()), two.dx));
        BOOST_TEST(same_bits(kernels::correlate_kernel(o.x, o.g, c.convolution()), two.dw));
    }
    BOOST_TEST(same_bits(kernels::correlate(o.x, o.w, c.convolution()), four.y));
}

/// One sample after another: w's transform is made once and kept with w, in all threads, until w is written.
BOOST_AUTO_TEST_CASE(transformed_filters_are_kept_until_they_change) {
    const Case one{1, 128, 64, {14, 14}};
    const Convolution c = one.convolution();
    const Operands o(one);
    const auto fresh = [&](const Array& w) { return kernels::correlate(o.x, w.copy(), c); };
    Array w = o.w.copy();
    const std::size_t before = storage::stats().live_bytes;
    const Array y = kernels::correlate(o.x, w, c);
    const std::size_t transform = 36 * 128 * 64 * sizeof(float);
    BOOST_TEST(storage::stats().live_bytes - before >= transform);
    BOOST_TEST(same_bits(y, fresh(o.w)));
    BOOST_TEST(same_bits(y, kernels::correlate(o.x, w, c)));
    {
        const StrictConvolution strict;  // another transform, which is not kept beside the first
        BOOST_TEST(same_bits(kernels::correlate(o.x, w, c), fresh(o.w)));
    }

    w.mutable_data<float>()[5] += 1;
    BOOST_TEST(storage::stats().live_bytes - before < transform);
    BOOST_TEST(!same_bits(y, kernels::correlate(o.x, w, c)));
    BOOST_TEST(same_bits(kernels::correlate(o.x, w, c), fresh(w)));

    const Array shared = w.copy();
    std::vector<std::thread> threads;
    std::array<Array, 4> results;
    for (Array& result : results)
        threads.emplace_back([&] {
            for (int i = 0; i < 20; ++i) result = kernels::correlate(o.x, shared, c);
        });
    for (std::thread& thread : threads) thread.join();
    for (const Array& result : results) BOOST_TEST(same_bits(result, fresh(w)));
}

BOOST_AUTO_TEST_CASE(strictness_is_a_scope_of_one_thread) {
    BOOST_TEST(!StrictConvolution::active());
    {
        const StrictConvolution outer;
        { const StrictConvolution inner; }
        BOOST_TEST(StrictConvolution::active());
        bool elsewhere = true;
        std::thread([&] { elsewhere = StrictConvolution::active(); }).join();
        BOOST_TEST(!elsewhere);
    }
    BOOST_TEST(!StrictConvolution::active());
}

BOOST_AUTO_TEST_SUITE_END()
