#include "support/counting.hpp"

#include <xtensor/xarray.hpp>

using namespace xtape;
using namespace xtape::testing;

namespace {

// Any integers in [0, size), the same everywhere.
IntArray scattered(const std::vector<std::size_t>& shape, Index size) {
    IntArray result = IntArray::from_shape(shape);
    std::uint32_t state = 12345;
    for (std::int64_t& index : result) {
        state = state * 1664525u + 1013904223u;
        index = static_cast<std::int64_t>(state >> 8) % size;
    }
    return result;
}

IntArray no_indices(const std::vector<std::size_t>& shape) { return IntArray::from_shape(shape); }

// One index for each row; xtensor takes {{2}, {0}} for a list of two numbers.
IntArray column(std::initializer_list<std::int64_t> indices) {
    IntArray result = no_indices({indices.size(), 1});
    std::copy(indices.begin(), indices.end(), result.begin());
    return result;
}

Variable fractions(const Shape& shape, DType dtype) { return counting(shape, dtype) * 0.37 - 1.5; }

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_indexing)

BOOST_AUTO_TEST_CASE(take_by_hand) {
    const Variable x = counting({3, 2});
    check(take(x, IntArray{2, 0, -1}), {3, 2}, {4, 5, 0, 1, 4, 5});
    check(take(x, IntArray{1, 1}, 1), {3, 2}, {1, 1, 3, 3, 5, 5});
    check(take(x, IntArray{{0, -1}}, -1), {3, 1, 2}, {0, 1, 2, 3, 4, 5});
    check(take(x, IntArray(std::int64_t{1})), {2}, {2, 3});
    check(take(counting({4}), IntArray{{3, 0}, {1, -3}}), {2, 2}, {3, 0, 1, 1});
    check(take(x, no_indices({0})), {0, 2}, {});
    check(take(counting({0, 2}), no_indices({0})), {0, 2}, {});
    check(take(counting({2, 0}), IntArray{1, 1, 0}), {3, 0}, {});
    CHECK_SHAPE_ERROR(take(x, IntArray{0, 3}),
                      "take: index out of range: 3 at position (1,) of the indices, axis 0 of X (3, 2) has size 3");
    CHECK_SHAPE_ERROR(take(x, IntArray{{0, 1}, {0, -3}}, 1),
                      "take: index out of range: -3 at position (1, 1) of the indices, axis 1 of X (3, 2) has size 2");
    CHECK_SHAPE_ERROR(take(counting({0, 2}), IntArray{0}), "take: index out of range: 0 at position (0,)");
    CHECK_SHAPE_ERROR(take(counting({}), IntArray{0}), "take: axis 0");
    CHECK_SHAPE_ERROR(take(x, no_indices({1, 1, 1, 1, 1, 1, 1, 0})), "take: too many axes in the result: 9 > 8");
    CHECK_SHAPE_ERROR(take(x, no_indices({1, 1, 1, 1, 1, 1, 1, 1, 0})), "take: too many axes");
}

BOOST_AUTO_TEST_CASE(take_and_its_gradient_equal_the_plain_loop) {
    const Shape shape{30, 50, 40};
    const IntArray indices = scattered({70}, 50);
    const Parameter x(counting(shape, float32));
    const Variable y = take(x, indices, 1);
    BOOST_TEST(moves(y, {30, 70, 40}, shape, [&](const Position& at) {
        return Position{at[0], indices(at[1]), at[2]};
    }));
    const Variable g = fractions(y.shape(), float32);
    Values expected(static_cast<std::size_t>(shape.count()));
    for (Index i = 0; i < y.size(); ++i) {
        Position at = position(i, y.shape());
        at[1] = indices(at[1]);
        expected[static_cast<std::size_t>(element(at, shape))] += g.array().at(i);
    }
    const Variable dx = grad(sum(g * y), x);
    double worst = 0;
    for (Index i = 0; i < dx.size(); ++i)
        worst = std::max(worst, std::abs(dx.array().at(i) - expected[static_cast<std::size_t>(i)]));
    BOOST_TEST(worst < 0.05);  // sums of a few numbers up to 3e4, rounded to 24 bits
}

