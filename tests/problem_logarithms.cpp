#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/check_grads.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/tape.hpp>
#include <xtape/autograd/xtensor.hpp>
#include <xtape/nn/loss.hpp>

/// Problems P2 and P3 of the document, log(0) and exponentials that overflow: every spelling that docs/recognised.md lists is
/// exact to a few units in the last place from -1e4 to 1e4, in value and gradient, recorded or not. The references are in
/// long double, whose exponential reaches 1e4.
using namespace xtape;

namespace {

using Real = long double;

Real softplus_of(Real z) { return std::fmax(z, 0.0L) + std::log1p(std::exp(-std::fabs(z))); }
Real sigmoid_of(Real z) { return z < 0 ? std::exp(z) / (1 + std::exp(z)) : 1 / (1 + std::exp(-z)); }

/// A formula as a user spells it, step by step through Variables, and what it is.
struct Spelling {
    const char* name;
    std::function<Variable(const Variable&)> as_written;
    Real (*value)(Real);
    Real (*slope)(Real);
};

const Spelling spellings[] = {
    {"log(sigmoid(z))",
     [](const Variable& z) {
         const Variable a = sigmoid(z);
         return log(a);
     },
     [](Real z) { return -softplus_of(-z); }, [](Real z) { return sigmoid_of(-z); }},
    {"log(sigmoid(-z))", [](const Variable& z) { return log(sigmoid(-z)); }, [](Real z) { return -softplus_of(z); },
     [](Real z) { return -sigmoid_of(z); }},
    {"1 - sigmoid(z)",
     [](const Variable& z) {
         const Variable a = sigmoid(z);
         return 1 - a;
     },
     [](Real z) { return sigmoid_of(-z); }, [](Real z) { return -sigmoid_of(z) * sigmoid_of(-z); }},
    {"log(1 - sigmoid(z))",
     [](const Variable& z) {
         const Variable a = sigmoid(z), b = 1 - a;
         return log(b);
     },
     [](Real z) { return -softplus_of(z); }, [](Real z) { return -sigmoid_of(z); }},
    {"log(1 - (1 - sigmoid(z)))",
     [](const Variable& z) {
         const Variable a = sigmoid(z), b = 1 - a;
         return log(1 - b);
     },
     [](Real z) { return -softplus_of(-z); }, [](Real z) { return sigmoid_of(-z); }},
    {"log(exp(z) + 1)",
     [](const Variable& z) {
         const Variable e = exp(z), s = e + 1;
         return log(s);
     },
     softplus_of, sigmoid_of},
    {"log(1 + exp(z))", [](const Variable& z) { return log(1 + exp(z)); }, softplus_of, sigmoid_of},
    {"log1p(exp(z))",
     [](const Variable& z) {
         const Variable e = exp(z);
         return log1p(e);
     },
     softplus_of, sigmoid_of},
    {"-log(1 / (1 + exp(-z)))",
     [](const Variable& z) {
         const Variable a = 1 / (1 + exp(-z));
         return -log(a);
     },
     [](Real z) { return softplus_of(-z); }, [](Real z) { return -sigmoid_of(-z); }},
    {"log(1 - 1 / (1 + exp(-z)))",
     [](const Variable& z) {
         const Variable a = 1 / (1 + exp(-z));
         return log(1 - a);
     },
     [](Real z) { return -softplus_of(z); }, [](Real z) { return -sigmoid_of(z); }},
};

/// Both signs of the places where something may go wrong, in the element type.
template <class T>
std::vector<T> grid() {
    std::vector<T> all{0};
    for (const double z :
         {1e4,  745.2, 745.0, 709.8, 709.7, 708.5, 708.3, 200.0, 104.0, 103.9, 89.0, 88.8, 88.7,  88.0,  87.3,  40.0,
          37.0, 20.0,  17.5,  16.0,  5.0,   3.0,   1.0,   0.75,  0.5,   0.1,   1e-3, 1e-8, 1e-17, 1e-38, 1e-300})
        for (const double sign : {1.0, -1.0}) all.push_back(static_cast<T>(sign * z));
    all.push_back(std::numeric_limits<T>::denorm_min());
    all.push_back(-std::numeric_limits<T>::denorm_min());
    all.push_back(-T(0));
    return all;
}

template <class T>
Array array_of(const std::vector<T>& values) {
    Array array = Array::uninitialized({static_cast<Index>(values.size())}, dtype_of<T>);
    std::copy(values.begin(), values.end(), array.mutable_data<T>());
    return array;
}

/// Within `ulps` units in the last place; what is smaller than every normal number may be 0, each of a few terms.
template <class T>
void check_number(double got, Real expected, double ulps, const std::string& what) {
    const Real allowed =
        Real(ulps) * std::numeric_limits<T>::epsilon() * std::fabs(expected) + 4 * std::numeric_limits<T>::min();
    BOOST_CHECK_MESSAGE(
        std::isfinite(got) && std::fabs(got - expected) <= allowed,
        what << ": " << got << ", should be " << static_cast<double>(expected) << ", off by "
             << static_cast<double>(std::fabs(got - expected) / std::fabs(expected) / std::numeric_limits<T>::epsilon())
             << " epsilon");
}

constexpr double few = 4;

template <class T>
void check_spelling(const Spelling& spelling) {
    const std::vector<T> points = grid<T>();
    const Parameter z(array_of(points));
    const Variable y = spelling.as_written(z), slope = grad(sum(y), z);
    const Variable of_constant = spelling.as_written(z.variable().detach());
    Variable unrecorded;
    {
        const NoGrad constant;
        unrecorded = spelling.as_written(z);
    }
    BOOST_TEST(!of_constant.requires_grad());
    BOOST_TEST(!unrecorded.requires_grad());
    for (std::size_t i = 0; i < points.size(); ++i) {
        const auto at = static_cast<Index>(i);
        const std::string what = std::string(spelling.name) + " at " + std::to_string(points[i]);
        check_number<T>(y.array().at(at), spelling.value(points[i]), few, what);
        check_number<T>(slope.array().at(at), spelling.slope(points[i]), few, "gradient of " + what);
        BOOST_CHECK_MESSAGE(unrecorded.array().at(at) == y.array().at(at), what << " without recording");
        BOOST_CHECK_MESSAGE(of_constant.array().at(at) == y.array().at(at), what << " of a constant");
    }
}

/// The softmax of a row.
struct Softmax {
    std::vector<Real> exponents;  // relative to the largest
    std::size_t top;

