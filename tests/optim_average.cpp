#include <cmath>

#include <boost/test/unit_test.hpp>

#include <xtape/optim/average.hpp>
#include <xtape/optim/sgd.hpp>

using namespace xtape;

BOOST_AUTO_TEST_SUITE(optim_average)

BOOST_AUTO_TEST_CASE(later_values_weigh_more) {
    for (const DType dtype : {float32, float64}) {
        Parameter a(Array::filled({2, 3}, dtype, 0)), b(Array::filled({}, dtype, 8));
        optim::WeightAverage average({a, b}, 0.5);
        for (const double value : {1.0, 2.0, 4.0}) {
            a.assign(Array::filled({2, 3}, dtype, value));
            average.update();
        }
        const optim::Restore trained = average.apply();
        // (1/4 1 + 1/2 2 + 4) / (1/4 + 1/2 + 1) = 3, and a constant is its own average
        for (Index i = 0; i < 6; ++i) BOOST_TEST(std::abs(a.array().at(i) - 3) < 1e-6);
        BOOST_TEST(b.array().at(0) == 8);
        trained();
        BOOST_TEST(a.array().at(5) == 4);
    }
}

BOOST_AUTO_TEST_CASE(training_goes_on_after_it_was_applied) {
    Parameter w(Array::filled({3}, float32, 4));
    optim::WeightAverage average({w}, 0);  // of the last value only
    average.update();
    average.apply();
    optim::SGD sgd({w}, 1);
    w.set_grad(Array::filled({3}, float32, 1));
    sgd.step();  // 3, which must not write into the average
    average.apply();
    BOOST_TEST(w.array().at(0) == 4);
    sgd.step();
    average.update();
    sgd.step();
    average.apply();
    BOOST_TEST(w.array().at(2) == 3);
}

BOOST_AUTO_TEST_CASE(arguments_out_of_range) {
    Parameter w(Array::filled({3}, float32, 4));
    BOOST_CHECK_THROW(optim::WeightAverage({w}, 1), ValueError);
    BOOST_CHECK_THROW(optim::WeightAverage({w}, -0.1), ValueError);
    BOOST_CHECK_THROW(optim::WeightAverage({w}).apply(), Error);
}

BOOST_AUTO_TEST_SUITE_END()