BOOST_AUTO_TEST_CASE(take_along_axis_by_hand) {
    const Variable x = counting({2, 3});
    check(take_along_axis(x, column({2, 0}), 1), {2, 1}, {2, 3});
    check(take_along_axis(x, IntArray{{2, -1, 0, 1}}, 1), {2, 4}, {2, 2, 0, 1, 5, 5, 3, 4});
    check(take_along_axis(x, IntArray{{0, 1, 0}}, 0), {1, 3}, {0, 4, 2});
    check(take_along_axis(counting({1, 3}), column({0, 2}), 1), {2, 1}, {0, 2});
    check(take_along_axis(counting({2, 1, 2}), IntArray{{{1, 0}, {0, 0}, {1, 1}}}, 2), {2, 3, 2},
          {1, 0, 0, 0, 1, 1, 3, 2, 2, 2, 3, 3});
    check(take_along_axis(x, no_indices({2, 0}), 1), {2, 0}, {});
    CHECK_SHAPE_ERROR(take_along_axis(x, IntArray{0}, 1),
                      "take_along_axis: ranks differ: indices (1,) and X (2, 3), 1 != 2");
    CHECK_SHAPE_ERROR(take_along_axis(x, column({0, 0, 0}), 1), "take_along_axis: shapes do not broadcast");
    CHECK_SHAPE_ERROR(
        take_along_axis(x, column({0, 3}), 1),
        "take_along_axis: index out of range: 3 at position (1, 0) of the indices, axis 1 of X (2, 3) has size 3");
}

BOOST_AUTO_TEST_CASE(gather_by_hand) {
    const Variable x = counting({3, 2});
    check(gather(x, 0, IntArray{{2, 0}, {1, -1}}), {2, 2}, {4, 1, 2, 5});
    check(gather(x, 1, IntArray{{1, 1, 0}}), {1, 3}, {1, 1, 0});
    check(gather(x, -1, column({1, 0})), {2, 1}, {1, 2});
    check(gather(counting({4}), 0, IntArray{3, 3}), {2}, {3, 3});
    check(gather(x, 0, no_indices({0, 2})), {0, 2}, {});
    CHECK_SHAPE_ERROR(gather(x, 0, IntArray{{0, 0}, {0, 3}}),
                      "gather: index out of range: 3 at position (1, 1) of the indices, axis 0 of X (3, 2) has size 3");
    CHECK_SHAPE_ERROR(gather(x, 0, IntArray{{0, 0, 0}}),
                      "gather: indices exceed X at axis 1: (1, 3) and (3, 2), 3 > 2");
    CHECK_SHAPE_ERROR(gather(x, 0, IntArray{0}), "gather: ranks differ: indices (1,) and X (3, 2), 1 != 2");
    CHECK_SHAPE_ERROR(gather(counting({}), 0, IntArray(std::int64_t{0})), "gather: axis 0");
}

BOOST_AUTO_TEST_CASE(gather_equals_the_plain_loop_along_every_axis) {
    const Shape shape{20, 30, 40};
    for (Index axis = 0; axis < 3; ++axis) {
        std::vector<std::size_t> sizes{18, 29, 37};
        sizes[static_cast<std::size_t>(axis)] = 45;
        const IntArray index = scattered(sizes, shape[axis]);
        BOOST_TEST(moves(gather(counting(shape, float32), axis, index), Shape(sizes.begin(), sizes.end()), shape,
                         [&](Position at) {
                             at[static_cast<std::size_t>(axis)] = index(at[0], at[1], at[2]);
                             return at;
                         }));
    }
    const IntArray index = scattered({50000}, 1000);
    BOOST_TEST(moves(gather(counting({1000}), 0, index), {50000}, {1000},
                     [&](const Position& at) { return Position{index(at[0])}; }));
}

BOOST_AUTO_TEST_CASE(scatter_add_by_hand) {
    const Variable x = counting({3, 2}), source = counting({2, 2}) * 10.0 + 10.0;
    check(scatter_add(x, 0, IntArray{{0, 2}, {0, -1}}, source), {3, 2}, {0 + 10 + 30, 1, 2, 3, 4, 5 + 20 + 40});
    check(scatter_add(x, 1, IntArray{{1, 1}, {0, 1}}, source), {3, 2}, {0, 1 + 30, 2 + 30, 3 + 40, 4, 5});
    check(scatter_add(counting({2}), 0, IntArray{1, 1, 1}, counting({3})), {2}, {0, 4});
    check(scatter_add(x, 0, no_indices({0, 2}), counting({0, 2})), {3, 2}, {0, 1, 2, 3, 4, 5});
    check(x, {3, 2}, {0, 1, 2, 3, 4, 5});
    CHECK_SHAPE_ERROR(scatter_add(x, 0, IntArray{{0, 2}}, source),
                      "scatter_add: index and source differ in shape: (1, 2) != (2, 2)");
    CHECK_SHAPE_ERROR(scatter_add(x, 0, IntArray{{0, 2}, {0, 3}}, source),
                      "scatter_add: index out of range: 3 at position (1, 1)");
    BOOST_CHECK_THROW(scatter_add(x, 0, IntArray{{0, 2}, {0, 1}}, astype(source, float32)), DtypeError);
}

