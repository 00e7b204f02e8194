#include <cmath>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/random.hpp>
#include <xtape/autograd/xtensor.hpp>
#include <xtape/datasets/transform.hpp>

using namespace xtape;
using datasets::mean_std;
using datasets::min_max;
using datasets::Normalization;

namespace {

double at(const Variable& x, Index row, Index column) { return x.array().at(row * x.shape(1) + column); }

/// Three features: ordinary, constant with a value that float32 rounds, far from 0.
Variable sample() { return xt::xarray<float>{{1, 0.1f, 1000}, {2, 0.1f, 1001}, {4, 0.1f, 1002}, {5, 0.1f, 1005}}; }

}  // namespace

BOOST_AUTO_TEST_SUITE(datasets_transform)

BOOST_AUTO_TEST_CASE(min_max_of_each_feature) {
    const Variable x = sample();
    const Normalization normalize = min_max(x);
    const Variable y = normalize(x);
    const double expected[4][3] = {{0, 0, 0}, {0.25, 0, 0.2}, {0.75, 0, 0.4}, {1, 0, 1}};
    for (Index i = 0; i < 4; ++i)
        for (Index j = 0; j < 3; ++j) BOOST_TEST(std::abs(at(y, i, j) - expected[i][j]) < 1e-6);
    BOOST_TEST(at(y, 3, 0) == 1.0);
    BOOST_TEST(at(y, 3, 2) == 1.0);
    BOOST_TEST((normalize.offset.shape() == Shape{1, 3}));
}

BOOST_AUTO_TEST_CASE(mean_std_of_each_feature) {
    const Variable x = sample();
    const Variable y = mean_std(x)(x);
    // By hand: means 3 and 1002; squared deviations 4 + 1 + 1 + 4 and 4 + 1 + 0 + 9, divided by 4.
    const double first[] = {-2, -1, 1, 2}, third[] = {-2, -1, 0, 3};
    for (Index i = 0; i < 4; ++i) {
        BOOST_TEST(std::abs(at(y, i, 0) - first[i] / std::sqrt(2.5)) < 1e-6);
        BOOST_TEST(at(y, i, 1) == 0);
        BOOST_TEST(std::abs(at(y, i, 2) - third[i] / std::sqrt(3.5)) < 1e-5);
    }
}

BOOST_AUTO_TEST_CASE(of_all_together) {
    const Variable x = xt::xarray<float>{{0, 5}, {10, 20}};
    const Normalization normalize = min_max(x, Axes());
    const Variable y = normalize(x);
    BOOST_TEST(at(y, 0, 1) == 0.25);
    BOOST_TEST(at(y, 1, 1) == 1.0);
    const Variable z = mean_std(x, Axes())(x);
    BOOST_TEST(std::abs(at(z, 0, 1) - (5 - 8.75) / std::sqrt((76.5625 + 14.0625 + 1.5625 + 126.5625) / 4)) < 1e-6);
}

BOOST_AUTO_TEST_CASE(of_each_channel) {
    xt::xarray<float> images = xt::zeros<float>({2, 2, 1, 2});
    for (std::size_t i = 0; i < 8; ++i) images.flat(i) = static_cast<float>(i);
    // Channel 0 holds 0 1 4 5, channel 1 holds 2 3 6 7.
    const Normalization normalize = min_max(Variable(images), {0, 2, 3});
    BOOST_TEST((normalize.offset.shape() == Shape{1, 2, 1, 1}));
    const Variable y = normalize(Variable(images));
    const double expected[] = {0, 0.2, 0, 0.2, 0.8, 1, 0.8, 1};
    for (Index i = 0; i < 8; ++i) BOOST_TEST(std::abs(y.array().at(i) - expected[i]) < 1e-6);
}

BOOST_AUTO_TEST_CASE(fitted_on_one_applied_to_another) {
    const Normalization normalize = min_max(sample());
    const Variable other = xt::xarray<float>{{9, 0.3f, 995}};
    const Variable y = normalize(other);
    BOOST_TEST(at(y, 0, 0) == 2.0);
    BOOST_TEST(std::abs(at(y, 0, 1) - 0.2) < 1e-6);
    BOOST_TEST(at(y, 0, 2) == -1.0);
    const Variable back = normalize.inverse(y);
    for (Index j = 0; j < 3; ++j) BOOST_TEST(std::abs(at(back, 0, j) - at(other, 0, j)) < 1e-4);
}

BOOST_AUTO_TEST_CASE(large_random_set) {
    Generator generator(1);
    const Variable x(random::normal({5000, 7}, 30, 5, generator));
    const Variable y = mean_std(x)(x);
    for (Index j = 0; j < 7; ++j) {
        double sum = 0, square = 0;
        for (Index i = 0; i < 5000; ++i) {
            sum += at(y, i, j) / 5000;
            square += at(y, i, j) * at(y, i, j) / 5000;
        }
        BOOST_TEST(std::abs(sum) < 1e-4);
        BOOST_TEST(std::abs(square - 1) < 1e-4);
    }
}

BOOST_AUTO_TEST_CASE(float64_stays_float64) {
    const Variable x = xt::xarray<double>{{1.0, 2.0}, {3.0, 4.0}};
    BOOST_TEST((min_max(x)(x).dtype() == float64));
    BOOST_TEST((mean_std(x)(x).dtype() == float64));
}

BOOST_AUTO_TEST_CASE(sizes_that_do_not_fit) {
    const Normalization normalize = min_max(sample());
    BOOST_CHECK_THROW(normalize(Variable(xt::xarray<float>{{1, 2}})), ShapeError);
    // Would broadcast, and mean something else.
    const Variable column(Array::filled({2, 1}, float32, 1));
    BOOST_CHECK_THROW(normalize(column), ShapeError);
    BOOST_CHECK_THROW(normalize(Variable(xt::xarray<float>{1, 2, 3})), ShapeError);
    BOOST_CHECK_THROW(normalize.inverse(column), ShapeError);
    const Variable empty(Array::uninitialized({0, 3}, float32));
    BOOST_CHECK_THROW(min_max(empty), ShapeError);
    BOOST_CHECK_THROW(mean_std(empty), ShapeError);
    BOOST_CHECK_THROW(min_max(sample(), 2), ShapeError);
    BOOST_TEST((min_max(sample())(empty).shape() == Shape{0, 3}));
}

BOOST_AUTO_TEST_SUITE_END()
