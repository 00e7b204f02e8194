#include <xtape/autograd/variable_names.hpp>

#include <string>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/detect_anomaly.hpp>
#include <xtape/autograd/inspect.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/tape.hpp>
#include <xtape/autograd/xtensor.hpp>

#include "support/expect.hpp"

/// What users call things is one and the same for tables, derivations and errors.
using namespace xtape;

BOOST_AUTO_TEST_SUITE(variable_names)

BOOST_AUTO_TEST_CASE(parameters_results_and_constants_have_names) {
    Parameter w(xt::xarray<double>{1, 2, 3, 4}), b(xt::xarray<double>{1, 2, 3, 4});
    const Variable x(xt::xarray<double>{5, 6, 7, 8}), same(xt::xarray<float>{5, 6, 7, 8}), h = w * x;
    VariableNames names{{"w", w}, {"x", x}};
    names.add("h", h);
    BOOST_TEST(names.of(Variable(w)) == "w");
    BOOST_TEST(names.of(h) == "h");
    BOOST_TEST(names.of(*h.node()) == "h");
    BOOST_TEST(names.of(reshape(x, {2, 2})) == "x");
    BOOST_TEST(names.of(Variable(b)) == "");
    BOOST_TEST(names.of(w * x) == "");
    BOOST_TEST(names.of(same) == "");
    BOOST_TEST(names.of(Variable()) == "");
    BOOST_TEST(names.of_equal(same.array()) == "x");
    BOOST_TEST(names.of_equal(w.array()) == "");  // no constant
    const VariableNames listed(NamedParameters{{"0.weight", w}, {"0.bias", b}});
    BOOST_TEST(listed.of(Variable(b)) == "0.bias");
}

BOOST_AUTO_TEST_CASE(a_later_thing_takes_a_name_over) {
    const Parameter w(xt::xarray<double>{1, 2});
    const Variable first = exp(w), second = exp(w);
    VariableNames names{{"w", w}};
    names.add("h", first);
    names.add("h", second);
    BOOST_TEST(names.of(first) == "");
    BOOST_TEST(names.of(second) == "h");
    BOOST_TEST(names.of(Variable(w)) == "w");
}

BOOST_AUTO_TEST_CASE(a_name_keeps_no_value) {
    Parameter w(xt::xarray<double>{1, 2});
    inspect::Names names;
    names("w", w)(NamedParameters{{"also w", w}});
    const double* const before = w.array().data<double>();
    BOOST_TEST(ParameterRef(w).writable().data<double>() == before);  // copied if anybody else held it
}

BOOST_AUTO_TEST_CASE(errors_have_the_line) {
    const Variable x(xt::xarray<double>{1, 2}), nothing;
    VariableNames names;
    EXPECT(ValueError, names.add("", x), {"an empty name"});
    EXPECT(ValueError, names.add("w", nothing), {"names: w has no value"});
    EXPECT(ValueError, VariableNames({{"w", nothing}}), {"names: w has no value"});
    EXPECT(ValueError, inspect::Names()("w", nothing), {"names: w has no value"});
    EXPECT(ValueError, (DetectAnomaly().name("w", nothing), 0), {"names: w has no value"});
}

BOOST_AUTO_TEST_CASE(names_of_a_table_serve_for_anomalies) {
    const Parameter w(xt::xarray<double>{1, 0});
    const Variable x(xt::xarray<double>{2, 3});
    inspect::Names names;
    names("w", w)("x", x);
    const Variable h = w * x;
    names("h", h);
    BOOST_TEST(inspect::table(sum(h), names).rows[1].name == "h");

    DetectAnomaly guard(names);
    try {
        sum(x / w).backward();
        BOOST_ERROR("no error");
    } catch (const NonFiniteError& error) {
        BOOST_TEST_REQUIRE(error.found().numbers.size() == 2U);
        BOOST_TEST(error.found().numbers[0].origin == "constant x");
        BOOST_TEST(error.found().numbers[1].origin == "parameter w");
    }
}

BOOST_AUTO_TEST_SUITE_END()
