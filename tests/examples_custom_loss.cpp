#include <cmath>
#include <cstdio>
#include <string>

#include <boost/test/unit_test.hpp>

#include "support/example.hpp"

/// The example custom_loss, run as a user runs it.
using namespace xtape::testing;

BOOST_AUTO_TEST_SUITE(examples_custom_loss, *boost::unit_test::precondition(examples_are_built))

BOOST_AUTO_TEST_CASE(from_the_idea_to_the_verdict) {
    const Run run("custom_loss", "--samples 200 --steps 100 --wrong 0.3 --seed 1");
    BOOST_TEST(run.status == 0, run.text);
    BOOST_TEST(holds(run.text, "gradients of the new loss, first and second order: right\n"));
    // d/dz l / (1 + l) with l = log(1 + e^-z): -s / (1 + l)^2 and s (1 - s) / (1 + l)^2 - 2 s^2 / (1 + l)^3, s = 1 - sigmoid(z)
    for (const double z : {-8.0, -2.0, 0.0, 2.0, 8.0}) {
        const double l = std::log1p(std::exp(-z)), s = 1 / (1 + std::exp(z));
        char row[80];
        std::snprintf(row, sizeof row, "\n%14.0f   %12.4f   %21.4f\n", z, -s / ((1 + l) * (1 + l)),
                      s * (1 - s) / ((1 + l) * (1 + l)) - 2 * s * s / ((1 + l) * (1 + l) * (1 + l)));
        BOOST_TEST(holds(run.text, row), row << run.text);
    }
    const double usual = run.number("\n  log loss +([.0-9]+)   loss [.0-9]+, sharpness [-.0-9e+]+\n");
    const double own = run.number("\n  levelling log loss +([.0-9]+)   loss [.0-9]+, sharpness [-.0-9e+]+\n");
    BOOST_TEST(run.last_line() == std::string("verdict: the new loss is ") + (own > usual   ? "better"
                                                                              : own < usual ? "worse"
                                                                                            : "as good"));
    for (const char* picture : {"losses.svg", "boundaries.png", "landscape-usual.png", "landscape-own.png"})
        BOOST_TEST(run.drew(picture), picture);
    BOOST_TEST(lines(run.file("landscape-own.csv")) == 1 + 41 * 41);
}

BOOST_AUTO_TEST_SUITE_END()
