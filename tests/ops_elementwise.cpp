#include <cmath>
#include <cstring>
#include <limits>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/random.hpp>
#include <xtape/autograd/tape.hpp>
#include <xtape/autograd/xtensor.hpp>

/// Values of the element-wise operations against the standard library's, kinks and ties, broadcasting, dtypes.
using namespace xtape;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
const double no_number = std::numeric_limits<double>::quiet_NaN();

struct Function {
    const char* name;
    Variable (*ours)(const Variable& x);
    double (*exact)(double x);
    double low, high;
};

double sigmoid_of(double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }
double softplus_of(double x) { return std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x))); }

const std::vector<Function> functions{
    {"negative", [](const Variable& x) { return negative(x); }, [](double x) { return -x; }, -1e4, 1e4},
    {"abs", [](const Variable& x) { return abs(x); }, [](double x) { return std::fabs(x); }, -1e4, 1e4},
    {"square", [](const Variable& x) { return square(x); }, [](double x) { return x * x; }, -1e4, 1e4},
    {"sqrt", [](const Variable& x) { return sqrt(x); }, [](double x) { return std::sqrt(x); }, 0, 1e6},
    {"reciprocal", [](const Variable& x) { return reciprocal(x); }, [](double x) { return 1 / x; }, 1e-3, 1e3},
    {"exp", [](const Variable& x) { return exp(x); }, [](double x) { return std::exp(x); }, -80, 80},
    {"expm1", [](const Variable& x) { return expm1(x); }, [](double x) { return std::expm1(x); }, -20, 20},
    {"expm1 near 0", [](const Variable& x) { return expm1(x); }, [](double x) { return std::expm1(x); }, -1e-6, 1e-6},
    {"log", [](const Variable& x) { return log(x); }, [](double x) { return std::log(x); }, 1e-6, 1e6},
    {"log1p", [](const Variable& x) { return log1p(x); }, [](double x) { return std::log1p(x); }, -0.9, 1e4},
    {"log1p near 0", [](const Variable& x) { return log1p(x); }, [](double x) { return std::log1p(x); }, -1e-6, 1e-6},
    {"sin", [](const Variable& x) { return sin(x); }, [](double x) { return std::sin(x); }, -1, 1},
    {"cos", [](const Variable& x) { return cos(x); }, [](double x) { return std::cos(x); }, -1, 1},
    {"tanh", [](const Variable& x) { return tanh(x); }, [](double x) { return std::tanh(x); }, -20, 20},
    {"tanh near 0", [](const Variable& x) { return tanh(x); }, [](double x) { return std::tanh(x); }, -1e-3, 1e-3},
    {"sigmoid", [](const Variable& x) { return sigmoid(x); }, sigmoid_of, -80, 80},
    {"log_sigmoid", [](const Variable& x) { return log_sigmoid(x); }, [](double x) { return -softplus_of(-x); }, -1e4,
     1e4},
    {"softplus", [](const Variable& x) { return softplus(x); }, softplus_of, -80, 80},
    {"relu", [](const Variable& x) { return relu(x); }, [](double x) { return x > 0 ? x : 0; }, -3, 3},
    {"leaky_relu", [](const Variable& x) { return leaky_relu(x, 0.2); }, [](double x) { return x > 0 ? x : 0.2 * x; },
     -3, 3},
    {"elu", [](const Variable& x) { return elu(x, 0.5); }, [](double x) { return x > 0 ? x : 0.5 * std::expm1(x); }, -9,
     9},
    {"gelu", [](const Variable& x) { return gelu(x); }, [](double x) { return x * 0.5 * std::erfc(-x / std::sqrt(2)); },
     -3, 9},
    {"erf", [](const Variable& x) { return erf(x); }, [](double x) { return std::erf(x); }, -5, 5},
    {"erf near 0", [](const Variable& x) { return erf(x); }, [](double x) { return std::erf(x); }, -1e-3, 1e-3},
    {"pow 2.5", [](const Variable& x) { return pow(x, 2.5); }, [](double x) { return std::pow(x, 2.5); }, 0, 100},
    {"pow -3", [](const Variable& x) { return pow(x, -3); }, [](double x) { return std::pow(x, -3); }, 0.1, 10},
    {"2 to the power", [](const Variable& x) { return pow(2, x); }, [](double x) { return std::pow(2, x); }, -20, 20},
    {"clip", [](const Variable& x) { return clip(x, -1, 2); }, [](double x) { return std::fmin(std::fmax(x, -1), 2); },
     -5, 5},
};