    template <class T>
    explicit Softmax(const std::vector<T>& z) {
        top = static_cast<std::size_t>(std::max_element(z.begin(), z.end()) - z.begin());
        for (const T each : z) exponents.push_back(Real(each) - z[top]);
    }
    /// Sum of e^x without one place.
    Real sum_without(std::size_t place) const {
        Real total = 0;
        for (std::size_t i = 0; i < exponents.size(); ++i)
            if (i != place) total += std::exp(exponents[i]);
        return total;
    }
    Real sum() const { return 1 + sum_without(top); }
    Real logarithm(Index k) const { return exponents[static_cast<std::size_t>(k)] - std::log1p(sum_without(top)); }
    Real probability(Index k) const { return std::exp(exponents[static_cast<std::size_t>(k)]) / sum(); }
    Real others(Index k) const { return sum_without(static_cast<std::size_t>(k)) / sum(); }
};

/// log(softmax) of the rows of z: value and, of each element's logarithm, its gradient.
template <class T>
void check_softmax(const std::vector<std::vector<T>>& rows, Index axis) {
    const auto m = static_cast<Index>(rows.size()), n = static_cast<Index>(rows[0].size());
    Array values = Array::uninitialized(axis == 1 ? Shape{m, n} : Shape{n, m}, dtype_of<T>);
    const auto place = [&](Index i, Index j) { return axis == 1 ? i * n + j : j * m + i; };
    for (Index i = 0; i < m; ++i)
        for (Index j = 0; j < n; ++j)
            values.template mutable_data<T>()[place(i, j)] =
                rows[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)];
    const Parameter z(values);
    const Variable p = softmax(z, axis), y = log(p);
    Variable unrecorded;
    {
        const NoGrad constant;
        const Variable q = softmax(z, axis);
        unrecorded = log(q);
    }
    for (Index k = 0; k < n; ++k) {
        Array seed = Array::filled(values.shape(), dtype_of<T>, 0);
        for (Index i = 0; i < m; ++i) seed.template mutable_data<T>()[place(i, k)] = 1;
        const Variable slope = pullback(y, Variable(seed), {z}, false, Where::here())[0];
        for (Index i = 0; i < m; ++i) {
            const Softmax of(rows[static_cast<std::size_t>(i)]);
            const std::string what = "log(softmax) at " + std::to_string(i) + ", " + std::to_string(k);
            check_number<T>(y.array().at(place(i, k)), of.logarithm(k), few, what);
            BOOST_CHECK_MESSAGE(unrecorded.array().at(place(i, k)) == y.array().at(place(i, k)),
                                what << " without recording");
            for (Index j = 0; j < n; ++j) {
                const double ulps = few + static_cast<double>(std::fabs(of.logarithm(j)));  // e^x has x's rounding
                check_number<T>(slope.array().at(place(i, j)), j == k ? of.others(k) : -of.probability(j), ulps,
                                "gradient of " + what);
            }
        }
    }
}

