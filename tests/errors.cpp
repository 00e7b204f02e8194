#include <xtape/autograd/error.hpp>

#include <optional>
#include <string>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/elementwise.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/tape.hpp>
#include <xtape/autograd/xtensor.hpp>

#include "support/expect.hpp"

/// What users see: the condition, the numbers, and their own line.
using namespace xtape;

namespace {

Variable ones(const Shape& shape, DType dtype = float32) { return Variable(Array::filled(shape, dtype, 1)); }

}  // namespace

BOOST_AUTO_TEST_SUITE(errors)

BOOST_AUTO_TEST_CASE(text_of_a_shape_mistake) {
    const Variable X = ones({1000, 64});
    const Parameter W(ones({4096, 1}));
    const int line = __LINE__ + 2;
    try {
        matmul(X, W);
        BOOST_ERROR("no error");
    } catch (const ShapeError& error) {
        const std::string expected = "matmul: inner sizes differ: X (1000, 64) x W (4096, 1), 64 != 4096\n"
                                     "  recorded at errors.cpp:" +
                                     std::to_string(line);
        BOOST_TEST(error.what() == expected);
    }
}

BOOST_AUTO_TEST_CASE(operators_name_the_users_line) {
    const Parameter a(ones({2, 3}));
    const Variable b = ones({4, 3});
    EXPECT(ShapeError, a + b, {"add", "(2, 3)", "(4, 3)"});
    EXPECT(ShapeError, a - b, {"subtract", "(2, 3)", "(4, 3)"});
    EXPECT(ShapeError, b * a, {"multiply", "(2, 3)", "(4, 3)"});
    EXPECT(ShapeError, 2 * a / b, {"divide", "(2, 3)", "(4, 3)"});
    EXPECT(ShapeError, a < b, {"less", "(2, 3)", "(4, 3)"});
    EXPECT(ShapeError, 1 + (a * 2 + b), {"add", "(2, 3)", "(4, 3)"});
    EXPECT(ShapeError, pow(a, b), {"pow", "(2, 3)", "(4, 3)"});
    EXPECT(ShapeError, maximum(a, b), {"maximum", "(2, 3)", "(4, 3)"});
}

BOOST_AUTO_TEST_CASE(functions_name_the_users_line) {
    const Parameter a(ones({2, 3}));
    const Variable b = ones({4, 3}), v = ones({5}), image = ones({1, 3, 8, 8});
    EXPECT(ShapeError, matmul(a, b), {"matmul", "inner sizes differ", "(2, 3)", "(4, 3)", "3 != 4"});
    EXPECT(ShapeError, dot(v, ones({4})), {"dot", "5", "4"});
    EXPECT(ShapeError, outer(a, v), {"outer", "(2, 3)"});
    EXPECT(ShapeError, reshape(a, {4, 2}), {"reshape", "(2, 3)", "(4, 2)"});
    EXPECT(ShapeError, reshape(a, {-1, -1}), {"reshape", "-1"});
    EXPECT(ShapeError, sum(a, 2), {"sum", "2"});
    EXPECT(ShapeError, mean(a, {0, 0}), {"mean", "0"});
    EXPECT(ShapeError, max(ones({0, 3}), 0), {"max", "(0, 3)"});
    EXPECT(ShapeError, softmax(a, -3), {"softmax", "-3"});
    EXPECT(ShapeError, permute(a, {0, 0}), {"permute"});
    EXPECT(ShapeError, squeeze(a, 0), {"squeeze", "(2, 3)"});
    EXPECT(ShapeError, expand_dims(a, 4), {"expand_dims", "4"});
    EXPECT(ShapeError, broadcast_to(a, {3, 2}), {"broadcast_to", "(2, 3)", "(3, 2)"});
    EXPECT(ShapeError, sum_to(a, {3, 1}), {"sum_to", "(2, 3)", "(3, 1)"});
    EXPECT(ShapeError, slice(a, {2}), {"slice", "2"});
    EXPECT(ShapeError, pad(a, {{-1, 0}, {0, 0}}), {"pad", "-1"});
    EXPECT(ShapeError, concatenate({a, v}), {"concatenate", "(2, 3)", "(5,)"});
    EXPECT(ShapeError, stack({a, b}), {"stack", "(2, 3)", "(4, 3)"});
    EXPECT(ShapeError, stack({}), {"stack"});
    EXPECT(ShapeError, split(a, 2, 1), {"split", "3", "2"});
    EXPECT(ShapeError, take(a, IntArray{0, 2}), {"take", "2"});
    EXPECT(ShapeError, gather(a, 1, IntArray{1}), {"gather"});
    EXPECT(ShapeError, one_hot(IntArray{0, 4}, 4), {"one_hot", "4"});
    EXPECT(ShapeError, correlate2d(image, ones({2, 4, 3, 3})), {"correlate2d", "(1, 3, 8, 8)", "(2, 4, 3, 3)"});
    EXPECT(ShapeError, max_pool2d(image, 9), {"max_pool2d", "9", "8"});
    EXPECT(ShapeError, where(ones({2}), a, 0.0), {"where", "(2,)", "(2, 3)"});
    EXPECT(ShapeError, masked_fill(a, ones({4}), 0.0), {"(4,)", "(2, 3)"});
    EXPECT(ValueError, clip(a, 2, 1), {"clip", "2", "1"});
}