Variable vector(std::initializer_list<double> values, DType dtype = float64) {
    return Variable(Variable(xt::xarray<double>(values)).array().astype(dtype));
}

bool equals(const Variable& x, std::initializer_list<double> expected) {
    if (x.size() != static_cast<Index>(expected.size())) return false;
    Index i = 0;
    for (const double value : expected) {
        const double found = x.array().at(i++);
        if (found != value && !(std::isnan(found) && std::isnan(value))) return false;
    }
    return true;
}

/// d(sum f)/dx at some points.
template <class F>
Variable slopes(F f, std::initializer_list<double> at) {
    const Parameter x(vector(at).array());
    return grad(sum(f(x.variable())), x);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_elementwise)

BOOST_AUTO_TEST_CASE(values_are_those_of_the_standard_library) {
    Generator generator(3);
    for (const Function& function : functions) {
        for (const auto& [dtype, tolerance] : {std::pair(float32, 2e-6), std::pair(float64, 1e-14)}) {
            const Array x = random::uniform({1003}, function.low, function.high, generator, dtype);
            const Variable y = function.ours(Variable(x));
            double worst = 0, at = 0;
            for (Index i = 0; i < x.size(); ++i) {
                const double exact = function.exact(x.at(i));
                const double error = std::fabs(y.array().at(i) - exact) / std::fmax(std::fabs(exact), 1e-30);
                if (!(error <= worst)) worst = error, at = x.at(i);
            }
            BOOST_TEST(worst <= tolerance,
                       function.name << " in " << name_of(dtype) << ": off by " << worst << " at " << at);
        }
    }
}

BOOST_AUTO_TEST_CASE(angles_of_several_turns) {
    Generator generator(4);
    for (const auto& [dtype, tolerance] : {std::pair(float32, 1e-6), std::pair(float64, 1e-14)}) {
        const Variable x(random::uniform({1003}, -100, 100, generator, dtype)), s = sin(x), c = cos(x);
        for (Index i = 0; i < x.size(); ++i) {
            BOOST_REQUIRE_SMALL(s.array().at(i) - std::sin(x.array().at(i)), tolerance);
            BOOST_REQUIRE_SMALL(c.array().at(i) - std::cos(x.array().at(i)), tolerance);
        }
    }
}

BOOST_AUTO_TEST_CASE(angles_of_many_turns_beside_small_ones) {
    const xt::xarray<double> angles{0.5, 6e5, -1e6, 3e6, -0.25, 8388607, 1e9, -1e15, 2};
    for (const DType dtype : {float32, float64}) {
        const Variable x = astype(angles, dtype), sines = sin(x), cosines = cos(x);
        const double tolerance = dtype == float32 ? 2e-7 : 1e-15;
        for (Index i = 0; i < x.size(); ++i) {
            BOOST_CHECK_SMALL(sines.array().at(i) - std::sin(x.array().at(i)), tolerance);
            BOOST_CHECK_SMALL(cosines.array().at(i) - std::cos(x.array().at(i)), tolerance);
        }
    }
}

