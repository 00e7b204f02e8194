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

#include "support/exact.hpp"

/// Problems P2 and P3 of the document, log(0) and exponentials that overflow: every spelling that docs/recognised.md lists is
/// exact to a few units in the last place from -1e4 to 1e4, in value and gradient, recorded or not.
using namespace xtape;
using namespace xtape::exact;

namespace {

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

}  // namespace

BOOST_AUTO_TEST_SUITE(problem_logarithms)

BOOST_AUTO_TEST_CASE(p2_p3_every_spelling_float64) {
    for (const Spelling& spelling : spellings) check_spelling<double>(spelling);
}

BOOST_AUTO_TEST_CASE(p2_p3_every_spelling_float32) {
    for (const Spelling& spelling : spellings) check_spelling<float>(spelling);
}

BOOST_AUTO_TEST_CASE(second_order_of_every_spelling) {
    const Variable z = xt::xarray<double>{-2.5, -0.75, 0.125, 1.5, 4};
    for (const Spelling& spelling : spellings) {
        const GradCheck verdict = gradient_check(spelling.as_written, {z});
        BOOST_TEST(verdict.ok, spelling.name << ": " << verdict.message);
    }
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
