#include "support/counting.hpp"

#include <cmath>
#include <limits>

#include <xtape/autograd/kernels/gemm.hpp>
#include <xtape/autograd/xtensor.hpp>

using namespace xtape;
using namespace xtape::testing;

namespace {

/// Between -1 and 1.
Variable waves(const Shape& shape, DType dtype = float64, double speed = 0.7) {
    return sin(counting(shape, dtype) * speed);
}

/// Operands of every rank; batches that broadcast either way and both.
const std::vector<std::pair<Shape, Shape>> shapes_of_operands{
    {{3}, {3}},
    {{1}, {1}},
    {{0}, {0}},
    {{2, 3}, {3}},
    {{3}, {3, 2}},
    {{2, 3}, {3, 4}},
    {{1, 3}, {3, 1}},
    {{1, 1}, {1, 5}},
    {{3, 1}, {1, 2}},
    {{2, 0}, {0, 3}},
    {{0, 2}, {2, 3}},
    {{2, 3}, {3, 0}},
    {{0}, {0, 2}},
    {{2, 2, 3}, {3}},
    {{3}, {2, 3, 2}},
    {{2, 2, 3}, {3, 2}},
    {{2, 3}, {4, 3, 2}},
    {{4, 2, 3}, {4, 3, 2}},
    {{1, 2, 3}, {4, 3, 2}},
    {{4, 2, 3}, {1, 3, 2}},
    {{5, 1, 2, 3}, {4, 3, 2}},
    {{4, 2, 3}, {5, 1, 3, 2}},
    {{2, 1, 2, 3}, {1, 4, 3, 2}},
    {{0, 2, 3}, {3, 2}},
    {{0, 2, 3}, {1, 3, 2}},
    {{2, 2, 0}, {0, 3}},
    {{2, 3, 2, 5}, {5}},
};

/// Large enough to be cut along rows, columns or the summed axis, and batches shared among threads.
const std::vector<std::pair<Shape, Shape>> large_shapes{
    {{700, 130}, {130, 140}},  {{130, 90}, {90, 1500}}, {{31, 40009}, {40009, 17}},   {{300001}, {300001}},
    {{2001, 1030}, {1030}},    {{1030}, {1030, 2001}},  {{50, 30, 20}, {50, 20, 30}}, {{3, 300, 70}, {70, 200}},
    {{300, 70}, {3, 70, 200}}, {{1200, 70}, {70, 530}}, {{10, 4001}, {4001, 2003}},   {{5, 100003}, {100003}},
    {{100003}, {100003, 5}},
};

/// numpy.matmul as loops.
Values product_of(const Variable& a, const Variable& b, Shape& shape) {
    Shape of_a = a.shape(), of_b = b.shape();
    if (a.rank() == 1) of_a.insert(0, 1);
    if (b.rank() == 1) of_b.push_back(1);
    const Index m = of_a[of_a.rank() - 2], k = of_a.back(), n = of_b.back();
    shape = Shape::filled(std::max(of_a.rank(), of_b.rank()) - 2, 1);
    for (const Shape& operand : {of_a, of_b})
        for (Index axis = 0; axis < operand.rank() - 2; ++axis)
            if (operand[axis] != 1) shape[shape.rank() - (operand.rank() - 2) + axis] = operand[axis];

    const auto matrix = [&](const Shape& operand, const Position& batch) {
        Index number = 0;
        for (Index axis = 0; axis < operand.rank() - 2; ++axis) {
            const Index at = batch[static_cast<std::size_t>(shape.rank() - (operand.rank() - 2) + axis)];
            number = number * operand[axis] + (operand[axis] == 1 ? 0 : at);
        }
        return number;
    };
    const Values from_a = values(a), from_b = values(b);
    Values result;
    for (Index batch = 0; batch < shape.count(); ++batch) {
        const Index first_a = matrix(of_a, position(batch, shape)) * m * k;
        const Index first_b = matrix(of_b, position(batch, shape)) * k * n;
        for (Index i = 0; i < m; ++i) {
            Values row(static_cast<std::size_t>(n), 0.0);
            for (Index j = 0; j < k; ++j)
                for (Index l = 0; l < n; ++l)
                    row[static_cast<std::size_t>(l)] += from_a[static_cast<std::size_t>(first_a + i * k + j)] *
                                                        from_b[static_cast<std::size_t>(first_b + j * n + l)];
            result.insert(result.end(), row.begin(), row.end());
        }
    }
    if (a.rank() > 1) shape.push_back(m);
    if (b.rank() > 1) shape.push_back(n);
    return result;
}

bool close(const Variable& y, const Values& expected, double tolerance) {
    const Values got = values(y);
    return std::equal(got.begin(), got.end(), expected.begin(), expected.end(),
                      [&](double a, double b) { return std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b)); });
}