BOOST_AUTO_TEST_CASE(extremes_stay_finite) {
    for (const DType dtype : {float32, float64}) {
        const Variable x = vector({-1e4, -1e3, 0, 1e3, 1e4}, dtype);
        BOOST_TEST(equals(sigmoid(x), {0, 0, 0.5, 1, 1}));
        BOOST_TEST(equals(relu(x), {0, 0, 0, 1e3, 1e4}));
        BOOST_TEST(equals(tanh(x), {-1, -1, 0, 1, 1}));
        BOOST_TEST(equals(erf(x), {-1, -1, 0, 1, 1}));
        BOOST_TEST(equals(expm1(slice(x, {range(0, 3)})), {-1, -1, 0}));
        for (Index i : {0, 1, 3, 4}) {
            BOOST_TEST(softplus(x).array().at(i) == std::fmax(x.array().at(i), 0));
            BOOST_TEST(log_sigmoid(x).array().at(i) == std::fmin(x.array().at(i), 0));
            BOOST_TEST(gelu(x).array().at(i) == std::fmax(x.array().at(i), 0));
            BOOST_TEST(elu(x).array().at(i) == std::fmax(x.array().at(i), -1));
        }
        const double tolerance = dtype == float32 ? 1e-6 : 1e-15;
        BOOST_TEST(softplus(x).array().at(2) == std::log(2), boost::test_tools::tolerance(tolerance));
        BOOST_TEST(log_sigmoid(x).array().at(2) == -std::log(2), boost::test_tools::tolerance(tolerance));
    }
    BOOST_TEST(equals(slopes([](const Variable& x) { return sigmoid(x); }, {-1e4, 1e4}), {0, 0}));
    BOOST_TEST(equals(slopes([](const Variable& x) { return softplus(x); }, {-1e4, 1e4}), {0, 1}));
    BOOST_TEST(equals(slopes([](const Variable& x) { return log_sigmoid(x); }, {-1e4, 1e4}), {1, 0}));
    BOOST_TEST(equals(slopes([](const Variable& x) { return log(sigmoid(x)); }, {-1e4, 1e4}), {1, 0}));
    BOOST_TEST(equals(slopes([](const Variable& x) { return log(1 - sigmoid(x)); }, {-1e4, 1e4}), {0, -1}));
}

BOOST_AUTO_TEST_CASE(values_beyond_the_domain) {
    BOOST_TEST(equals(log(vector({0, -1, inf})), {-inf, no_number, inf}));
    BOOST_TEST(equals(sqrt(vector({-1, inf})), {no_number, inf}));
    BOOST_TEST(equals(exp(vector({-inf, inf, 1e4})), {0, inf, inf}));
    BOOST_TEST(equals(reciprocal(vector({0, inf})), {inf, 0}));
    BOOST_TEST(equals(relu(vector({no_number, -inf, inf})), {no_number, 0, inf}));
    BOOST_TEST(equals(maximum(vector({no_number, 1, inf}), vector({1, no_number, 2})), {no_number, no_number, inf}));
    BOOST_TEST(equals(minimum(vector({no_number, 1, -inf}), vector({1, no_number, 2})), {no_number, no_number, -inf}));
    BOOST_TEST(equals(sign(vector({no_number, -inf})), {no_number, -1}));
    BOOST_TEST(equals(clip(vector({no_number, -inf, inf}), -1, 1), {no_number, -1, 1}));
    BOOST_TEST(equals(vector({no_number, 1}) < vector({1, no_number}), {0, 0}));
    BOOST_TEST(equals(equal(vector({no_number, 1}), vector({no_number, 1})), {0, 1}));
    BOOST_TEST(equals(not_equal(vector({no_number, 1}), vector({no_number, 1})), {1, 0}));
    BOOST_TEST(equals(pow(vector({0, 0, -2, -2, 4}), vector({0, 3, 3, 0.5, 0.5})), {1, 0, -8, no_number, 2}));
}

