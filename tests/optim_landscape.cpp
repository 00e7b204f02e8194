#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/xtensor.hpp>
#include <xtape/optim/landscape.hpp>

#include "support/closed_form.hpp"
#include "support/files.hpp"

using namespace xtape;
using closed_form::Numbers;
using xtape::testing::Folder;

namespace {

const std::vector<double> eigenvalues{0.25, 4, -1, 2.5};

/// sum(eigenvalue x^2) / 2: its eigenvectors are the axes.
optim::RecordedLoss quadratic(const Parameter& x) {
    return [&x, e = Variable(Numbers({4}, eigenvalues))] { return 0.5 * sum(e * square(x)); };
}

optim::LandscapeOptions options(optim::Along along, Index dimensions, Index points, double reach) {
    optim::LandscapeOptions result;
    result.along = along;
    result.dimensions = dimensions;
    result.points = points;
    result.reach = reach;
    result.curvature = {1e-9, 2000, 0};
    return result;
}

double squares(const Array& array, const std::function<bool(Index)>& chosen) {
    double total = 0;
    for (Index i = 0; i < array.size(); ++i)
        if (chosen(i)) total += array.at(i) * array.at(i);
    return total;
}

bool near(double a, double b, double tolerance) { return std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b)); }

}  // namespace

BOOST_AUTO_TEST_SUITE(optim_landscape)

BOOST_AUTO_TEST_CASE(along_eigenvectors_of_a_quadratic) {
    Parameter x = Numbers({4}, {0.3, -0.2, 0.1, 0.5}).parameter();
    const auto loss = quadratic(x);
    const double here = 0.5 * (0.25 * 0.09 + 4 * 0.04 - 1 * 0.01 + 2.5 * 0.25);
    const optim::Landscape plane = optim::landscape(loss, {x}, options(optim::Along::eigenvectors, 2, 5, 2));
    BOOST_TEST(near(plane.loss(), here, 1e-14));
    BOOST_REQUIRE(plane.curvatures.size() == 2u);
    BOOST_TEST(near(plane.sharpness(), 4, 1e-9));
    BOOST_TEST(near(plane.curvatures[1].largest, 2.5, 1e-9));
    BOOST_TEST(plane.steps == (std::vector<double>{-2, -1, 0, 1, 2}), boost::test_tools::per_element());
    BOOST_REQUIRE(plane.losses.size() == 25u);
    // Whichever way the eigenvectors point: the mean of both signs has no slope in it.
    for (std::size_t i = 0; i < 5; ++i)
        for (std::size_t j = 0; j < 5; ++j) {
            const double a = plane.steps[j], b = plane.steps[i];
            const double even = (plane.losses[5 * i + j] + plane.losses[24 - (5 * i + j)]) / 2;
            BOOST_TEST(near(even, here + 0.5 * (4 * a * a + 2.5 * b * b), 1e-8));
            const double odd = std::abs(plane.losses[5 * i + j] - plane.losses[24 - (5 * i + j)]) / 2;
            const double one = std::abs(4 * -0.2 * a + 2.5 * 0.5 * b), other = std::abs(4 * -0.2 * a - 2.5 * 0.5 * b);
            BOOST_TEST((near(odd, one, 1e-8) || near(odd, other, 1e-8)));
        }
    const optim::Landscape line = optim::landscape(loss, {x}, options(optim::Along::eigenvectors, 1, 3, 0.5));
    BOOST_REQUIRE(line.losses.size() == 3u);
    BOOST_TEST(near(line.losses[0] + line.losses[2] - 2 * here, 4 * 0.25, 1e-8));
    BOOST_TEST(line.curvatures.size() == 1u);
}

BOOST_AUTO_TEST_CASE(along_directions_of_ones_own) {
    Parameter x = Numbers({4}, {0.3, -0.2, 0.1, 0.5}).parameter();
    const std::vector<double> u{1, 2, 0, -1}, v{0, 1, 3, 0};
    const std::vector<optim::Direction> directions{{Variable(Numbers({4}, u)).array()},
                                                   {Variable(Numbers({4}, v)).array()}};
    optim::LandscapeOptions chosen = options(optim::Along::filters, 1, 3, 1.5);
    chosen.sharpness = false;
    const optim::Landscape plane = optim::landscape(quadratic(x), {x}, directions, chosen);
    BOOST_TEST(plane.dimensions == 2);
    BOOST_TEST(std::isnan(plane.sharpness()));
    for (std::size_t i = 0; i < 3; ++i)
        for (std::size_t j = 0; j < 3; ++j) {
            double expected = 0;
            for (std::size_t k = 0; k < 4; ++k) {
                const double at = x.array().at(static_cast<Index>(k)) + plane.steps[j] * u[k] + plane.steps[i] * v[k];
                expected += 0.5 * eigenvalues[k] * at * at;
            }
            BOOST_TEST(near(plane.losses[3 * i + j], expected, 1e-14));
        }
    const std::string csv = plane.csv();
    BOOST_TEST(csv.rfind("first,second,loss\n-1.5,-1.5,", 0) == 0u);
    BOOST_TEST(std::count(csv.begin(), csv.end(), '\n') == 10);
}

