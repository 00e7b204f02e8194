#include <cmath>
#include <functional>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/xtensor.hpp>
#include <xtape/optim/adagrad.hpp>
#include <xtape/optim/adam.hpp>
#include <xtape/optim/curvature.hpp>
#include <xtape/optim/rmsprop.hpp>
#include <xtape/optim/sgd.hpp>

#include "support/closed_form.hpp"

using namespace xtape;
using closed_form::Numbers;

namespace {

const optim::CurvatureOptions exact{1e-9, 2000, 0};

bool near(double a, double b, double relative) { return std::abs(a - b) <= relative * std::abs(b); }

/// A symmetric matrix with these eigenvalues, in a basis of its own: D turned by the reflection 1 - 2 u u^T.
Numbers with_eigenvalues(const std::vector<double>& eigenvalues) {
    const auto n = static_cast<Index>(eigenvalues.size());
    Numbers u = closed_form::uniform({n, 1}, 7);
    double square = 0;
    for (double value : u.flat) square += value * value;
    const auto reflection = [&](Index i, Index j) { return (i == j ? 1 : 0) - 2 * u(i, 0) * u(j, 0) / square; };
    return Numbers(n, n, [&](Index i, Index j) {
        double total = 0;
        for (Index k = 0; k < n; ++k)
            total += reflection(i, k) * eigenvalues[static_cast<std::size_t>(k)] * reflection(k, j);
        return total;
    });
}

/// x^T H x / 2.
optim::RecordedLoss quadratic(const Parameter& x, const Variable& H) {
    return [&x, H] { return 0.5 * sum(x * matmul(H, x)); };
}

/// The largest eigenvalue of a symmetric matrix by Jacobi's rotations.
double jacobi_largest(Numbers a) {
    const Index n = a.rows();
    for (int sweep = 0; sweep < 60; ++sweep) {
        for (Index p = 0; p < n; ++p) {
            for (Index q = p + 1; q < n; ++q) {
                if (a(p, q) == 0) continue;
                const double angle = 0.5 * std::atan2(2 * a(p, q), a(q, q) - a(p, p));
                const double c = std::cos(angle), s = std::sin(angle);
                for (Index k = 0; k < n; ++k) {
                    const double x = a(k, p), y = a(k, q);
                    a(k, p) = c * x - s * y, a(k, q) = s * x + c * y;
                }
                for (Index k = 0; k < n; ++k) {
                    const double x = a(p, k), y = a(q, k);
                    a(p, k) = c * x - s * y, a(q, k) = s * x + c * y;
                }
            }
        }
    }
    double largest = a(0, 0);
    for (Index i = 1; i < n; ++i) largest = std::max(largest, a(i, i));
    return largest;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(optim_curvature)

BOOST_AUTO_TEST_CASE(quadratics) {
    const std::vector<std::pair<std::vector<double>, double>> cases = {
        {{3.1, 1, 0.5, 0.1, 0}, 3.1},   {{3.1, 3.0, 2.9, 0.1, 0.5}, 3.1},
        {{-5, 2, 1, 0.5, -0.25}, 2},  // the largest in magnitude is negative
        {{3, -3, 1, 0, 0}, 3},        // as large on either side
        {{-1, -2, -3, -4, -5}, -1},   // bends down everywhere
        {{1e-6, -4, -3, -2, -1}, 1e-6}, {{2, 2, 2, 2, 2}, 2},
    };
    for (const auto& [eigenvalues, largest] : cases) {
        const Parameter x = closed_form::uniform({5, 1}, 3).parameter();
        const optim::Curvature found =
            optim::largest_curvature(quadratic(x, with_eigenvalues(eigenvalues)), {const_cast<Parameter&>(x)}, exact);
        BOOST_TEST(found.converged);
        BOOST_TEST(std::abs(found.largest - largest) < 1e-9, found.largest << " should be " << largest);
    }
}

/// The matrix turned by a reflection has that reflection's columns as eigenvectors, whichever way they point.
BOOST_AUTO_TEST_CASE(directions_of_a_quadratic) {
    const std::vector<double> eigenvalues{0.5, 3.1, -4, 2.2, 0.1};
    const Numbers H = with_eigenvalues(eigenvalues), u = closed_form::uniform({5, 1}, 7);
    double square = 0;
    for (double value : u.flat) square += value * value;
    Parameter x = closed_form::uniform({5, 1}, 3).parameter();
    const auto found = optim::largest_curvature_directions(quadratic(x, H), {x}, 5, exact);
    const std::vector<std::size_t> order{1, 3, 0, 4, 2};  // the largest first
    BOOST_REQUIRE(found.size() == 5u);
    for (std::size_t k = 0; k < 5; ++k) {
        BOOST_TEST(found[k].curvature.converged);
        BOOST_TEST(std::abs(found[k].curvature.largest - eigenvalues[order[k]]) < 1e-8);
        double along = 0, length = 0;
        for (Index i = 0; i < 5; ++i) {
            const auto column = static_cast<Index>(order[k]);
            const double v = found[k].direction[0].at(i);
            along += v * ((i == column ? 1 : 0) - 2 * u(i, 0) * u(column, 0) / square);
            length += v * v;
        }
        BOOST_TEST(std::abs(length - 1) < 1e-12);
        BOOST_TEST(std::abs(std::abs(along) - 1) < 1e-9);
    }
    const auto loss = quadratic(x, H);
    BOOST_TEST(optim::largest_curvature_directions(loss, {x}, 1, exact)[0].curvature.largest ==
               optim::largest_curvature(loss, {x}, exact).largest);
    BOOST_CHECK_THROW(optim::largest_curvature_directions(loss, {x}, 6), ValueError);
    BOOST_CHECK_THROW(optim::largest_curvature_directions(loss, {x}, 0), ValueError);
}

BOOST_AUTO_TEST_CASE(default_tolerance_and_float32) {
    Parameter x(astype(Variable(closed_form::uniform({5, 1}, 3)), float32));
    const Variable H = astype(Variable(with_eigenvalues({3.1, 2, 1, 0.5, 0.1})), float32);
    const optim::Curvature found = optim::largest_curvature(quadratic(x, H), {x});
    BOOST_TEST(found.converged);
    BOOST_TEST(near(found.largest, 3.1, 1e-3));
    const optim::Curvature stopped = optim::largest_curvature(quadratic(x, H), {x}, {1e-12, 2});
    BOOST_TEST(!stopped.converged);
    BOOST_TEST(stopped.iterations == 2);
}

BOOST_AUTO_TEST_CASE(logistic_regression) {
    const Index m = 60, n = 8;
    const Numbers X = closed_form::uniform({m, n}, 1, -2, 2), y = closed_form::labels({m, 1}),
                  w = closed_form::uniform({n, 1}, 2);
    const double b0 = 0.3;
    Parameter W = w.parameter(), b(Variable(Numbers({1}, {b0})));
    const Variable x = X, t = y;
    const auto loss = [&] {
        const Variable a = sigmoid(matmul(x, W) + b);
        return -mean(t * log(a) + (1 - t) * log(1 - a));
    };

    // X^T diag(a (1 - a)) X / m, with a column of ones for b.
    const Numbers z = closed_form::times(X, w);
    const auto column = [&](Index i, Index j) { return j < n ? X(i, j) : 1; };
    const Numbers hessian(n + 1, n + 1, [&](Index j, Index k) {
        double total = 0;
        for (Index i = 0; i < m; ++i) {
            const double a = closed_form::sigmoid(z(i, 0) + b0);
            total += column(i, j) * a * (1 - a) * column(i, k);
        }
        return total / static_cast<double>(m);
    });
    const double expected = jacobi_largest(hessian);
    const optim::Curvature found = optim::largest_curvature(loss, {W, b}, exact);
    BOOST_TEST(near(found.largest, expected, 1e-10), found.largest << " should be " << expected);
    BOOST_TEST(near(optim::largest_curvature(loss, {W, b}).largest, expected, 1e-3));

    // What only W sees is the block without the ones.
    const Numbers block(n, n, [&](Index j, Index k) { return hessian(j, k); });
    BOOST_TEST(near(optim::largest_curvature(loss, {W}, exact).largest, jacobi_largest(block), 1e-10));
}

BOOST_AUTO_TEST_CASE(parameters_and_gradients_stay) {
    Parameter x = closed_form::uniform({5, 1}, 3).parameter();
    x.set_grad(Array::filled({5, 1}, float64, 7));
    const Array before = x.array();
    optim::largest_curvature(quadratic(x, with_eigenvalues({1, 2, 3, 4, 5})), {x});
    BOOST_TEST(x.array().data<double>() == before.data<double>());
    BOOST_TEST(x.grad().at(4) == 7);
}

/// As the steps of a method see it: S^1/2 H S^1/2 by hand, with the scales of its definition.
BOOST_AUTO_TEST_CASE(scaled_as_the_optimiser_steps) {
    const Numbers H = with_eigenvalues({4, 3, 2, 1, 0.5}), g1 = closed_form::uniform({5, 1}, 11),
                  g2 = closed_form::uniform({5, 1}, 12);
    const auto expected = [&](const std::function<double(double, double)>& scale) {
        return jacobi_largest(Numbers(5, 5, [&](Index i, Index j) {
            return std::sqrt(scale(g1(i, 0), g2(i, 0))) * H(i, j) * std::sqrt(scale(g1(j, 0), g2(j, 0)));
        }));
    };
    const auto measured = [&](auto make) {
        Parameter x = closed_form::uniform({5, 1}, 3).parameter();
        auto optimizer = make(optim::ParameterList{x});
        optimizer.step(std::vector<Variable>{Variable(g1)});
        optimizer.step(std::vector<Variable>{Variable(g2)});
        return optim::largest_curvature(quadratic(x, H), optimizer, exact).largest;
    };
    BOOST_TEST(near(measured([](auto p) { return optim::SGD(p, {0.1, 0.9}); }), 4, 1e-9));
    BOOST_TEST(near(measured([](auto p) {
                        return optim::Adam(p, {1e-2, 0, 0.9, 0.99, 1e-8});
                    }),
                    expected([](double a, double b) {
                        return 1 / (std::sqrt((0.99 * 0.01 * a * a + 0.01 * b * b) / (1 - 0.99 * 0.99)) + 1e-8);
                    }),
                    1e-8));
    BOOST_TEST(near(
        measured([](auto p) {
            return optim::RMSProp(p, {1e-2, 0.5, 0, 0.9, 1e-8});
        }),
        expected([](double a, double b) { return 1 / (std::sqrt(0.9 * 0.1 * a * a + 0.1 * b * b) + 1e-8); }), 1e-8));
    BOOST_TEST(near(measured([](auto p) {
                        return optim::RMSProp(p, {1e-2, 0, 0, 0.9, 1e-8, true});
                    }),
                    expected([](double a, double b) {
                        const double mean = 0.9 * 0.1 * a + 0.1 * b;
                        return 1 / (std::sqrt(0.9 * 0.1 * a * a + 0.1 * b * b - mean * mean) + 1e-8);
                    }),
                    1e-8));
    BOOST_TEST(near(measured([](auto p) {
                        return optim::Adagrad(p, {1e-2, 0, 0.5});
                    }),
                    expected([](double a, double b) { return 1 / 1.5 / (std::sqrt(a * a + b * b) + 1e-10); }), 1e-8));

    Parameter slow = closed_form::uniform({5, 1}, 3).parameter(), fast = closed_form::uniform({1}, 4).parameter();
    optim::SGD groups({fast}, 0.1);
    groups.add_group({slow}, /*rate_factor*/ 0.25, 0);
    const auto both = [&] { return quadratic(slow, H)() + 0.4 * sum(square(fast)); };
    BOOST_TEST(near(optim::largest_curvature(both, groups, exact).largest, 1, 1e-9));  // 4 / 4 against 0.8
}

/// Bounds: on a quadratic of curvature 1 a step just below its bound comes to rest, one just above grows.
BOOST_AUTO_TEST_CASE(stability_bounds) {
    const auto stays = [](auto make, double rate) {
        Parameter x = xt::xarray<double>{1.0};
        auto optimizer = make(optim::ParameterList{x}, rate);
        double largest = 0;
        for (int i = 0; i < 6000; ++i) {
            optimizer.step(std::vector<Variable>{Variable(x.array())});
            if (i > 4000) largest = std::max(largest, std::abs(x.item()));
        }
        return largest < 1;
    };
    const auto holds = [&](auto make) {
        Parameter x = xt::xarray<double>{1.0};
        const double bound = make(optim::ParameterList{x}, 0.1).stability_bound().value();
        return stays(make, 0.995 * bound) && !stays(make, 1.005 * bound);
    };
    BOOST_TEST(holds([](auto p, double rate) { return optim::SGD(p, rate); }));
    BOOST_TEST(holds([](auto p, double rate) { return optim::SGD(p, {rate, 0.9}); }));
    BOOST_TEST(holds([](auto p, double rate) { return optim::SGD(p, {rate, 0.9, true}); }));
    Parameter x = xt::xarray<double>{1.0};
    BOOST_TEST(near(optim::Adam({x}).stability_bound().value(), 38, 1e-12));
    BOOST_TEST(near(optim::RMSProp({x}, {0.1, 0.5}).stability_bound().value(), 3, 1e-12));
    BOOST_TEST(optim::Adagrad({x}).stability_bound().value() == 2);
}

BOOST_AUTO_TEST_CASE(losses_without_curvature) {
    Parameter x = closed_form::uniform({5, 1}, 3).parameter();
    const optim::Curvature linear = optim::largest_curvature([&] { return sum(3 * x); }, {x});
    BOOST_TEST(linear.largest == 0);
    BOOST_TEST(linear.converged);
    const optim::Curvature broken = optim::largest_curvature([&] { return sum(sqrt(x - 10)); }, {x});
    BOOST_TEST(std::isnan(broken.largest));
    BOOST_TEST(!broken.converged);
}

BOOST_AUTO_TEST_CASE(arguments_out_of_range) {
    Parameter x = closed_form::uniform({5, 1}, 3).parameter();
    const auto loss = [&] { return sum(square(x)); };
    BOOST_CHECK_THROW(optim::largest_curvature(loss, optim::ParameterList{}), ValueError);
    BOOST_CHECK_THROW(optim::largest_curvature(loss, {x}, {0}), ValueError);
    BOOST_CHECK_THROW(optim::largest_curvature(loss, {x}, {1e-3, 0}), ValueError);
    BOOST_CHECK_THROW(optim::largest_curvature([&] { return square(x); }, {x}), TapeError);
    BOOST_CHECK_THROW(optim::largest_curvature(loss, optim::Adam({x})), ValueError);  // has made no step
    const NoGrad constant;
    BOOST_CHECK_THROW(optim::largest_curvature(loss, {x}), TapeError);
}

BOOST_AUTO_TEST_SUITE_END()
