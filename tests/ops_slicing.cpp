#include "support/counting.hpp"

#include <limits>

using namespace xtape;
using namespace xtape::testing;
using xt::placeholders::_;

BOOST_AUTO_TEST_SUITE(ops_slicing)

BOOST_AUTO_TEST_CASE(slice_by_hand) {
    const Variable x = counting({3, 4});
    check(slice(x, {1}), {4}, {4, 5, 6, 7});
    check(slice(x, {-1, -1}), {}, {11});
    check(slice(x, {range(0, 2), range(1, 3)}), {2, 2}, {1, 2, 5, 6});
    check(slice(x, {all(), range(0, 4, 2)}), {3, 2}, {0, 2, 4, 6, 8, 10});
    check(slice(x, {range(2, _, -1), range(_, _, -2)}), {3, 2}, {11, 9, 7, 5, 3, 1});
    check(slice(x, {range(_, _, -1), 0}), {3}, {8, 4, 0});
    check(slice(x, {newaxis(), 0, newaxis(), range(-2, _)}), {1, 1, 2}, {2, 3});
    check(slice(x, {ellipsis(), 2}), {3}, {2, 6, 10});
    check(slice(x, {0, ellipsis()}), {4}, {0, 1, 2, 3});
    check(slice(x, {0, ellipsis(), 1}), {}, {1});
    check(slice(x, {range(1, 100), range(-100, 1)}), {2, 1}, {4, 8});
    check(slice(x, {range(2, 1)}), {0, 4}, {});
    check(slice(x, {range(0, 3, 1000)}), {1, 4}, {0, 1, 2, 3});
    check(slice(x, {range(-1, -100, std::numeric_limits<Index>::min())}), {1, 4}, {8, 9, 10, 11});
    check(slice(counting({0, 2}), {range(_, _, -1)}), {0, 2}, {});
    check(slice(counting({}), {newaxis()}), {1}, {0});
    check(slice(counting({}), {}), {}, {0});
    BOOST_TEST(same_elements(slice(x, {}), x));
    BOOST_TEST(same_elements(slice(x, {range(0, 3), all()}), x));
    BOOST_TEST(same_elements(slice(x, {newaxis(), range(0, _)}), x));
}

BOOST_AUTO_TEST_CASE(slice_equals_the_plain_loop) {
    const Shape x{20, 70, 90};
    const Variable y = slice(counting(x), {range(18, 2, -3), range(1, _), range(_, 80, 2)});
    BOOST_TEST(moves(y, {6, 69, 40}, x, [](const Position& at) {
        return Position{18 - 3 * at[0], 1 + at[1], 2 * at[2]};
    }));
}

BOOST_AUTO_TEST_CASE(slice_errors) {
    const Variable x = counting({3, 4});
    CHECK_SHAPE_ERROR(slice(x, {3}), "slice: position out of range: 3 at axis 0 of X (3, 4), which has size 3");
    CHECK_SHAPE_ERROR(slice(x, {all(), -5}),
                      "slice: position out of range: -5 at axis 1 of X (3, 4), which has size 4");
    CHECK_SHAPE_ERROR(slice(x, {0, 0, 0}), "slice: more entries than axes: 3 > 2 for X (3, 4)");
    CHECK_SHAPE_ERROR(slice(x, {ellipsis(), ellipsis()}), "slice: more than one ellipsis: 2 > 1");
    CHECK_SHAPE_ERROR(slice(x, {all(), range(0, 2, 0)}), "slice: step is 0 at axis 1, which has size 4");
    CHECK_SHAPE_ERROR(slice(x, Slices(7, newaxis())), "slice: too many axes in the result: 9 > 8");
}