BOOST_AUTO_TEST_CASE(random_directions_are_as_long_as_the_parameters) {
    Parameter a = closed_form::uniform({30, 20}, 1).parameter(), b = closed_form::uniform({20}, 2).parameter();
    const Array a0 = a.array(), b0 = b.array();
    double square = 0;
    for (const Array& each : {a0, b0}) square += squares(each, [](Index) { return true; });
    std::vector<double> distances;
    const auto distance = [&] { return sum(xtape::square(a - Variable(a0))) + sum(xtape::square(b - Variable(b0))); };
    optim::LandscapeOptions chosen = options(optim::Along::random, 2, 3, 0.5);
    const optim::Landscape plane = optim::landscape(distance, {a, b}, chosen);
    for (const std::size_t place : {1, 3, 5, 7}) BOOST_TEST(near(plane.losses[place], 0.25 * square, 1e-12));
    BOOST_TEST(plane.loss() == 0);
    BOOST_TEST(near(plane.sharpness(), 2, 1e-9));
    // Another seed, other directions.
    const auto first = [&] { return sum(slice(a, {0, 0})); };
    const double one = optim::landscape(first, {a, b}, chosen).losses[0];
    chosen.seed = 1;
    BOOST_TEST(optim::landscape(first, {a, b}, chosen).losses[0] != one);
}

BOOST_AUTO_TEST_CASE(filters_have_the_parameters_lengths) {
    Parameter dense = closed_form::uniform({5, 3}, 1).parameter(), bias = closed_form::uniform({3}, 2).parameter(),
              kernels = Parameter(astype(Variable(closed_form::uniform({4, 2, 3, 3}, 3)), float32));
    dense.assign((Variable(dense) * Variable(Numbers({1, 3}, {1, 0, 10}))).array());  // a filter of zeros
    const optim::ParameterList parameters{dense, bias, kernels};
    const optim::Direction before = optim::random_direction(parameters, 5),
                           after = optim::filter_normalized(before, parameters);
    for (Index column = 0; column < 3; ++column) {
        const auto in_column = [column](Index i) { return i % 3 == column; };
        const double own = std::sqrt(squares(dense.array(), in_column));
        BOOST_TEST(near(std::sqrt(squares(after[0], in_column)), own, 1e-14));
        const double factor = own / std::sqrt(squares(before[0], in_column));
        for (Index i = column; i < 15; i += 3) BOOST_TEST(near(after[0].at(i), factor * before[0].at(i), 1e-14));
    }
    for (Index i = 0; i < 3; ++i) BOOST_TEST(after[1].at(i) == 0);
    BOOST_TEST((after[2].dtype() == float32));
    for (Index k = 0; k < 4; ++k) {
        const auto in_kernel = [k](Index i) { return i / 18 == k; };
        BOOST_TEST(near(std::sqrt(squares(after[2], in_kernel)), std::sqrt(squares(kernels.array(), in_kernel)), 1e-6));
    }
    // Scaling a filter of the direction changes nothing.
    optim::Direction twice = before;
    twice[0] = (Variable(twice[0]) * Variable(Numbers({1, 3}, {2, 3, 0.1}))).array();
    const optim::Direction again = optim::filter_normalized(twice, parameters);
    for (Index i = 0; i < 15; ++i) BOOST_TEST(near(again[0].at(i), after[0].at(i), 1e-14));
}

BOOST_AUTO_TEST_CASE(everything_is_put_back) {
    Parameter x = closed_form::uniform({4}, 5).parameter();
    x.set_grad(Array::filled({4}, float64, 7));
    Array statistics = Array::filled({1}, float64, 1);
    const std::vector<double> before{x.array().at(0), x.array().at(1), x.array().at(2), x.array().at(3)};
    const double* const elements = x.array().data<double>();
    const auto untouched = [&] {
        return x.array().data<double>() == elements &&
               std::memcmp(elements, before.data(), sizeof(double) * before.size()) == 0 && x.grad().at(3) == 7 &&
               statistics.at(0) == 1;
    };
    optim::LandscapeOptions chosen = options(optim::Along::eigenvectors, 2, 5, 1);
    chosen.snapshot = optim::snapshot_of({}, {&statistics});
    const auto plain = quadratic(x);
    const auto loss = [&] {
        statistics = Array::filled({1}, float64, 9);
        return plain();
    };
    optim::landscape(loss, {x}, chosen);
    BOOST_TEST(untouched());
    int left = 12;
    const auto failing = [&] {
        statistics = Array::filled({1}, float64, 9);
        if (!recording() && --left == 0) throw DataError("no more data");
        return plain();
    };
    BOOST_CHECK_THROW(optim::landscape(failing, {x}, chosen), DataError);
    BOOST_TEST(left == 0);
    BOOST_TEST(untouched());
    BOOST_TEST(recording());
}

