#include <cmath>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/threads.hpp>
#include <xtape/datasets/augment.hpp>

#include "support/counting.hpp"

using namespace xtape;
using namespace xtape::datasets;
using namespace xtape::testing;

namespace {

/// n images of two channels, 5 x 4, all pixels different and none of them 0.
Variable images(Index n, DType dtype = float32) { return counting({n, 2, 5, 4}, dtype) + 1; }

/// The pixel of an image, 0 outside.
double pixel(const Variable& x, Index sample, Index channel, Index row, Index column) {
    if (row < 0 || row >= x.shape(2) || column < 0 || column >= x.shape(3)) return 0;
    return x.array().at(((sample * x.shape(1) + channel) * x.shape(2) + row) * x.shape(3) + column);
}

/// Whether sample i of y is that of x moved: y(row, column) = x(row + down, column + right).
bool is_part(const Variable& y, const Variable& x, Index i, Index down, Index right) {
    for (Index c = 0; c < y.shape(1); ++c)
        for (Index row = 0; row < y.shape(2); ++row)
            for (Index column = 0; column < y.shape(3); ++column)
                if (pixel(y, i, c, row, column) != pixel(x, i, c, row + down, column + right)) return false;
    return true;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(datasets_augment)

BOOST_AUTO_TEST_CASE(flips_about_as_many_as_asked_for) {
    const Variable x = images(400);
    Generator generator(1);
    const Variable y = random_flip(0.25)(x, generator);
    BOOST_TEST((y.shape() == x.shape()));
    int flipped = 0;
    for (Index i = 0; i < 400; ++i) {
        const bool turned = pixel(y, i, 0, 0, 0) == pixel(x, i, 0, 0, 3);
        flipped += turned;
        for (Index c = 0; c < 2; ++c)
            for (Index row = 0; row < 5; ++row)
                for (Index column = 0; column < 4; ++column)
                    BOOST_REQUIRE(pixel(y, i, c, row, column) == pixel(x, i, c, row, turned ? 3 - column : column));
    }
    BOOST_TEST(std::abs(flipped - 100) < 45);  // five standard deviations
    BOOST_TEST(values(random_flip(0)(x, generator)) == values(x));
    BOOST_TEST(values(random_flip(1)(x, generator)) == values(flip(x, 3)));
}

BOOST_AUTO_TEST_CASE(shifts_by_every_distance_and_no_more) {
    const Variable x = images(300, float64);
    Generator generator(2);
    const Variable y = random_shift({2, 1})(x, generator);
    BOOST_TEST((y.dtype() == float64));
    int seen[5][3] = {};
    for (Index i = 0; i < 300; ++i) {
        int found = 0;
        for (Index down = -2; down <= 2; ++down)
            for (Index right = -1; right <= 1; ++right)
                if (is_part(y, x, i, down, right)) ++found, ++seen[down + 2][right + 1];
        BOOST_TEST(found == 1);
    }
    for (const auto& row : seen)
        for (const int count : row) BOOST_TEST((count > 4 && count < 45));  // 20 expected
    BOOST_TEST(values(random_shift(0)(x, generator)) == values(x));
}

BOOST_AUTO_TEST_CASE(crops) {
    const Variable x = images(100);
    Generator generator(3);
    const Variable y = random_crop({3, 4}, {1, 2})(x, generator);
    BOOST_TEST((y.shape() == Shape{100, 2, 3, 4}));
    bool beyond = false;
    for (Index i = 0; i < 100; ++i) {
        int found = 0;
        for (Index down = -1; down <= 3; ++down)
            for (Index right = -2; right <= 2; ++right)
                if (is_part(y, x, i, down, right)) {
                    ++found;
                    beyond = beyond || down == 3;
                }
        BOOST_TEST(found == 1);
    }
    BOOST_TEST(beyond);
    BOOST_TEST((random_crop({7, 8}, {1, 2})(x, generator).shape() == Shape{100, 2, 7, 8}));
    BOOST_CHECK_THROW(random_crop({8, 8}, {1, 2})(x, generator), ShapeError);

    const Variable middle = center_crop(x, {3, 1});
    BOOST_TEST((middle.shape() == Shape{100, 2, 3, 1}));
    for (Index i = 0; i < 100; ++i) BOOST_TEST(is_part(middle, x, i, 1, 1));
    BOOST_CHECK_THROW(center_crop(x, {6, 1}), ShapeError);
}

BOOST_AUTO_TEST_CASE(affine_against_the_forward_map) {
    const Index n = 40, height = 7, width = 6;
    Generator noise(5);
    const Variable x = random::uniform({n, 2, height, width}, 0, 1, noise, float64);
    const Affine bounds{30, 0.2, 0.7, 1.4, 20};
    Generator generator(4), same(4);
    const Variable y = random_affine(bounds)(x, generator);
    for (Index i = 0; i < n; ++i) {
        const auto drawn = [&](double low, double high) { return low + (high - low) * same.uniform(); };
        const double angle = drawn(-30, 30) * M_PI / 180, slant = std::tan(drawn(-20, 20) * M_PI / 180);
        const double factor = drawn(0.7, 1.4), down = 7 * drawn(-0.2, 0.2), right = 6 * drawn(-0.2, 0.2);
        // Forward: (u, v), to the right and down from the middle, slanted, then turned, then enlarged.
        const double xu = factor * std::cos(angle), xv = factor * (slant * std::cos(angle) - std::sin(angle));
        const double yu = factor * std::sin(angle), yv = factor * (slant * std::sin(angle) + std::cos(angle));
        const double determinant = xu * yv - xv * yu;
        for (Index r = 0; r < height; ++r)
            for (Index c = 0; c < width; ++c) {
                const double across = static_cast<double>(c) - 2.5 - right, along = static_cast<double>(r) - 3 - down;
                const double column = (yv * across - xv * along) / determinant + 2.5;
                const double row = (xu * along - yu * across) / determinant + 3;
                for (Index channel = 0; channel < 2; ++channel) {
                    double expected = 0;  // every pixel spreads over the square of side 2 around it
                    for (Index p = 0; p < height; ++p)
                        for (Index q = 0; q < width; ++q)
                            expected += pixel(x, i, channel, p, q) *
                                        std::max(0.0, 1 - std::abs(row - static_cast<double>(p))) *
                                        std::max(0.0, 1 - std::abs(column - static_cast<double>(q)));
                    BOOST_TEST(std::abs(pixel(y, i, channel, r, c) - expected) < 1e-12);
                }
            }
    }
}

BOOST_AUTO_TEST_CASE(affine_of_nothing_and_of_twice_the_size) {
    const Variable x = images(3);
    Generator generator(6);
    BOOST_TEST(values(random_affine({})(x, generator)) == values(x));
    // A single bright pixel in the middle of an odd image becomes a tent over its neighbours.
    Array point = Array::filled({1, 1, 5, 5}, float32, 0);
    point.mutable_data<float>()[12] = 4;
    const Variable y = random_affine({0, 0, 2, 2, 0})(point, generator);
    const Values expected{0, 0, 0, 0, 0, 0, 1, 2, 1, 0, 0, 2, 4, 2, 0, 0, 1, 2, 1, 0, 0, 0, 0, 0, 0};
    BOOST_TEST(values(y) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(elastic_moves_knots_and_what_is_between) {
    // Where an image holds its own column numbers, what comes out says from which column each pixel was taken.
    const Index n = 4000;
    Array columns = Array::uninitialized({n, 1, 13, 13}, float64);
    for (Index i = 0; i < columns.size(); ++i) columns.mutable_data<double>()[i] = static_cast<double>(i % 13);
    Elastic bounds;
    bounds.deviation = 0.5;  // knots in columns 0, 4, 8, 12; those at 4 and 8 stay eight deviations inside
    Generator generator(5);
    const Variable y = random_elastic(bounds)(columns, generator);
    double sum = 0, squares = 0, product = 0;
    for (Index i = 0; i < n; ++i) {
        const auto moved = [&](Index row, Index column) {
            return pixel(y, i, 0, row, column) - static_cast<double>(column);
        };
        const double a = moved(4, 4), b = moved(4, 8), c = moved(8, 4), d = moved(8, 8);
        BOOST_REQUIRE(std::abs(moved(4, 6) - (a + b) / 2) < 1e-12);
        BOOST_REQUIRE(std::abs(moved(5, 4) - (3 * a + c) / 4) < 1e-12);
        BOOST_REQUIRE(std::abs(moved(6, 6) - (a + b + c + d) / 4) < 1e-12);
        sum += a, squares += a * a, product += a * b;
    }
    // five standard errors of mean, variance and covariance
    const double m = static_cast<double>(n), variance = 0.25;
    BOOST_TEST(std::abs(sum / m) < 5 * 0.5 / std::sqrt(m));
    BOOST_TEST(std::abs(squares / m - variance) < 5 * variance * std::sqrt(2 / m));
    BOOST_TEST(std::abs(product / m) < 5 * variance / std::sqrt(m));
}

BOOST_AUTO_TEST_CASE(elastic_without_deviation_is_affine) {
    const Variable x = images(1, float64);
    const Affine affine{20, 0.1, 0.8, 1.2, 10};
    Generator one(6), other(6);
    BOOST_TEST(values(random_elastic({affine})(x, one)) == values(random_affine(affine)(x, other)));
}

BOOST_AUTO_TEST_CASE(a_seed_decides_and_threads_do_not) {
    const Variable x = images(50);
    const auto transform = chain({random_flip(), random_shift(1), random_affine({10, 0.1, 0.9, 1.1, 5})});
    const auto of_seed = [&](std::uint64_t seed) {
        Generator generator(seed);
        return transform(x, generator);
    };
    check_threads([&] { return std::vector<Variable>{of_seed(7)}; });
    BOOST_TEST(values(of_seed(7)) == values(of_seed(7)));
    BOOST_TEST(values(of_seed(7)) != values(of_seed(8)));
    BOOST_TEST(!of_seed(7).requires_grad());

    IntArray labels = IntArray::from_shape({50});
    labels.fill(0);
    Loader plain(x, labels, 20), ahead(x, labels, 20);
    plain.shuffle(1).transform(transform, 2);
    ahead.shuffle(1).transform(transform, 2).prefetch();
    std::vector<Values> first, second;
    for (Batch& batch : plain.epoch(3)) first.push_back(values(batch.x));
    for (Batch& batch : ahead.epoch(3)) second.push_back(values(batch.x));
    BOOST_TEST((first == second));
}

BOOST_AUTO_TEST_CASE(arguments_out_of_range) {
    BOOST_CHECK_THROW(random_flip(1.5), ValueError);
    BOOST_CHECK_THROW(random_flip(-0.1), ValueError);
    BOOST_CHECK_THROW(random_shift({1, -1}), ValueError);
    BOOST_CHECK_THROW(random_crop(0), ValueError);
    BOOST_CHECK_THROW(random_crop(3, -1), ValueError);
    for (const Affine& bounds : {Affine{-1}, Affine{0, -1}, Affine{0, 0, 0, 1}, Affine{0, 0, 2, 1},
                                 Affine{0, 0, 1, 1, 90}, Affine{NAN}, Affine{0, 0, 1, INFINITY}})
        BOOST_CHECK_THROW(random_affine(bounds), ValueError);
    BOOST_CHECK_THROW(random_elastic({Affine{-1}}), ValueError);
    for (const auto& [deviation, knots] : {std::pair(-0.1, 4), std::pair(double(INFINITY), 4), std::pair(1.0, 1)})
        BOOST_CHECK_THROW(random_elastic({{}, deviation, knots}), ValueError);
    Generator generator(1);
    const Variable flat = counting({3, 4});
    for (const auto& transform :
         {random_flip(), random_shift(1), random_crop(1), random_affine({}), random_elastic({})})
        BOOST_CHECK_THROW(transform(flat, generator), ShapeError);
    BOOST_CHECK_THROW(center_crop(flat, 1), ShapeError);
    // as far outside as numbers go, and an image of one pixel
    for (double value : values(random_elastic({{}, 1e300})(images(3), generator))) BOOST_TEST(value == 0);
    BOOST_TEST((random_elastic({})(counting({2, 1, 1, 1}), generator).shape() == Shape{2, 1, 1, 1}));
    BOOST_TEST((random_flip()(counting({0, 1, 4, 4}), generator).shape() == Shape{0, 1, 4, 4}));
}

BOOST_AUTO_TEST_SUITE_END()
