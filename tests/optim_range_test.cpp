#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/random.hpp>
#include <xtape/autograd/xtensor.hpp>
#include <xtape/optim/adam.hpp>
#include <xtape/optim/range_test.hpp>
#include <xtape/optim/sgd.hpp>

using namespace xtape;
namespace fs = std::filesystem;

namespace {

bool near(double a, double b, double relative) { return std::abs(a - b) <= relative * std::abs(b); }
bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

boost::test_tools::assertion_result gnuplot_is_here(boost::unit_test::test_unit_id) {
    boost::test_tools::assertion_result here(std::system("gnuplot --version > /dev/null 2>&1") == 0);
    here.message() << "gnuplot is not installed";
    return here;
}

std::string contents(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// Whether two arrays hold the same bits.
bool same_bits(const Array& a, const Array& b) {
    if (a.size() != b.size() || a.dtype() != b.dtype()) return false;
    for (Index i = 0; i < a.size(); ++i)
        if (a.at(i) != b.at(i)) return false;
    return true;
}

/// Descends x^2 / 2 in 8 dimensions.
template <class Method>
struct Quadratic {
    Parameter x = xt::xarray<float>{1, -2, 3, -4, 5, -6, 7, -8};
    Method optimizer;

    template <class Options>
    explicit Quadratic(const Options& options) : optimizer({x}, options) {}

    double operator()(int) {
        const Variable loss = 0.5 * sum(square(x));
        optimizer.zero_grad();
        loss.backward();
        optimizer.step();
        return loss.item();
    }
};

const std::vector<int> batches{1, 2, 3};

}  // namespace

BOOST_AUTO_TEST_SUITE(optim_range_test)

BOOST_AUTO_TEST_CASE(rates_rise_by_equal_factors) {
    Quadratic<optim::SGD> step(0.1);
    std::vector<double> rates;
    optim::RangeTestOptions options;
    options.lowest = 1e-4;
    options.highest = 1;
    options.steps = 9;
    const optim::RangeTest test = optim::range_test(
        step.optimizer, batches,
        [&](int batch) {
            rates.push_back(step.optimizer.learning_rate());
            return optim::Score{step(batch)};
        },
        options);
    BOOST_REQUIRE(test.rates.size() == 9u);
    BOOST_TEST(rates == test.rates);
    for (std::size_t i = 0; i < 9; ++i)
        BOOST_TEST(near(test.rates[i], 1e-4 * std::pow(10, 0.5 * static_cast<double>(i)), 1e-12));
    BOOST_TEST(!test.diverged);

    // The loss before each step: x shrinks by 1 - rate.
    double loss = 102, mean = 0, weight = 0;
    for (std::size_t i = 0; i < 9; ++i) {
        mean = 0.9 * mean + 0.1 * loss, weight = 0.9 * weight + 0.1;
        BOOST_TEST(near(test.losses[i], loss, 1e-5));
        BOOST_TEST(near(test.smoothed[i], mean / weight, 1e-5));
        loss *= (1 - rates[i]) * (1 - rates[i]);
    }
}

/// Everything is as before, bit for bit, also when training was under way.
BOOST_AUTO_TEST_CASE(everything_is_put_back) {
    Quadratic<optim::Adam> step(0.05);
    step(0), step(0);
    Array statistics = Array::scalar(3, float64);
    const Array value = step.x.array().copy(), gradient = step.x.grad().copy();
    std::vector<std::pair<std::string, Array>> state = step.optimizer.state();
    for (auto& [name, array] : state) array = array.copy();

    optim::RangeTestOptions options;
    options.steps = 30;
    options.snapshot = optim::snapshot_of({}, {&statistics});
    const auto run = [&] {
        return optim::range_test(
            step.optimizer, batches,
            [&](int batch) {
                statistics = Array::scalar(batch, float64);
                return step(batch);
            },
            options);
    };
    const optim::RangeTest first = run();
    const auto check_restored = [&] {
        BOOST_TEST(same_bits(step.x.array(), value));
        BOOST_TEST(same_bits(step.x.grad(), gradient));
        BOOST_TEST(statistics.at(0) == 3);
        BOOST_TEST(step.optimizer.learning_rate() == 0.05);
        const auto now = step.optimizer.state();
        BOOST_REQUIRE(now.size() == state.size());
        for (std::size_t i = 0; i < now.size(); ++i)
            BOOST_TEST((now[i].first == state[i].first && same_bits(now[i].second, state[i].second)));
    };
    check_restored();
    BOOST_TEST(run().losses == first.losses);  // so that a second one sees the same

    int steps = 0;
    BOOST_CHECK_THROW(optim::range_test(step.optimizer, batches,
                                        [&](int batch) {
                                            if (++steps == 5) throw Error("in the middle");
                                            return step(batch);
                                        }),
                      Error);
    check_restored();
}

BOOST_AUTO_TEST_CASE(ends_where_it_diverges) {
    Quadratic<optim::SGD> step(0.1);
    optim::RangeTestOptions options;
    options.lowest = 1e-3;
    options.highest = 1e3;
    options.steps = 200;
    const optim::RangeTest test = optim::range_test(step.optimizer, batches, step, options);
    BOOST_TEST(test.diverged);
    BOOST_TEST(test.rates.back() > 2);  // above the bound 2 / curvature, and not far above
    BOOST_TEST(test.rates.back() < 20);
    BOOST_TEST(test.suggestion > 1e-3);
    BOOST_TEST(test.suggestion < 2);

    int steps = 0;
    const optim::RangeTest stopped =
        optim::range_test(step.optimizer, batches, [&](int) { return ++steps == 7 ? NAN : 1.0; });
    BOOST_TEST(stopped.diverged);
    BOOST_TEST(stopped.losses.size() == 6u);
    BOOST_TEST(std::isnan(stopped.suggestion));  // it never fell
}

/// Losses whose running mean is known: the steepest fall is found where it was put.
BOOST_AUTO_TEST_CASE(steepest_descent) {
    Quadratic<optim::SGD> step(0.1);
    optim::RangeTestOptions options;
    options.lowest = 1e-4;
    options.highest = 1;
    options.steps = 81;
    options.smoothing = 0;
    int i = 0;
    const optim::RangeTest test = optim::range_test(
        step.optimizer, batches, [&](int) { return 2 - std::tanh(0.2 * (i++ - 60)); }, options);
    BOOST_TEST(near(test.suggestion, 1e-4 * std::pow(10, 60 / 20.0), 1e-9));

    i = 0;  // a steeper fall, but back from a jump
    const optim::RangeTest jumping = optim::range_test(
        step.optimizer, batches,
        [&](int) {
            const int now = i++;
            return now == 70 ? 6 : 2 - 0.5 * std::tanh(0.2 * (now - 40));
        },
        options);
    BOOST_TEST(near(jumping.suggestion, 1e-4 * std::pow(10, 40 / 20.0), 1e-9));
}

BOOST_AUTO_TEST_CASE(picture, *boost::unit_test::precondition(gnuplot_is_here)) {
    const fs::path folder = fs::temp_directory_path() / ("xtape_range_test_" + std::to_string(getpid()));
    Quadratic<optim::SGD> step(0.1);
    const optim::RangeTest test = optim::range_test(step.optimizer, batches, step);
    BOOST_TEST(test.draw(folder / "range.svg", "Range test"));
    const std::string svg = contents(folder / "range.svg");
    for (const char* text : {"<svg", "</svg>", ">learning rate<", ">loss<", ">running mean<", ">of each batch<",
                             ">Range test<", ">steepest descent: "})
        BOOST_TEST(holds(svg, text), text);
    BOOST_TEST(test.draw(folder / "range.png"));
    BOOST_CHECK_THROW(test.draw(folder / "range.pdf"), ValueError);
    BOOST_CHECK_THROW(optim::RangeTest().draw(folder / "range.svg"), ValueError);
    fs::remove_all(folder);
}

BOOST_AUTO_TEST_CASE(csv) {
    optim::RangeTest test;
    test.rates = {0.001, 0.01};
    test.losses = {2, 1.5};
    test.smoothed = {2, 1.75};
    BOOST_TEST(test.csv() == "learning_rate,loss,smoothed_loss\n0.001,2,2\n0.01,1.5,1.75\n");
}

BOOST_AUTO_TEST_CASE(arguments_out_of_range) {
    Quadratic<optim::SGD> step(0.1);
    const auto run = [&](optim::RangeTestOptions options) {
        optim::range_test(step.optimizer, batches, step, options);
    };
    BOOST_CHECK_THROW(run({0}), ValueError);
    BOOST_CHECK_THROW(run({1, 1}), ValueError);
    BOOST_CHECK_THROW(run({1e-3, INFINITY}), ValueError);
    BOOST_CHECK_THROW(run({1e-3, 1, 1}), ValueError);
    BOOST_CHECK_THROW(run({1e-3, 1, 10, 1}), ValueError);
    BOOST_CHECK_THROW(run({1e-3, 1, 10, 0.9, 1}), ValueError);
    BOOST_CHECK_THROW(optim::range_test(step.optimizer, std::vector<int>{}, step), ValueError);
    BOOST_TEST(step.optimizer.learning_rate() == 0.1);
}

BOOST_AUTO_TEST_SUITE_END()
