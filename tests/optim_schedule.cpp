#include <cmath>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/optim/schedule.hpp>

using namespace xtape;

namespace {

void check_close(double found, double wanted) { BOOST_TEST(std::abs(found - wanted) <= 1e-14 * std::max(1.0, wanted)); }

}  // namespace

BOOST_AUTO_TEST_SUITE(optim_schedule)

BOOST_AUTO_TEST_CASE(step) {
    const optim::StepLR rate(0.8, 3, 0.5);
    const double wanted[] = {0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2};
    for (Index i = 0; i < 7; ++i) check_close(rate(i), wanted[i]);
    check_close(rate(-1), 0.8);
    check_close(optim::StepLR(1, 1)(2), 0.01);
}

BOOST_AUTO_TEST_CASE(cosine_with_warm_up) {
    const optim::CosineLR rate(0.4, 20, 4, 0.1);
    check_close(rate(0), 0.1);
    check_close(rate(1), 0.2);
    check_close(rate(3), 0.4);
    check_close(rate(4), 0.4);    // the top of the cosine
    check_close(rate(12), 0.25);  // its middle
    check_close(rate(8), 0.1 + 0.15 * (1 + std::sqrt(0.5)));
    check_close(rate(20), 0.1);
    check_close(rate(1000), 0.1);
    check_close(optim::CosineLR(1, 10)(0), 1);
    check_close(optim::CosineLR(1, 10)(5), 0.5);
    check_close(optim::CosineLR(1, 10)(10), 0);
    check_close(optim::CosineLR(1, 10, 10)(9), 1);
}

BOOST_AUTO_TEST_CASE(one_cycle) {
    // As PyTorch: start 1/25; the peak at step 0.3 * 20 - 1 = 5; the end, 1/25/10^4, at step 19.
    const optim::OneCycleLR rate(1, 20);
    check_close(rate(0), 0.04);
    check_close(rate(5), 1);
    check_close(rate(12), (1 + 4e-6) / 2);  // the middle between 5 and 19
    check_close(rate(19), 4e-6);
    check_close(rate(25), 4e-6);
    check_close(optim::OneCycleLR(2, 11, 0.5454545454545454545, 4, 10)(0), 0.5);
    // Peak at step 5: its middle would be 2.5; step 2 is at 2/5 of the way up.
    check_close(rate(2), 0.04 + (1 - 0.04) / 2 * (1 - std::cos(std::acos(-1.0) * 2 / 5)));
    check_close(optim::OneCycleLR(1, 1)(0), 4e-6);
}

BOOST_AUTO_TEST_CASE(plateau) {
    optim::PlateauOptions options;
    options.factor = 0.5;
    options.patience = 2;
    options.cooldown = 1;
    options.min_rate = 0.2;
    optim::ReduceOnPlateau rate(1, options);
    // 1 is the first; 0.99995 is below the threshold and so counts as no improvement.
    const std::vector<std::pair<double, double>> run{
        {1.0, 1},    {0.99995, 1}, {1.1, 1},    {1.0, 0.5},   // third bad one
        {1.0, 0.5},                                           // cooling down, not counted
        {1.0, 0.5},  {1.0, 0.5},   {1.0, 0.25}, {0.5, 0.25},  // better
        {0.6, 0.25}, {NAN, 0.25},  {0.6, 0.2},  {0.6, 0.2}};
    for (const auto& [metric, wanted] : run) check_close(rate(metric), wanted);

    options = {};
    options.patience = 0;
    options.better = optim::Better::higher;
    optim::ReduceOnPlateau accuracy(1, options);
    check_close(accuracy(0.5), 1);
    check_close(accuracy(0.6), 1);
    check_close(accuracy(0.6), 0.1);
    check_close(accuracy.rate(), 0.1);
    check_close(optim::ReduceOnPlateau(0.05, {0.1, 0, optim::Better::lower, 0, 0, 0.1})(NAN), 0.05);  // never raised
}

BOOST_AUTO_TEST_CASE(arguments_out_of_range) {
    BOOST_CHECK_THROW(optim::StepLR(-1, 3), ValueError);
    BOOST_CHECK_THROW(optim::StepLR(1, 0), ValueError);
    BOOST_CHECK_THROW(optim::CosineLR(1, 0), ValueError);
    BOOST_CHECK_THROW(optim::CosineLR(1, 10, 11), ValueError);
    BOOST_CHECK_THROW(optim::CosineLR(1, 10, -1), ValueError);
    BOOST_CHECK_THROW(optim::OneCycleLR(1, 0), ValueError);
    BOOST_CHECK_THROW(optim::OneCycleLR(1, 10, 1.0), ValueError);
    BOOST_CHECK_THROW(optim::OneCycleLR(1, 10, 0.3, 0), ValueError);
    optim::PlateauOptions options;
    options.factor = 1;
    BOOST_CHECK_THROW(optim::ReduceOnPlateau(1, options), ValueError);
    options = {};
    options.patience = -1;
    BOOST_CHECK_THROW(optim::ReduceOnPlateau(1, options), ValueError);
}

BOOST_AUTO_TEST_SUITE_END()
