#include "support/counting.hpp"

using namespace xtape;
using namespace xtape::testing;

namespace {

void check_permute(const Shape& shape, const Shape& permutation, DType dtype = float32) {
    Shape result;
    for (Index axis : permutation) result.push_back(shape[axis]);
    const auto source = [&](const Position& at) {
        Position from(at.size());
        for (std::size_t i = 0; i < at.size(); ++i)
            from[static_cast<std::size_t>(permutation[static_cast<Index>(i)])] = at[i];
        return from;
    };
    BOOST_TEST(moves(permute(counting(shape, dtype), permutation), result, shape, source),
               to_string(shape) + " by " + to_string(permutation));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_movement)

BOOST_AUTO_TEST_CASE(reshape_shares_elements) {
    const Variable x = counting({2, 3, 4});
    const Variable y = reshape(x, {4, -1});
    check(y, {4, 6}, values(x));
    BOOST_TEST(same_elements(x, y));
    check(reshape(counting({}), {1, 1}), {1, 1}, {0});
    check(reshape(counting({1}), {}), {}, {0});
    check(reshape(counting({0, 3}), {3, 0}), {3, 0}, {});
    check(reshape(counting({4}), {-1}), {4}, {0, 1, 2, 3});
    CHECK_SHAPE_ERROR(reshape(x, {5, -1}), "reshape: 24 elements of (2, 3, 4) do not fill (5, -1)");
    CHECK_SHAPE_ERROR(reshape(x, {-1, -1}), "reshape: (-1, -1) is not a shape");
}

BOOST_AUTO_TEST_CASE(flatten_squeeze_and_expand_dims_share_elements) {
    const Variable x = counting({2, 1, 3, 1});
    BOOST_TEST(to_string(flatten(x).shape()) == "(6,)");
    BOOST_TEST(to_string(flatten(x, 1).shape()) == "(2, 3)");
    BOOST_TEST(to_string(flatten(x, -1).shape()) == "(2, 1, 3, 1)");
    BOOST_TEST(to_string(flatten(counting({})).shape()) == "(1,)");
    BOOST_TEST(to_string(flatten(counting({0, 2, 3}), 1).shape()) == "(0, 6)");
    BOOST_TEST(to_string(squeeze(x).shape()) == "(2, 3)");
    BOOST_TEST(to_string(squeeze(x, -1).shape()) == "(2, 1, 3)");
    BOOST_TEST(to_string(squeeze(x, {1, 3}).shape()) == "(2, 3)");
    BOOST_TEST(to_string(squeeze(counting({1, 1})).shape()) == "()");
    BOOST_TEST(to_string(squeeze(counting({})).shape()) == "()");
    BOOST_TEST(to_string(expand_dims(x, 0).shape()) == "(1, 2, 1, 3, 1)");
    BOOST_TEST(to_string(expand_dims(x, -1).shape()) == "(2, 1, 3, 1, 1)");
    BOOST_TEST(to_string(expand_dims(counting({}), 0).shape()) == "(1,)");
    for (const Variable& y : {flatten(x), squeeze(x), expand_dims(x, 2)}) {
        BOOST_TEST(same_elements(x, y));
        BOOST_TEST(values(y) == values(x));
    }
    CHECK_SHAPE_ERROR(squeeze(x, 0), "squeeze: axis 0 of X (2, 1, 3, 1) has not size 1: 2 != 1");
    CHECK_SHAPE_ERROR(expand_dims(x, 5), "expand_dims: axis 5");
    CHECK_SHAPE_ERROR(expand_dims(counting({1, 1, 1, 1, 1, 1, 1, 1}), 0),
                      "expand_dims: too many axes in the result: 9 > 8");
    CHECK_SHAPE_ERROR(flatten(x, 4), "flatten: axis 4");
}

BOOST_AUTO_TEST_CASE(transpose_by_hand) {
    check(transpose(counting({2, 3})), {3, 2}, {0, 3, 1, 4, 2, 5});
    check(transpose(counting({2, 1, 2})), {2, 1, 2}, {0, 2, 1, 3});
    check(permute(counting({2, 2, 2}), {2, 0, 1}), {2, 2, 2}, {0, 2, 4, 6, 1, 3, 5, 7});
    check(permute(counting({2, 3}), {-1, 0}), {3, 2}, {0, 3, 1, 4, 2, 5});
    check(transpose(counting({})), {}, {0});
    check(transpose(counting({0, 3})), {3, 0}, {});
    const Variable row = counting({1, 5}), x = counting({2, 3});
    BOOST_TEST(same_elements(transpose(row), row));
    BOOST_TEST(same_elements(permute(x, {0, 1}), x));
    CHECK_SHAPE_ERROR(permute(x, {0, 1, 2}), "permute: not one entry for each axis: (0, 1, 2) for X (2, 3), 3 != 2");
    CHECK_SHAPE_ERROR(permute(x, {0, 0}), "permute: axis 0 is named twice in (0, 0)");
    CHECK_SHAPE_ERROR(permute(x, {0, 2}), "permute: axis 2");
}

BOOST_AUTO_TEST_CASE(permute_equals_the_plain_loop) {
    for (DType dtype : {float32, float64}) {
        for (const Shape& shape : {Shape{5, 7}, Shape{16, 16}, Shape{17, 33}, Shape{1, 70}, Shape{3, 129},
                                   Shape{130, 2}, Shape{64, 256}, Shape{100, 1024}, Shape{1000, 1000}})
            check_permute(shape, {1, 0}, dtype);
        for (const Shape& permutation : {Shape{0, 2, 3, 1}, Shape{0, 3, 1, 2}, Shape{3, 2, 1, 0}, Shape{1, 0, 2, 3},
                                         Shape{2, 3, 0, 1}, Shape{0, 2, 1, 3}, Shape{3, 0, 2, 1}})
            check_permute({3, 19, 5, 21}, permutation, dtype);
    }
    check_permute({64, 32, 14, 14}, {0, 2, 3, 1});
    check_permute({64, 14, 14, 32}, {0, 3, 1, 2});
    check_permute({2, 3, 1, 2, 3, 2, 1, 2}, {7, 0, 6, 1, 5, 2, 4, 3});
}

BOOST_AUTO_TEST_CASE(broadcast_to_and_sum_to) {
    check(broadcast_to(counting({2, 1}), {3, 2, 2}), {3, 2, 2}, {0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1});
    check(broadcast_to(counting({3}), {2, 3}), {2, 3}, {0, 1, 2, 0, 1, 2});
    check(broadcast_to(counting({}), {2, 2}), {2, 2}, {0, 0, 0, 0});
    check(broadcast_to(counting({1, 3}), {0, 3}), {0, 3}, {});
    check(sum_to(counting({2, 3}), {3}), {3}, {3, 5, 7});
    check(sum_to(counting({2, 3}), {2, 1}), {2, 1}, {3, 12});
    check(sum_to(counting({2, 3}), {}), {}, {15});
    check(sum_to(counting({2, 2, 2}), {2, 1}), {2, 1}, {0 + 1 + 4 + 5, 2 + 3 + 6 + 7});
    check(sum_to(counting({0, 3}), {1, 3}), {1, 3}, {0, 0, 0});
    const Variable x = counting({2, 3});
    BOOST_TEST(same_elements(broadcast_to(x, {2, 3}), x));
    BOOST_TEST(same_elements(sum_to(x, {2, 3}), x));
    const Shape large{40, 50, 3, 60}, small{50, 1, 60};
    BOOST_TEST(moves(broadcast_to(counting(small, float32), large), large, small, [](const Position& at) {
        return Position{at[1], 0, at[3]};
    }));
    BOOST_TEST(moves(broadcast_to(counting({300, 1}), {300, 500}), {300, 500}, {300, 1}, [](const Position& at) {
        return Position{at[0], 0};
    }));
    CHECK_SHAPE_ERROR(broadcast_to(x, {2, 4}),
                      "broadcast_to: X does not broadcast to the shape: (2, 3) and (2, 4), 3 != 4 at axis 1");
    CHECK_SHAPE_ERROR(broadcast_to(x, {3}),
                      "broadcast_to: X does not broadcast to the shape: (2, 3) and (3,), rank 2 > 1");
    CHECK_SHAPE_ERROR(broadcast_to(counting({1}), {-1}), "broadcast_to: negative size: -1 in (-1,)");
    CHECK_SHAPE_ERROR(sum_to(x, {2}), "sum_to: the shape does not broadcast to X: (2,) and (2, 3), 2 != 3 at axis 0");
}

BOOST_AUTO_TEST_CASE(flip_and_repeat) {
    const Variable x = counting({2, 3});
    check(flip(x), {2, 3}, {5, 4, 3, 2, 1, 0});
    check(flip(x, 0), {2, 3}, {3, 4, 5, 0, 1, 2});
    check(flip(x, -1), {2, 3}, {2, 1, 0, 5, 4, 3});
    check(flip(counting({})), {}, {0});
    check(flip(counting({2, 0})), {2, 0}, {});
    check(repeat(x, 2, 1), {2, 6}, {0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5});
    check(repeat(x, 2, -2), {4, 3}, {0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5});
    check(repeat(x, 0, 0), {0, 3}, {});
    BOOST_TEST(same_elements(repeat(x, 1, 0), x));
    const Shape shape{30, 20, 70};
    BOOST_TEST(moves(flip(counting(shape, float32), {0, 2}), shape, shape, [](const Position& at) {
        return Position{29 - at[0], at[1], 69 - at[2]};
    }));
    BOOST_TEST(moves(repeat(counting(shape, float32), 3, 1), {30, 60, 70}, shape, [](const Position& at) {
        return Position{at[0], at[1] / 3, at[2]};
    }));
    CHECK_SHAPE_ERROR(flip(x, {0, -2}), "flip: axis 0 is named twice");
    CHECK_SHAPE_ERROR(repeat(x, -1, 0), "repeat: negative number of times: -1 < 0");
    CHECK_SHAPE_ERROR(repeat(counting({}), 2, 0), "repeat: axis 0");
    CHECK_SHAPE_ERROR(repeat(x, std::numeric_limits<Index>::max(), 0), "repeat: size too large at axis 0");
}

BOOST_AUTO_TEST_CASE(rules_are_the_adjoints) {
    const Shape shape{2, 3, 4};
    check_adjoint([](const Variable& x) { return reshape(x, {4, -1}); }, shape);
    check_adjoint([](const Variable& x) { return flatten(x, 1); }, shape);
    check_adjoint([](const Variable& x) { return squeeze(expand_dims(x, 1), 1); }, shape);
    check_adjoint([](const Variable& x) { return transpose(x); }, shape);
    check_adjoint([](const Variable& x) { return permute(x, {1, 2, 0}); }, shape);
    check_adjoint([](const Variable& x) { return broadcast_to(x, {5, 2, 3, 4}); }, shape);
    check_adjoint([](const Variable& x) { return broadcast_to(x, {2, 2, 3}); }, {2, 1, 3});
    check_adjoint([](const Variable& x) { return sum_to(x, {3, 1}); }, shape);
    check_adjoint([](const Variable& x) { return flip(x, {0, 2}); }, shape);
    check_adjoint([](const Variable& x) { return repeat(x, 3, 1); }, shape);
    check_adjoint([](const Variable& x) { return repeat(x, 0, 1); }, shape);
}

BOOST_AUTO_TEST_CASE(gradients_at_both_orders) {
    const Variable x = counting({2, 3, 4}) * 0.1 + 0.3, y = counting({2, 1, 4}) * 0.2 - 0.7;
    check_both_orders([](const Variable& a) { return square(permute(reshape(a, {3, 8}), {1, 0})); }, {x});
    check_both_orders([](const Variable& a) { return square(transpose(squeeze(expand_dims(a, 1)))); }, {x});
    check_both_orders([](const Variable& a) { return square(sum_to(square(a), {3, 1})); }, {x});
    check_both_orders([](const Variable& a) { return square(broadcast_to(square(a), {5, 2, 3, 4})); }, {y});
    check_both_orders([](const Variable& a) { return square(flip(a, {0, 2})) * a; }, {x});
    check_both_orders([](const Variable& a) { return square(repeat(square(a), 3, 1)); }, {x});
}

BOOST_AUTO_TEST_CASE(nothing_is_recorded_where_nothing_happens) {
    const Parameter p(counting({2, 3}));
    const Variable x = p;
    for (const Variable& y : {reshape(x, {2, -1}), permute(x, {0, 1}), broadcast_to(x, {2, 3}), sum_to(x, {2, 3}),
                              repeat(x, 1, 0), squeeze(x)})
        BOOST_TEST((y.node() == x.node()));
}

BOOST_AUTO_TEST_CASE(same_bits_for_one_and_two_threads) {
    check_threads([] {
        const Variable x = counting({40, 30, 70}, float32) * 0.1;
        return std::vector<Variable>{permute(x, {2, 0, 1}), transpose(x), broadcast_to(x, {3, 40, 30, 70}),
                                     sum_to(x, {30, 1}),    flip(x),      repeat(x, 3, 2)};
    });
}

BOOST_AUTO_TEST_SUITE_END()