BOOST_AUTO_TEST_CASE(losses_that_are_not_finite) {
    Parameter x = xt::xarray<double>{{0.5, 0.25}};
    optim::LandscapeOptions chosen;
    chosen.dimensions = 1;
    chosen.points = 5;
    chosen.reach = 2;
    const std::vector<optim::Direction> straight{{Variable(xt::xarray<double>{{1, 0}}).array()}};
    const optim::Landscape line = optim::landscape([&] { return sum(log(x)); }, {x}, straight, chosen);
    BOOST_TEST(std::isnan(line.losses[0]));
    BOOST_TEST(near(line.losses[4], std::log(2.5) + std::log(0.25), 1e-14));
    BOOST_TEST(near(line.sharpness(), -4, 1e-2));  // -1 / x^2: it bends down everywhere
    const Folder folder;
    line.draw(folder / "line.svg");
    BOOST_TEST(xtape::testing::contents(folder / "line.csv").size() > 20u);
}

BOOST_AUTO_TEST_CASE(pictures_and_their_numbers) {
    const Folder folder;
    Parameter x = Numbers({4}, {0.3, -0.2, 0.1, 0.5}).parameter();
    const auto steep = [&x, plain = quadratic(x)] { return 1e-3 + square(plain()); };
    const auto flat = [&x] { return 0.0 * sum(x) + 3.0; };
    for (const auto& [name, loss] : {std::pair<std::string, optim::RecordedLoss>("steep", steep),
                                     std::pair<std::string, optim::RecordedLoss>("flat", flat)})
        for (const Index dimensions : {1, 2})
            for (const char* ending : {".svg", ".png"}) {
                const optim::Landscape around =
                    optim::landscape(loss, {x}, options(optim::Along::eigenvectors, dimensions, 7, 1));
                const std::string path = folder / (name + std::to_string(dimensions) + ending);
                const bool drawn = around.draw(path, "it's a <title>");
                BOOST_TEST(std::filesystem::exists(path) == drawn);
                const auto csv = xtape::testing::contents(folder / (name + std::to_string(dimensions) + ".csv"));
                BOOST_TEST(std::string(csv.begin(), csv.end()) == around.csv());
            }
    const optim::Landscape line = optim::landscape(steep, {x}, options(optim::Along::random, 1, 3, 1));
    BOOST_CHECK_THROW(line.draw(folder / "line.gif"), ValueError);
}

BOOST_AUTO_TEST_CASE(arguments_out_of_range) {
    Parameter x = closed_form::uniform({4}, 5).parameter(), zero = Numbers({2, 2}).parameter();
    const auto loss = quadratic(x);
    const auto with = [&](Index dimensions, Index points, double reach) {
        optim::landscape(loss, {x}, options(optim::Along::random, dimensions, points, reach));
    };
    BOOST_CHECK_THROW(with(3, 5, 1), ValueError);
    BOOST_CHECK_THROW(with(0, 5, 1), ValueError);
    BOOST_CHECK_THROW(with(1, 4, 1), ValueError);
    BOOST_CHECK_THROW(with(1, 1, 1), ValueError);
    BOOST_CHECK_THROW(with(1, 5, 0), ValueError);
    BOOST_CHECK_THROW(optim::landscape(loss, optim::ParameterList{}), ValueError);
    BOOST_CHECK_THROW(optim::landscape(loss, {x}), ValueError);  // only biases: filters do not move
    BOOST_CHECK_THROW(optim::landscape([&] { return sum(zero); }, {zero}), ValueError);
    BOOST_CHECK_THROW(optim::landscape([&] { return square(x); }, {x}, options(optim::Along::random, 1, 3, 1)),
                      TapeError);
    optim::LandscapeOptions no_sharpness = options(optim::Along::random, 1, 3, 1);
    no_sharpness.sharpness = false;
    BOOST_CHECK_THROW(optim::landscape([&] { return square(x); }, {x}, no_sharpness), ShapeError);
    const auto along = [&](const std::vector<optim::Direction>& directions) {
        optim::landscape(loss, {x}, directions, no_sharpness);
    };
    const Array fits = Array::filled({4}, float64, 1);
    BOOST_CHECK_THROW(along({}), ValueError);
    BOOST_CHECK_THROW(along({{fits, fits}}), ValueError);
    BOOST_CHECK_THROW(along({{Array::filled({3}, float64, 1)}}), ShapeError);
    BOOST_CHECK_THROW(along({{Array::filled({4}, float32, 1)}}), DtypeError);
    BOOST_CHECK_THROW(along({{Array::filled({4}, float64, 0)}}), ValueError);
    BOOST_CHECK_THROW(along({{fits}, {fits}, {fits}}), ValueError);
}

BOOST_AUTO_TEST_SUITE_END()