BOOST_AUTO_TEST_CASE(kinks_as_documented) {
    BOOST_TEST(equals(slopes([](const Variable& x) { return relu(x); }, {-1, 0, 1}), {0, 0, 1}));
    BOOST_TEST(equals(slopes([](const Variable& x) { return leaky_relu(x, 0.25); }, {-1, 0, 1}), {0.25, 0.25, 1}));
    BOOST_TEST(equals(slopes([](const Variable& x) { return elu(x, 0.5); }, {0, 1}), {0.5, 1}));
    BOOST_TEST(equals(slopes([](const Variable& x) { return abs(x); }, {-2, 0, 2}), {-1, 0, 1}));
    BOOST_TEST(equals(slopes([](const Variable& x) { return clip(x, -1, 1); }, {-2, -1, 0, 1, 2}), {0, 1, 1, 1, 0}));
    BOOST_TEST(equals(slopes([](const Variable& x) { return x * sign(x) + heaviside(x); }, {-1, 0, 1}), {-1, 0, 1}));
    BOOST_TEST(equals(slopes([](const Variable& x) { return x * (x > 0) + (x <= 0); }, {-1, 1}), {0, 1}));
    BOOST_TEST(equals(heaviside(vector({-1, 0, 2})), {0, 0.5, 1}));
    BOOST_TEST(equals(sign(vector({-3, 0, 2})), {-1, 0, 1}));
}

BOOST_AUTO_TEST_CASE(ties_share_in_halves) {
    const Parameter a(vector({1, 2, 3}).array()), b(vector({2, 2, 2}).array());
    {
        const auto [da, db] = grad(sum(maximum(a, b)), a, b);
        BOOST_TEST(equals(da, {0, 0.5, 1}));
        BOOST_TEST(equals(db, {1, 0.5, 0}));
    }
    {
        const auto [da, db] = grad(sum(minimum(a, b)), a, b);
        BOOST_TEST(equals(da, {1, 0.5, 0}));
        BOOST_TEST(equals(db, {0, 0.5, 1}));
    }
    BOOST_TEST(equals(grad(sum(maximum(a, a)), a), {1, 1, 1}));
    BOOST_TEST(equals(grad(sum(maximum(a, 2)), a), {0, 0.5, 1}));
}

BOOST_AUTO_TEST_CASE(powers_at_zero) {
    BOOST_TEST(equals(slopes([](const Variable& x) { return pow(x, 2); }, {-1, 0, 1}), {-2, 0, 2}));
    BOOST_TEST(equals(slopes([](const Variable& x) { return pow(x, 1); }, {0}), {1}));
    BOOST_TEST(equals(slopes([](const Variable& x) { return pow(x, 0); }, {0}), {0}));
    const Parameter exponent(vector({2, 0.5}).array());
    BOOST_TEST(equals(grad(sum(pow(Variable(xt::zeros<double>({2})), exponent)), exponent), {0, 0}));
    BOOST_TEST(equals(grad(sum(pow(0, exponent)), exponent), {0, 0}));
}

BOOST_AUTO_TEST_CASE(selection_passes_no_gradient_to_what_is_not_selected) {
    const auto safe_log = [](const Variable& x) { return where(x > 0, log(where(x > 0, x, 1.0)), 0.0); };
    BOOST_TEST(equals(slopes(safe_log, {-1, 0, 2}), {0, 0, 0.5}));
    const Variable mask = vector({1, 0, -2, no_number});
    BOOST_TEST(equals(where(mask, vector({1, 2, 3, 4}), vector({5, 6, 7, 8})), {1, 6, 3, 4}));
    BOOST_TEST(equals(masked_fill(vector({1, 2, 3, 4}), mask, inf), {inf, 2, inf, inf}));
    BOOST_TEST(
        equals(slopes([&](const Variable& x) { return masked_fill(x * 3, mask, inf); }, {1, 2, 3, 4}), {0, 3, 0, 0}));
}

