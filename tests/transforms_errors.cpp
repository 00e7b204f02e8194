#include <string>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/checkpoint.hpp>
#include <xtape/autograd/custom.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/transforms.hpp>
#include <xtape/autograd/xtensor.hpp>
#include <xtape/nn/sequential.hpp>

#include "support/expect.hpp"

/// What transforms say to a mistake: the condition, the numbers and the user's line.
using namespace xtape;

namespace {

Variable ones(const Shape& shape, DType dtype = float64) { return Variable(Array::filled(shape, dtype, 1)); }

Variable twice(Variable v) { return 2 * v; }
Variable total(Variable v) { return sum(v); }
Variable constant(Variable v) { return v.detach(); }
Variable both(Variable a, Variable b) { return sum(a) + sum(b); }
Variable nothing(Variable) { return {}; }

}  // namespace

BOOST_AUTO_TEST_SUITE(transforms_errors)

BOOST_AUTO_TEST_CASE(constants) {
    const Variable x = ones({3});
    const Parameter W(ones({3}));
    EXPECT(TapeError, grad(constant, x), {"grad", "constant"});
    EXPECT(TapeError, value_and_grad(constant, x), {"value_and_grad", "constant"});
    EXPECT(TapeError, vjp(constant, x), {"vjp", "constant"});
    EXPECT(TapeError, jvp(constant, x, x), {"jvp", "constant"});
    EXPECT(TapeError, jacobian(constant, x), {"jacobian", "constant"});
    EXPECT(TapeError, hessian(constant, x), {"hessian", "constant"});
    EXPECT(TapeError, hvp(constant, x, x), {"hvp", "constant"});
    EXPECT(TapeError, hessian([&] { return sum(W).detach(); }, {W}), {"hessian", "constant"});
    EXPECT(TapeError, jacobian(twice(W), {x}), {"argument 0", "constant"});
}

BOOST_AUTO_TEST_CASE(no_value) {
    const Variable x = ones({3});
    EXPECT(ValueError, grad(nothing, x), {"grad", "without a value"});
    EXPECT(ValueError, grad(both, x, Variable()), {"argument 2 has no value"});
    EXPECT(ValueError, jvp(twice, x, Variable()), {"tangent 1 has no value"});
    EXPECT(ValueError, checkpoint(nothing, x), {"checkpoint", "without a value"});
    EXPECT(ValueError, checkpoint(twice, Variable()), {"checkpoint", "argument 1"});
}

BOOST_AUTO_TEST_CASE(numbers_of_arguments) {
    const Variable x = ones({3});
    EXPECT(ValueError, grad(both, x), {"takes 2 arguments, 1 given"});
    EXPECT(ValueError, jacobian(twice, x, x), {"takes 1 arguments, 2 given"});
    const auto at_least_two = [](auto a, auto b, auto... more) { return sum(((a + b) + ... + more)); };
    EXPECT(ValueError, grad(at_least_two, x), {"takes 2 arguments, 1 given"});
    EXPECT(ValueError, grad([](auto a, auto b) { return sum(a + b); }, x, x, x), {"takes 2 arguments, 3 given"});
    EXPECT(ValueError, jvp(both, {x, x}, {x}), {"jvp", "1 tangents for 2 arguments"});
    EXPECT(ValueError, hvp(both, {x, x}, {x, x, x}), {"hvp", "3 vectors for 2 arguments"});
    EXPECT(ValueError, hessian(sum(Parameter(x)), {}), {"hessian", "empty"});
    EXPECT(ValueError, checkpoint(both, x), {"checkpoint", "takes 2 arguments, 1 given"});
}

BOOST_AUTO_TEST_CASE(shapes_and_dtypes) {
    const Variable x = ones({3}), y = ones({4}), z = ones({3}, float32);
    EXPECT(ShapeError, jvp(twice, x, y), {"jvp", "tangent 1", "(4,)", "(3,)"});
    EXPECT(DtypeError, jvp(twice, x, z), {"jvp", "tangent 1", "float32", "float64"});
    EXPECT(ShapeError, hvp(total, x, y), {"hvp", "vector 1", "(4,)", "(3,)"});
    const auto pull = vjp(twice, x).second;
    EXPECT(ShapeError, pull(y), {"vjp", "seed 1", "(4,)", "(3,)"});
    EXPECT(DtypeError, pull(z), {"vjp", "float32", "float64"});
    EXPECT(TapeError, grad(twice, x), {"one number", "(3,)"});
    EXPECT(TapeError, hessian(twice, x), {"one number", "(3,)"});
    const Variable deep = ones({1, 1, 1, 1, 1});
    EXPECT(ShapeError, jacobian(twice, deep), {"jacobian", "10 axes", "8"});
    EXPECT(ShapeError, hessian(total, deep), {"10 axes", "8"});
}

BOOST_AUTO_TEST_CASE(hooks_on_constants) {
    EXPECT(TapeError, ones({3}).register_hook([](const Variable&) {}), {"register_hook", "constant"});
}

BOOST_AUTO_TEST_CASE(custom_operations) {
    const auto first = [](const Variable& g, const Variable&, const Variable&) { return g; };
    const auto operation = custom("mine", twice, first), empty = custom("empty", nothing, first);
    const auto lost =
        custom("lost", twice, [](const Variable&, const Variable&, const Variable&) { return Variable(); });
    const Parameter x(ones({3}));
    EXPECT(ValueError, operation(Variable()), {"mine", "argument 1 has no value"});
    EXPECT(ValueError, empty(x), {"empty", "forward"});
    EXPECT(ValueError, grad(sum(lost(x)), x), {"lost", "rule of argument 1"});
    BOOST_CHECK_THROW(custom("", twice, first), ValueError);
    const auto narrow =
        custom("narrow", twice, [](const Variable& g, const Variable&, const Variable&) { return sum(g); });
    EXPECT(TapeError, sum(narrow(x)).backward(), {"narrow", "()", "(3,)"});
}

BOOST_AUTO_TEST_CASE(segments) {
    nn::Sequential net{tanh, tanh};
    EXPECT(ValueError, nn::checkpoint_sequential(net, 3, ones({2})), {"checkpoint_sequential", "[1, 2]", "3"});
    EXPECT(ValueError, nn::checkpoint_sequential(net, 0, ones({2})), {"checkpoint_sequential", "[1, 2]", "0"});
}

BOOST_AUTO_TEST_SUITE_END()