template <class T>
std::vector<std::vector<T>> softmax_rows() {
    std::vector<std::vector<T>> rows;
    for (const T z : grid<T>()) rows.push_back({z, 0, -z / 2, 1});
    rows.push_back({1, 1, 1, 1});
    rows.push_back({T(1e4), T(1e4), T(-1e4), 0});
    return rows;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(problem_logarithms)

BOOST_AUTO_TEST_CASE(p2_p3_every_spelling_float64) {
    for (const Spelling& spelling : spellings) check_spelling<double>(spelling);
}

BOOST_AUTO_TEST_CASE(p2_p3_every_spelling_float32) {
    for (const Spelling& spelling : spellings) check_spelling<float>(spelling);
}

BOOST_AUTO_TEST_CASE(p2_logarithm_of_softmax) {
    for (const Index axis : {0, 1}) {
        check_softmax(softmax_rows<double>(), axis);
        check_softmax(softmax_rows<float>(), axis);
    }
}

BOOST_AUTO_TEST_CASE(p2_logarithm_of_a_long_softmax) {  // which goes by another kernel
    std::vector<double> row(5000, -1e4);
    row[4000] = 1e4;
    row[10] = 9960;
    const Parameter z(array_of(row));
    const Variable p = softmax(z), y = log(p);
    check_number<double>(y.array().at(4000), -std::log1p(std::exp(-40.0L)), few, "the largest");
    check_number<double>(y.array().at(10), -40, few, "the second");
    check_number<double>(y.array().at(0), -2e4, few, "the others");
}

BOOST_AUTO_TEST_CASE(second_order_of_every_spelling) {
    const Variable z = xt::xarray<double>{-2.5, -0.75, 0.125, 1.5, 4};
    for (const Spelling& spelling : spellings) {
        const GradCheck verdict = gradient_check(spelling.as_written, {z});
        BOOST_TEST(verdict.ok, spelling.name << ": " << verdict.message);
    }
    const auto log_softmax_spelt = [](const Variable& x) {
        const Variable p = softmax(x);
        return log(p);
    };
    const GradCheck verdict = gradient_check(log_softmax_spelt, {z});
    BOOST_TEST(verdict.ok, verdict.message);
}

/// F1 as the document writes it, with its sigmoid by name and by hand, and the loss that nn has: of right and wrong answers.
BOOST_AUTO_TEST_CASE(p2_p3_f01) {
    const std::vector<double> points = grid<double>();
    const Parameter z(array_of(points));
    const auto f1 = [](const Variable& a, const Variable& y) { return -(y * log(a) + (1 - y) * log(1 - a)); };
    const std::function<Variable(const Variable&)> losses[] = {
        [&](const Variable& y) { return f1(sigmoid(z), y); },
        [&](const Variable& y) { return f1(1 / (1 + exp(-z)), y); },
        [&](const Variable& y) { return nn::log_loss(sigmoid(z), y, nn::Reduction::none); }};
    for (const double label : {0.0, 1.0}) {
        const Variable y(Array::filled(z.shape(), float64, label));
        for (const auto& loss : losses) {
            const Variable recorded = loss(y), slopes = grad(sum(recorded), z);
            const NoGrad constant;
            const Variable unrecorded = loss(y);
            for (std::size_t i = 0; i < points.size(); ++i) {
                const auto at = static_cast<Index>(i);
                const Real towards_wrong = label == 1 ? -points[i] : points[i];
                const std::string what = "F1 of label " + std::to_string(label) + " at " + std::to_string(points[i]);
                check_number<double>(recorded.array().at(at), softplus_of(towards_wrong), few, what);
                check_number<double>(unrecorded.array().at(at), softplus_of(towards_wrong), few, what + " unrecorded");
                check_number<double>(slopes.array().at(at), sigmoid_of(towards_wrong) * (label == 1 ? -1 : 1), few,
                                     "gradient of " + what);
            }
        }
    }
}

/// F6 as printed. It subtracts the numbers y z and log(e^z + 1), so that what is left has the last digit of the larger one.
BOOST_AUTO_TEST_CASE(p3_f06_as_printed) {
    const std::vector<double> points = grid<double>();
    const Parameter z(array_of(points));
    constexpr double epsilon = std::numeric_limits<double>::epsilon();
    for (const double label : {0.0, 1.0}) {
        const Variable y(Array::filled(z.shape(), float64, label));
        const Variable losses = -(y * z - log(exp(z) + 1)), slopes = grad(sum(losses), z);
        for (std::size_t i = 0; i < points.size(); ++i) {
            const Real towards_wrong = label == 1 ? -points[i] : points[i];
            const double loss = losses.array().at(static_cast<Index>(i)),
                         slope = slopes.array().at(static_cast<Index>(i));
            BOOST_TEST(std::fabs(loss - softplus_of(towards_wrong)) <=
                       few * epsilon * std::fmax(1, std::fabs(points[i])));
            BOOST_TEST(std::fabs(slope - sigmoid_of(towards_wrong) * (label == 1 ? -1 : 1)) <= few * epsilon);
        }
        const Variable mean_loss = -mean(y * z - log(exp(z) + 1));
        BOOST_TEST(std::isfinite(mean_loss.item()));
    }
}

BOOST_AUTO_TEST_SUITE_END()
