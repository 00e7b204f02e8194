#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/xtensor.hpp>
#include <xtape/datasets/loader.hpp>
#include <xtape/datasets/toy.hpp>

using namespace xtape;
using datasets::Toy;

namespace {

float at(const Variable& x, Index row, Index column) { return x.array().data<float>()[row * x.shape(1) + column]; }

std::vector<Index> class_counts(const Toy& toy, std::size_t classes) {
    std::vector<Index> counts(classes, 0);
    for (std::int64_t label : toy.labels) ++counts[static_cast<std::size_t>(label)];
    return counts;
}

void check_form(const Toy& toy, Index samples, Index features) {
    BOOST_TEST((toy.x.shape() == Shape{samples, features}));
    BOOST_TEST((toy.y.shape() == Shape{samples, 1}));
    BOOST_TEST(toy.labels.dimension() == 1u);
    BOOST_TEST(static_cast<Index>(toy.labels.size()) == samples);
    bool equal = true;
    for (Index i = 0; i < samples; ++i)
        equal = equal && at(toy.y, i, 0) == static_cast<float>(toy.labels(static_cast<std::size_t>(i)));
    BOOST_TEST(equal);
}

bool alike(const Toy& a, const Toy& b) {
    return a.x.shape() == b.x.shape() && a.labels == b.labels &&
           std::memcmp(a.x.array().data<float>(), b.x.array().data<float>(),
                       static_cast<std::size_t>(a.x.size()) * sizeof(float)) == 0;
}

/// Whether the classes are mixed: in sorted order there would be one change only.
Index changes(const Toy& toy) {
    Index count = 0;
    for (std::size_t i = 1; i < toy.labels.size(); ++i) count += toy.labels(i) != toy.labels(i - 1);
    return count;
}

/// The angles of a class around a point, sorted.
std::set<double> angles(const Toy& toy, std::int64_t label, double x0, double y0) {
    std::set<double> found;
    for (Index i = 0; i < toy.x.shape(0); ++i)
        if (toy.labels(static_cast<std::size_t>(i)) == label)
            found.insert(std::atan2(at(toy.x, i, 1) - y0, at(toy.x, i, 0) - x0));
    return found;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(datasets_toy)

BOOST_AUTO_TEST_CASE(blobs_are_round_clouds) {
    const Toy toy = datasets::blobs(4001, 3, 4, 1, 2.0);
    check_form(toy, 4001, 3);
    BOOST_TEST((class_counts(toy, 4) == std::vector<Index>{1001, 1000, 1000, 1000}));
    BOOST_TEST(changes(toy) > 2500);
    for (std::int64_t c = 0; c < 4; ++c) {
        for (Index j = 0; j < 3; ++j) {
            double sum = 0, square = 0, n = 0;
            for (Index i = 0; i < 4001; ++i) {
                if (toy.labels(static_cast<std::size_t>(i)) != c) continue;
                sum += at(toy.x, i, j);
                square += double{at(toy.x, i, j)} * at(toy.x, i, j);
                ++n;
            }
            const double mean = sum / n;
            BOOST_TEST(std::abs(mean) < 10.3);
            BOOST_TEST(std::abs(std::sqrt(square / n - mean * mean) - 2) < 0.25);  // 5 standard errors
        }
    }
}

BOOST_AUTO_TEST_CASE(blobs_without_deviation_are_their_centers) {
    const Toy toy = datasets::blobs(50, 2, 3, 5, 0);
    std::set<std::pair<float, float>> places;
    for (Index i = 0; i < 50; ++i) places.emplace(at(toy.x, i, 0), at(toy.x, i, 1));
    BOOST_TEST(places.size() == 3u);
    for (auto [x, y] : places) BOOST_TEST((x >= -10 && x < 10 && y >= -10 && y < 10));
}

BOOST_AUTO_TEST_CASE(the_design_s_call) {
    auto data = datasets::blobs(100, 100, /*centers*/ 2, /*seed*/ 0);
    Variable X = data.x, y = data.y;
    check_form(data, 100, 100);
    BOOST_TEST((class_counts(data, 2) == std::vector<Index>{50, 50}));
}

BOOST_AUTO_TEST_CASE(circles_lie_on_circles) {
    const Toy toy = datasets::circles(301, 0, 0.5, 2);
    check_form(toy, 301, 2);
    BOOST_TEST((class_counts(toy, 2) == std::vector<Index>{150, 151}));
    BOOST_TEST(changes(toy) > 100);
    for (Index i = 0; i < 301; ++i) {
        const double radius = std::hypot(at(toy.x, i, 0), at(toy.x, i, 1));
        BOOST_TEST(std::abs(radius - (toy.labels(static_cast<std::size_t>(i)) == 0 ? 1 : 0.5)) < 1e-6);
    }
    // Equal angles, no point twice.
    const std::set<double> around = angles(toy, 0, 0, 0);
    BOOST_TEST(around.size() == 150u);
    const double pi = std::acos(-1.0);
    for (auto a = around.begin(), b = std::next(a); b != around.end(); ++a, ++b)
        BOOST_TEST(std::abs(*b - *a - 2 * pi / 150) < 1e-5);
}

BOOST_AUTO_TEST_CASE(moons_are_half_circles) {
    const Toy toy = datasets::moons(201, 0, 3);
    check_form(toy, 201, 2);
    BOOST_TEST((class_counts(toy, 2) == std::vector<Index>{100, 101}));
    const double pi = std::acos(-1.0);
    for (Index i = 0; i < 201; ++i) {
        const double x = at(toy.x, i, 0), y = at(toy.x, i, 1);
        if (toy.labels(static_cast<std::size_t>(i)) == 0) {
            BOOST_TEST(std::abs(std::hypot(x, y) - 1) < 1e-6);
            BOOST_TEST(y > -1e-6);
        } else {
            BOOST_TEST(std::abs(std::hypot(x - 1, y - 0.5) - 1) < 1e-6);
            BOOST_TEST(y < 0.5 + 1e-6);
        }
    }
    // Both ends belong to it: 100 points at 99 equal steps.
    const std::set<double> upper = angles(toy, 0, 0, 0);
    BOOST_TEST(std::abs(*upper.begin()) < 1e-6);
    BOOST_TEST(std::abs(*upper.rbegin() - pi) < 1e-6);
    BOOST_TEST(std::abs(*std::next(upper.begin()) - pi / 99) < 1e-5);
}

BOOST_AUTO_TEST_CASE(noise_has_its_size) {
    const Toy toy = datasets::circles(20000, 0.1, 0.5, 4);
    double square = 0;
    Index count = 0;
    for (Index i = 0; i < 20000; ++i) {
        if (toy.labels(static_cast<std::size_t>(i)) != 0) continue;
        const double d = std::hypot(at(toy.x, i, 0), at(toy.x, i, 1)) - 1;  // the radial part of the noise
        square += d * d;
        ++count;
    }
    BOOST_TEST(std::abs(std::sqrt(square / static_cast<double>(count)) - 0.1) < 0.004);
}

BOOST_AUTO_TEST_CASE(a_seed_is_a_set) {
    BOOST_TEST(alike(datasets::blobs(30, 2, 3, 7), datasets::blobs(30, 2, 3, 7)));
    BOOST_TEST(!alike(datasets::blobs(30, 2, 3, 7), datasets::blobs(30, 2, 3, 8)));
    BOOST_TEST(alike(datasets::moons(30, 0.1, 7), datasets::moons(30, 0.1, 7)));
    BOOST_TEST(!alike(datasets::moons(30, 0.1, 7), datasets::moons(30, 0.1, 8)));
    BOOST_TEST(!alike(datasets::circles(30, 0.1, 0.8, 7), datasets::circles(30, 0.1, 0.8, 8)));
}

/// 250 of 1000 are drawn without regard to their class: 125 of each, with a deviation of sqrt(250 / 4 * 750 / 999) = 6.8.
BOOST_AUTO_TEST_CASE(a_loader_of_the_same_seed_mixes_the_classes) {
    for (const std::uint64_t seed : {0U, 1U, 2U})
        for (const Toy& toy :
             {datasets::circles(1000, 0, 0.8, seed), datasets::moons(1000, 0, seed), datasets::blobs(1000, 2, 2, seed)})
            for (auto& batch : datasets::Loader(toy.x, toy.labels, 250).shuffle(seed).epoch(0)) {
                const auto ones = std::count(batch.labels.begin(), batch.labels.end(), 1);
                BOOST_TEST(std::abs(static_cast<double>(ones) - 125) < 5 * 6.8);
            }
}

BOOST_AUTO_TEST_CASE(small_sizes) {
    check_form(datasets::blobs(0, 2, 3), 0, 2);
    check_form(datasets::blobs(1, 0, 3), 1, 0);
    for (Index n : {0, 1, 2, 3}) {
        check_form(datasets::circles(n), n, 2);
        check_form(datasets::moons(n), n, 2);
    }
}

BOOST_AUTO_TEST_CASE(select_takes_rows) {
    const Toy toy = datasets::blobs(10, 3, 2, 0);
    const Toy some = datasets::select(toy, IntArray{7, 2});
    check_form(some, 2, 3);
    for (Index j = 0; j < 3; ++j)
        BOOST_TEST((at(some.x, 0, j) == at(toy.x, 7, j) && at(some.x, 1, j) == at(toy.x, 2, j)));
    BOOST_TEST(some.labels(1) == toy.labels(2));
    BOOST_CHECK_THROW(datasets::select(toy, IntArray{10}), ShapeError);
}

BOOST_AUTO_TEST_CASE(arguments_out_of_range) {
    const double nan = std::nan("");
    BOOST_CHECK_THROW(datasets::blobs(-1), ValueError);
    BOOST_CHECK_THROW(datasets::blobs(1, -1), ValueError);
    BOOST_CHECK_THROW(datasets::blobs(1, 1, 0), ValueError);
    BOOST_CHECK_THROW(datasets::blobs(1, 1, 1, 0, -1), ValueError);
    BOOST_CHECK_THROW(datasets::circles(-1), ValueError);
    BOOST_CHECK_THROW(datasets::circles(10, nan), ValueError);
    BOOST_CHECK_THROW(datasets::circles(10, 0, 1), ValueError);
    BOOST_CHECK_THROW(datasets::circles(10, 0, nan), ValueError);
    BOOST_CHECK_THROW(datasets::moons(10, -0.1), ValueError);
}

BOOST_AUTO_TEST_SUITE_END()