BOOST_AUTO_TEST_CASE(scatter_add_equals_the_plain_loop_along_every_axis) {
    const Shape shape{20, 30, 40};
    for (Index axis = 0; axis < 3; ++axis) {
        std::vector<std::size_t> sizes{18, 29, 37};
        sizes[static_cast<std::size_t>(axis)] = 45;
        const IntArray index = scattered(sizes, shape[axis]);
        const Variable source = counting(Shape(sizes.begin(), sizes.end()));
        Values expected(static_cast<std::size_t>(shape.count()), 1);
        for (Index i = 0; i < source.size(); ++i) {
            Position at = position(i, source.shape());
            at[static_cast<std::size_t>(axis)] = index(at[0], at[1], at[2]);
            expected[static_cast<std::size_t>(element(at, shape))] += source.array().at(i);
        }
        const Variable y = scatter_add(Array::filled(shape, float64, 1), axis, index, source);
        BOOST_TEST((values(y) == expected));  // integers below 2^53: exact in any order
    }
}

BOOST_AUTO_TEST_CASE(one_hot_by_hand) {
    const Variable y = one_hot(IntArray{2, 0}, 3);
    check(y, {2, 3}, {0, 0, 1, 1, 0, 0});
    BOOST_TEST((y.dtype() == float32));
    BOOST_TEST(!y.requires_grad());
    check(one_hot(column({1, 0}), 2, float64), {2, 1, 2}, {0, 1, 1, 0});
    check(one_hot(IntArray(std::int64_t{1}), 2), {2}, {0, 1});
    check(one_hot(no_indices({0}), 4), {0, 4}, {});
    CHECK_SHAPE_ERROR(one_hot(IntArray{0, 3}, 3),
                      "one_hot: label out of range: 3 at position (1,) of the labels, with 3 classes");
    CHECK_SHAPE_ERROR(one_hot(IntArray{-1}, 3),
                      "one_hot: label out of range: -1 at position (0,) of the labels, with 3 classes");
    CHECK_SHAPE_ERROR(one_hot(no_indices({0}), -1), "one_hot: negative number of classes: -1 < 0");
}

BOOST_AUTO_TEST_CASE(rules_are_the_adjoints) {
    const Shape shape{2, 3, 4};
    const IntArray places{{2, 0}, {-1, 1}}, index{{{2, 0, 2, 1}, {1, 1, 0, -1}}, {{0, 0, 0, 0}, {1, 2, 1, 2}}};
    check_adjoint([&](const Variable& x) { return take(x, places, 1); }, shape);
    check_adjoint([&](const Variable& x) { return take(x, places, -1); }, shape);
    check_adjoint([&](const Variable& x) { return gather(x, 1, index); }, shape);
    check_adjoint([&](const Variable& x) { return take_along_axis(x, index, 1); }, shape);
    check_adjoint([&](const Variable& x) { return take_along_axis(x, index, 1); }, {2, 3, 1});
    check_adjoint([&](const Variable& x) { return scatter_add(x, 1, index, counting({2, 2, 4})); }, shape);
    check_adjoint([&](const Variable& s) { return scatter_add(counting(shape), 1, index, s); }, {2, 2, 4});
}

BOOST_AUTO_TEST_CASE(gradients_at_both_orders) {
    const Variable x = counting({3, 4}) * 0.1 + 0.2, s = counting({2, 4}) * 0.3 - 1.0;
    const IntArray index{{2, 0, 2, 1}, {1, 0, 0, -1}};
    check_both_orders([&](const Variable& a) { return square(take(square(a), IntArray{1, 1, -1}, 1)); }, {x});
    check_both_orders([&](const Variable& a) { return square(gather(square(a), 0, index)); }, {x});
    check_both_orders(
        [&](const Variable& a) {
            return square(take_along_axis(square(a), IntArray{{3, 3, 0}}, 1));
        },
        {x});
    check_both_orders([&](const Variable& a, const Variable& b) { return square(scatter_add(a, 0, index, square(b))); },
                      {x, s});
}

BOOST_AUTO_TEST_CASE(scatter_add_leaves_shared_elements_alone) {
    const Parameter x(counting({3}));
    const Variable y = scatter_add(x, 0, IntArray{1, 1}, counting({2}) + 1.0);
    check(y, {3}, {0, 4, 2});
    check(x, {3}, {0, 1, 2});
}

BOOST_AUTO_TEST_CASE(same_bits_for_one_and_two_threads) {
    const IntArray rows = scattered({5000}, 300), places = scattered({5000, 40}, 300),
                   along = scattered({300, 400}, 40);
    check_threads([&] {
        const Parameter x(fractions({300, 40}, float32));
        const Variable g = fractions({5000, 40}, float32), short_g = fractions({300, 400}, float32);
        const Variable taken = take(x, rows), gathered = gather(x, 0, places), across = gather(x, 1, along);
        return std::vector<Variable>{taken,
                                     gathered,
                                     across,
                                     grad(sum(g * taken), x),
                                     grad(sum(g * gathered), x),
                                     grad(sum(short_g * across), x)};
    });
}

BOOST_AUTO_TEST_SUITE_END()