void check_matmul(const Shape& a, const Shape& b) {
    for (const DType dtype : {float32, float64}) {
        const Variable x = waves(a, dtype), w = waves(b, dtype, 0.3);
        Shape shape;
        const Values expected = product_of(x, w, shape);
        const Variable y = matmul(x, w);
        const std::string label = to_string(a) + " x " + to_string(b) + " in " + name_of(dtype);
        BOOST_TEST(to_string(y.shape()) == to_string(shape), label);
        BOOST_TEST(close(y, expected, dtype == float32 ? 1e-4 : 1e-11), label);
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_linalg)

BOOST_AUTO_TEST_CASE(matmul_is_numpys_in_every_rank) {
    for (const auto& [a, b] : shapes_of_operands) check_matmul(a, b);
    for (const auto& [a, b] : large_shapes) check_matmul(a, b);
}

BOOST_AUTO_TEST_CASE(known_products) {
    const Variable a = counting({2, 3}), b = counting({3, 2}), v = counting({3});
    check(matmul(a, b), {2, 2}, {10, 13, 28, 40});
    check(matmul(a, v), {2}, {5, 14});
    check(matmul(v, b), {2}, {10, 13});
    check(matmul(v, v), {}, {5});
    check(dot(v, v), {}, {5});
    check(dot(counting({0}), counting({0})), {}, {0});
    check(outer(v, counting({2})), {3, 2}, {0, 0, 0, 1, 0, 2});
    check(outer(counting({0}), v), {0, 3}, {});
}

BOOST_AUTO_TEST_CASE(transposed_flags_are_transposes) {
    for (const auto& [m, n, k] : std::vector<std::tuple<Index, Index, Index>>{
             {3, 4, 5}, {1, 4, 5}, {3, 1, 5}, {300, 500, 70}, {17, 31, 40009}, {1030, 1, 2001}}) {
        const Variable a = waves({m, k}), b = waves({k, n}, float64, 0.3);
        const Array at = transpose(a).array(), bt = transpose(b).array();
        const Values expected = values(matmul(a, b));
        BOOST_TEST(close(kernels::matmul(at, true, b.array(), false), expected, 1e-11));
        BOOST_TEST(close(kernels::matmul(a.array(), false, bt, true), expected, 1e-11));
        BOOST_TEST(close(kernels::matmul(at, true, bt, true), expected, 1e-11));
    }
}

BOOST_AUTO_TEST_CASE(gradients_are_products) {
    // The gradient of sum(g * (A B)) is g B^T and A^T g, by loops.
    for (const auto& [m, n, k] :
         std::vector<std::tuple<Index, Index, Index>>{{3, 4, 5}, {200, 300, 150}, {20000, 6, 7}}) {
        const Parameter a(waves({m, k})), b(waves({k, n}, float64, 0.3));
        const Variable g = waves({m, n}, float64, 1.1);
        const auto [da, db] = grad(sum(g * matmul(a, b)), a, b);
        Shape shape;
        BOOST_TEST(close(da, product_of(g, transpose(Variable(b)), shape), 1e-11));
        BOOST_TEST(close(db, product_of(transpose(Variable(a)), g, shape), 1e-11));
    }
    for (const auto& [a, b] : shapes_of_operands)
        check_both_orders([](const Variable& x, const Variable& w) { return matmul(x, w); },
                          {waves(a), waves(b, float64, 0.3)});
    check_both_orders([](const Variable& x) { return matmul(matmul(x, x), x); }, {waves({3, 3})});
    check_both_orders([](const Variable& x, const Variable& y) { return dot(x, y) * outer(x, y); },
                      {waves({3}), waves({3})});
}

BOOST_AUTO_TEST_CASE(linear_is_a_product_and_a_bias) {
    for (const DType dtype : {float32, float64}) {
        for (const auto& [x_shape, out] : std::vector<std::pair<Shape, Index>>{{{4, 3}, 2},
                                                                               {{3}, 2},
                                                                               {{2, 5, 3}, 4},
                                                                               {{100, 16}, 1},
                                                                               {{1, 33}, 70},
                                                                               {{130, 784}, 129},
                                                                               {{3, 0}, 2}}) {
            const Variable x = waves(x_shape, dtype), w = waves({x_shape.back(), out}, dtype, 0.3);
            const Variable bias = waves({out}, dtype, 1.9);
            Shape shape;
            Values expected = product_of(x, w, shape);
            for (std::size_t i = 0; i < expected.size(); ++i)
                expected[i] += bias.array().at(static_cast<Index>(i) % out);
            const Variable y = linear(x, w, bias), rectified = linear_relu(x, w, bias);
            BOOST_TEST(to_string(y.shape()) == to_string(shape));
            BOOST_TEST(to_string(rectified.shape()) == to_string(shape));
            const double tolerance = dtype == float32 ? 1e-5 : 1e-12;
            BOOST_TEST(close(y, expected, tolerance));
            for (double& e : expected) e = std::max(e, 0.0);
            BOOST_TEST(close(rectified, expected, tolerance));
        }
    }
}

BOOST_AUTO_TEST_CASE(linear_relu_is_differentiated_as_its_parts) {
    const Parameter x(waves({40, 30}, float32)), w(waves({30, 50}, float32, 0.3)), bias(waves({50}, float32, 1.9));
    const Variable g = waves({40, 50}, float32, 1.1);
    const auto one = grad(sum(g * linear_relu(x, w, bias)), {x, w, bias});
    const auto parts = grad(sum(g * relu(linear(x, w, bias))), {x, w, bias});
    for (std::size_t i = 0; i < 3; ++i) BOOST_TEST(values(one[i]) == values(parts[i]));

    // Whoever looks at the tape sees what went into relu.
    const KeepOutputs looking;
    const Variable y = linear_relu(x, w, bias);
    const Node& before = *y.node()->arguments()[0].node();
    BOOST_TEST(before.name == std::string("linear"));
    BOOST_TEST(values(before.output) == values(linear(x, w, bias)));
}

BOOST_AUTO_TEST_CASE(linear_relu_keeps_nan) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const Variable x = Array::filled({3, 2}, float32, nan), w = Array::filled({2, 20}, float32, 0);
    const Variable bias = Array::filled({20}, float32, -1);
    for (const double y : values(linear_relu(x, w, bias))) BOOST_TEST(std::isnan(y));
}