BOOST_AUTO_TEST_CASE(broadcasting_against_plain_loops) {
    Generator generator(6);
    const std::vector<std::pair<Shape, Shape>> pairs{
        {{4, 3}, {3}},       {{4, 3}, {4, 1}},    {{}, {2, 3}},
        {{4, 1}, {1, 37}},   {{2, 1, 5}, {7, 1}}, {{2, 3, 1, 5}, {3, 4, 1}},
        {{1, 1, 1}, {2, 9}}, {{65, 1}, {65, 67}}, {{0, 3}, {3}}};
    for (const auto& [a, b] : pairs) {
        const Variable x(random::uniform(a, 1, 2, generator, float64)), y(random::uniform(b, 1, 2, generator, float64));
        const Variable difference = x - y, quotient = y / x;
        const Index rank = std::max(a.rank(), b.rank());
        BOOST_REQUIRE(difference.rank() == rank);
        Shape at = Shape::filled(rank, 0);
        const auto element = [&](const Variable& v) {  // of a broadcast array, by its own strides
            Index position = 0;
            for (Index axis = 0; axis < v.rank(); ++axis)
                position = position * v.shape(axis) + (v.shape(axis) == 1 ? 0 : at[axis + rank - v.rank()]);
            return v.array().at(position);
        };
        for (Index i = 0; i < difference.size(); ++i) {
            Index rest = i;
            for (Index axis = rank; axis-- > 0;) {
                at[axis] = rest % difference.shape(axis);
                rest /= difference.shape(axis);
            }
            BOOST_REQUIRE(difference.array().at(i) == element(x) - element(y));
            BOOST_REQUIRE(quotient.array().at(i) == element(y) / element(x));
        }
    }
}

BOOST_AUTO_TEST_CASE(scalars_take_the_dtype_of_the_array) {
    const Variable x = vector({1, 2}, float32), y = vector({1, 2}, float64);
    for (const Variable& v :
         {2.0 * x, x + 1, 1 - x, x / 3.0, pow(x, 2.0), maximum(x, 0.5), x < 2, where(x > 1, x, 0.0)})
        BOOST_TEST((v.dtype() == float32));
    for (const Variable& v : {2.0F * y, y + 1, 1 - y, y / 3.0F, pow(y, 2), minimum(0.5F, y), where(y > 1, 0, y)})
        BOOST_TEST((v.dtype() == float64));
    BOOST_TEST(equals(0.1 * y, {0.1, 0.2}));  // not rounded to float32 on the way
    BOOST_TEST(equals(astype(y / 3, float32), {double{1.0F / 3}, double{2.0F / 3}}));
    BOOST_TEST((astype(x, float64).dtype() == float64));
}

BOOST_AUTO_TEST_CASE(tails_have_the_bits_of_the_middle) {
    Generator generator(7);
    for (const Function& function : functions) {
        for (const DType dtype : {float32, float64}) {
            const Array x = random::uniform({40}, function.low, function.high, generator, dtype);
            const Variable whole = function.ours(Variable(x));
            for (Index n = 1; n < 40; ++n) {  // every element stands once in a tail and once in a full batch
                const Variable part = function.ours(slice(Variable(x), {range(0, n)}));
                for (Index i = 0; i < n; ++i)
                    BOOST_REQUIRE_MESSAGE(part.array().at(i) == whole.array().at(i),
                                          function.name << ", " << n << ", " << i);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(nothing_and_single_numbers) {
    for (const Function& function : functions) {
        BOOST_TEST(function.ours(Variable(xt::zeros<float>({0, 3}))).shape() == (Shape{0, 3}));
        const Variable one = function.ours(Variable(0.5));
        BOOST_TEST(one.rank() == 0);
        BOOST_TEST(one.item() == function.exact(0.5), boost::test_tools::tolerance(1e-6));
    }
    BOOST_TEST((Variable(xt::zeros<float>({0, 3})) + Variable(xt::zeros<float>({1, 3}))).shape() == (Shape{0, 3}));
    BOOST_CHECK_THROW(Variable(xt::zeros<float>({0})) + Variable(xt::zeros<float>({2})), ShapeError);
}

BOOST_AUTO_TEST_CASE(a_cast_casts_its_gradient_back) {
    const Parameter x(vector({1, 2}, float32).array());
    const Variable g = grad(sum(square(astype(x, float64))), x);
    BOOST_TEST((g.dtype() == float32));
    BOOST_TEST(equals(g, {2, 4}));
}

BOOST_AUTO_TEST_SUITE_END()