BOOST_AUTO_TEST_CASE(pad_by_hand_and_by_loop) {
    check(pad(counting({2, 2}), {{1, 0}, {0, 2}}, 9), {3, 4}, {9, 9, 9, 9, 0, 1, 9, 9, 2, 3, 9, 9});
    check(pad(counting({2}), {{2, 1}}), {5}, {0, 0, 0, 1, 0});
    check(pad(counting({2, 1}), {{0, 1}, {0, 0}}, -1), {3, 1}, {0, 1, -1});
    check(pad(counting({0, 2}), {{1, 1}, {0, 0}}, 7), {2, 2}, {7, 7, 7, 7});
    check(pad(counting({}), {}), {}, {0});
    const Variable x = counting({3, 4});
    BOOST_TEST(same_elements(pad(x, {{0, 0}, {0, 0}}), x));
    const Shape shape{5, 30, 40, 50};
    const Variable y = pad(counting(shape, float32), {{0, 0}, {2, 1}, {0, 3}, {4, 5}}, -3);
    BOOST_TEST(to_string(y.shape()) == "(5, 33, 43, 59)");
    bool right = true;
    for (Index i = 0; i < y.size(); ++i) {
        Position at = position(i, y.shape());
        at[1] -= 2, at[3] -= 4;
        const bool inside = at[1] >= 0 && at[1] < 30 && at[2] < 40 && at[3] >= 0 && at[3] < 50;
        right = right && y.array().at(i) == (inside ? static_cast<double>(element(at, shape)) : -3);
    }
    BOOST_TEST(right);
    CHECK_SHAPE_ERROR(pad(x, {{1, 1}}), "pad: not one pair of widths for each axis: 1 pairs for X (3, 4), 1 != 2");
    CHECK_SHAPE_ERROR(pad(x, {{0, 0}, {0, -1}}), "pad: negative width at axis 1: (0, -1)");
    CHECK_SHAPE_ERROR(pad(x, {{std::numeric_limits<Index>::max(), 0}, {0, 0}}), "pad: size too large at axis 0");
}

BOOST_AUTO_TEST_CASE(concatenate_and_stack) {
    const Variable a = counting({2, 2}), b = counting({2, 1});
    check(concatenate({a, b, a}, 1), {2, 5}, {0, 1, 0, 0, 1, 2, 3, 1, 2, 3});
    check(concatenate({a, a}), {4, 2}, {0, 1, 2, 3, 0, 1, 2, 3});
    check(concatenate({counting({0, 2}), a}, -2), {2, 2}, {0, 1, 2, 3});
    BOOST_TEST(same_elements(concatenate({a}), a));
    check(stack({a, a + 10.0}), {2, 2, 2}, {0, 1, 2, 3, 10, 11, 12, 13});
    check(stack({a, a + 10.0}, 1), {2, 2, 2}, {0, 1, 10, 11, 2, 3, 12, 13});
    check(stack({a, a + 10.0}, -1), {2, 2, 2}, {0, 10, 1, 11, 2, 12, 3, 13});
    check(stack({counting({}), counting({}) + 1.0}), {2}, {0, 1});
    CHECK_SHAPE_ERROR(concatenate({}), "concatenate: no arrays: the list has 0 entries");
    CHECK_SHAPE_ERROR(concatenate({counting({}), counting({})}), "concatenate: axis 0");
    CHECK_SHAPE_ERROR(concatenate({a, b}), "concatenate: sizes differ at axis 1: X[0] (2, 2) and X[1] (2, 1), 2 != 1");
    CHECK_SHAPE_ERROR(concatenate({a, counting({2})}), "concatenate: ranks differ: X[0] (2, 2) and X[1] (2,), 2 != 1");
    CHECK_SHAPE_ERROR(stack({}), "stack: no arrays");
    CHECK_SHAPE_ERROR(stack({a, b}), "stack: sizes differ at axis 1");
    BOOST_CHECK_THROW(concatenate({a, counting({2, 2}, float32)}), DtypeError);
}

BOOST_AUTO_TEST_CASE(split_undoes_concatenate) {
    const Variable x = counting({2, 6});
    const auto halves = split(x, 2, 1);
    BOOST_TEST(halves.size() == 2u);
    check(halves[1], {2, 3}, {3, 4, 5, 9, 10, 11});
    const auto pieces = split(x, Shape{1, 5, 0}, -1);
    BOOST_TEST(pieces.size() == 3u);
    check(pieces[0], {2, 1}, {0, 6});
    check(pieces[2], {2, 0}, {});
    check(concatenate(pieces, 1), {2, 6}, values(x));
    BOOST_TEST(same_elements(split(x, 1)[0], x));
    CHECK_SHAPE_ERROR(split(x, 4, 1), "split: axis 1 of X (2, 6) does not divide: 6 into 4 parts leaves 2");
    CHECK_SHAPE_ERROR(split(x, 0, 1), "split: fewer than one part: 0 < 1");
    CHECK_SHAPE_ERROR(split(x, Shape{1, 2}, 1), "split: sizes (1, 2) do not add up to axis 1 of X (2, 6): 3 != 6");
    CHECK_SHAPE_ERROR(split(x, Shape{5, 2}, 1), "split: sizes (5, 2) exceed axis 1 of X (2, 6): more than 6");
    CHECK_SHAPE_ERROR(split(x, Shape{7, -1}, 1), "split: sizes (7, -1) exceed");
    CHECK_SHAPE_ERROR(split(x, Shape{-1, 7}, 1), "split: negative size: -1 in (-1, 7)");
}