BOOST_AUTO_TEST_CASE(same_bits_for_one_and_two_threads) {
    check_threads([] {
        std::vector<Variable> results;
        for (const auto& [a, b] : large_shapes) {
            const Parameter x(waves(a, float32)), w(waves(b, float32, 0.3));
            const Variable y = matmul(x, w);
            const auto [dx, dw] = grad(sum(y * y), x, w);
            results.insert(results.end(), {y, dx, dw});
        }
        const Variable bias = waves({540}, float32, 1.9);
        results.push_back(linear_relu(waves({300, 200}, float32), waves({200, 540}, float32, 0.3), bias));
        results.push_back(linear(waves({1, 100000}, float32), waves({100000, 54}, float32, 0.3), waves({54}, float32)));
        return results;
    });
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_named) {
    CHECK_SHAPE_ERROR(matmul(counting({1000, 64}), counting({4096, 1})),
                      "matmul: inner sizes differ: X (1000, 64) x W (4096, 1), 64 != 4096");
    CHECK_SHAPE_ERROR(matmul(counting({3}), counting({2})), "matmul: inner sizes differ: X (3,) x W (2,), 3 != 2");
    CHECK_SHAPE_ERROR(matmul(counting({2, 3}), counting({5, 2, 3})),
                      "inner sizes differ: X (2, 3) x W (5, 2, 3), 3 != 2");
    CHECK_SHAPE_ERROR(matmul(counting({}), counting({3})), "matmul: a scalar is no matrix: X () x W (3,)");
    CHECK_SHAPE_ERROR(matmul(counting({3}), counting({})), "matmul: a scalar is no matrix: X (3,) x W ()");
    CHECK_SHAPE_ERROR(
        matmul(counting({2, 2, 3}), counting({3, 3, 2})),
        "matmul: batch axes of X (2, 2, 3) x W (3, 3, 2): shapes do not broadcast: (2,) with (3,), 2 != 3");
    CHECK_SHAPE_ERROR(dot(counting({3}), counting({4})), "dot: sizes differ: (3,) . (4,), 3 != 4");
    CHECK_SHAPE_ERROR(dot(counting({3, 1}), counting({3})), "dot: needs two 1-D arrays: (3, 1) and (3,)");
    CHECK_SHAPE_ERROR(outer(counting({}), counting({3})), "outer: needs two 1-D arrays: () and (3,)");
    BOOST_CHECK_THROW(matmul(counting({2, 2}, float32), counting({2, 2}, float64)), DtypeError);
    CHECK_SHAPE_ERROR(linear(counting({2, 3}), counting({4, 5}), counting({5})),
                      "linear: inner sizes differ: X (2, 3), W (4, 5), bias (5,), 3 != 4");
    CHECK_SHAPE_ERROR(linear_relu(counting({2, 3}), counting({3, 5}), counting({4})),
                      "linear: the bias does not fit: X (2, 3), W (3, 5), bias (4,), 4 != 5");
    CHECK_SHAPE_ERROR(linear(counting({}), counting({3, 5}), counting({5})),
                      "linear: needs X (..., in), W (in, out) and bias (out,): X (), W (3, 5), bias (5,)");
    CHECK_SHAPE_ERROR(linear(counting({3}), counting({3}), counting({5})), "needs X (..., in), W (in, out)");
    CHECK_SHAPE_ERROR(linear(counting({3}), counting({3, 5}), counting({1, 5})), "and bias (out,)");
    BOOST_CHECK_THROW(linear(counting({2, 2}), counting({2, 2}), counting({2}, float32)), DtypeError);
    BOOST_CHECK_THROW(dot(counting({2}, float32), counting({2}, float64)), DtypeError);
}

BOOST_AUTO_TEST_SUITE_END()