BOOST_AUTO_TEST_CASE(dtypes_that_meet_name_the_cast) {
    const Parameter a(ones({2, 3}));
    const Variable b = ones({2, 3}, float64);
    EXPECT(DtypeError, a + b, {"add", "float32", "float64", "astype"});
    EXPECT(DtypeError, matmul(a, transpose(b)), {"matmul", "float32", "float64", "astype"});
    EXPECT(DtypeError, where(a, b, a), {"where", "float32", "float64", "astype"});
    EXPECT(DtypeError, concatenate({a, b}), {"concatenate", "float32", "float64"});
    BOOST_CHECK_NO_THROW(astype(a, float64) + b);
}

BOOST_AUTO_TEST_CASE(gradients_name_the_users_line) {
    const Parameter a(ones({2, 3}));
    EXPECT(TapeError, grad(a * 2, a), {"(2, 3)"});
    EXPECT(TapeError, (sum(a).detach().backward(), 0), {"constant"});
}

BOOST_AUTO_TEST_CASE(an_unknown_line_is_left_out) {
    BOOST_TEST(std::string(ValueError("a rate must be positive", {"", 0}).what()) == "a rate must be positive");
    std::optional<Condition> outside;
    const auto f = elementwise([&](const Symbol& x) { return select(outside.emplace(x > 0), x, 0); });
    f(ones({2}));
    const std::string expected = "elementwise: a symbol was used outside of the lambda that it was handed to";
    const auto is_expected = [&](const Error& error) { return error.what() == expected; };
    BOOST_CHECK_EXCEPTION(!*outside, Error, is_expected);
    BOOST_CHECK_EXCEPTION(*outside && *outside, Error, is_expected);
}

BOOST_AUTO_TEST_CASE(all_are_errors_of_xtape) {
    const Variable a = ones({2}), b = ones({3});
    BOOST_CHECK_THROW(a + b, Error);
    BOOST_CHECK_THROW(a + b, std::runtime_error);
    BOOST_CHECK_THROW(Shape({1, 1, 1, 1, 1, 1, 1, 1, 1}), ShapeError);
    BOOST_CHECK_THROW(Array::uninitialized({-1}, float32), ShapeError);
    BOOST_CHECK_THROW(Array::uninitialized({Index{1} << 40, Index{1} << 40}, float32), ShapeError);
}

BOOST_AUTO_TEST_SUITE_END()