BOOST_AUTO_TEST_CASE(rules_are_the_adjoints) {
    const Shape shape{2, 3, 4};
    check_adjoint([](const Variable& x) { return slice(x, {range(_, _, -1), 1, range(0, _, 3)}); }, shape);
    check_adjoint([](const Variable& x) { return slice(x, {1, newaxis(), range(1, 3)}); }, shape);
    check_adjoint([](const Variable& x) { return slice(x, {range(2, 1)}); }, shape);
    check_adjoint([](const Variable& x) { return slice(x, {newaxis()}); }, shape);
    check_adjoint([](const Variable& x) { return pad(x, {{1, 0}, {0, 2}, {1, 1}}, 5); }, shape);
    check_adjoint([](const Variable& x) { return concatenate({x, 2.0 * x, x}, 1); }, shape);
    check_adjoint([](const Variable& x) { return stack({x, 3.0 * x}, 2); }, shape);
    check_adjoint([](const Variable& x) { return split(x, Shape{1, 2}, 1)[1]; }, shape);
}

BOOST_AUTO_TEST_CASE(gradients_at_both_orders) {
    const Variable x = counting({2, 3, 4}) * 0.1 + 0.3, y = counting({2, 1, 4}) * 0.2 - 0.7;
    check_both_orders(
        [](const Variable& a) {
            return square(slice(square(a), {range(_, _, -1), range(0, 3, 2), 1}));
        },
        {x});
    check_both_orders([](const Variable& a) { return square(slice(a, {ellipsis(), newaxis(), range(1, 3)})); }, {x});
    check_both_orders([](const Variable& a) { return square(pad(square(a), {{1, 0}, {0, 2}, {1, 1}}, 0.5)); }, {x});
    check_both_orders(
        [](const Variable& a, const Variable& b) {
            return square(concatenate({a, b, square(a)}, 1));
        },
        {x, y});
    check_both_orders([](const Variable& a) { return square(stack({a, square(a)}, -1)); }, {x});
    check_both_orders([](const Variable& a) { return square(split(a, 3, 1)[1]) * split(a, Shape{2, 1}, 1)[1]; }, {x});
    check_both_orders(
        [c = counting({2, 3, 4}, float32)](const Variable& a) {
            return square(concatenate({c, a}));
        },
        {x});
}

BOOST_AUTO_TEST_CASE(nothing_is_recorded_where_nothing_happens) {
    const Parameter p(counting({2, 3}));
    const Variable x = p;
    for (const Variable& y : {slice(x, {}), pad(x, {{0, 0}, {0, 0}}), concatenate({x}), split(x, 1)[0]})
        BOOST_TEST((y.node() == x.node()));
    BOOST_TEST(!concatenate({counting({2}), counting({2})}).requires_grad());
    const NoGrad guard;
    BOOST_TEST(!concatenate({x, x}).requires_grad());
}

BOOST_AUTO_TEST_CASE(lists_are_freed_with_the_tape) {
    const Parameter a(counting({2})), b(counting({2}));
    const Variable loss = sum(square(concatenate({a, b, counting({1})})));
    loss.backward();
    check(a.grad(), {2}, {0, 2});
    check(b.grad(), {2}, {0, 2});
    BOOST_CHECK_THROW(loss.backward(), TapeError);
}

BOOST_AUTO_TEST_CASE(same_bits_for_one_and_two_threads) {
    check_threads([] {
        const Variable x = counting({40, 30, 70}, float32) * 0.1;
        return std::vector<Variable>{slice(x, {range(_, _, -2)}), slice(x, {all(), all(), range(1, _, 3)}),
                                     pad(x, {{1, 2}, {0, 1}, {3, 0}}, 1), concatenate({x, x}, 1), stack({x, x}, 3)};
    });
}

BOOST_AUTO_TEST_SUITE_END()
