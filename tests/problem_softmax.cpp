#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/check_grads.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/tape.hpp>
#include <xtape/autograd/xtensor.hpp>

#include "support/exact.hpp"

/// Problem P2 of the document for several classes: the logarithm of a softmax.
using namespace xtape;
using namespace xtape::exact;

namespace {

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

BOOST_AUTO_TEST_SUITE(problem_softmax)

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

BOOST_AUTO_TEST_CASE(second_order) {
    const Variable z = xt::xarray<double>{-2.5, -0.75, 0.125, 1.5, 4};
    const auto log_softmax_spelt = [](const Variable& x) {
        const Variable p = softmax(x);
        return log(p);
    };
    const GradCheck verdict = gradient_check(log_softmax_spelt, {z});
    BOOST_TEST(verdict.ok, verdict.message);
}

BOOST_AUTO_TEST_SUITE_END()
