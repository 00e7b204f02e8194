#include <xtape/autograd/elementwise.hpp>

#include <boost/test/unit_test.hpp>

#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include <xtape/autograd/check_grads.hpp>
#include <xtape/autograd/checkpoint.hpp>
#include <xtape/autograd/observer.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/random.hpp>
#include <xtape/autograd/storage.hpp>
#include <xtape/autograd/tape.hpp>
#include <xtape/autograd/transforms.hpp>
#include <xtape/autograd/xtensor.hpp>

#include "support/counting.hpp"
#include "support/formulas.hpp"

/// What a call of an elementwise operation records and takes, and what it says when it is wrong.
using namespace xtape;
using xtape::testing::focal_of;
using xtape::testing::numbers;
using xtape::testing::values;
using xtape::testing::Values;

namespace {

template <class Error, class F>
void check_message(F f, const std::string& text, int line) {
    const std::string place = "elementwise_calls.cpp:" + std::to_string(line);
    BOOST_CHECK_EXCEPTION(f(), Error, [&](const Error& e) {
        const std::string what = e.what();
        BOOST_TEST(what.find(text) != std::string::npos, what + " does not say " + text);
        BOOST_TEST(what.find(place) != std::string::npos, what + " does not say " + place);
        return true;
    });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(elementwise_calls)

BOOST_AUTO_TEST_CASE(a_second_walk_gives_the_same) {
    const auto f = elementwise([](auto x) { return x * x * x; });
    const Parameter x(numbers({1, 2, 3}));
    const Variable loss = sum(f(x));
    const Values expected{3, 12, 27};
    BOOST_TEST(values(grad(loss, x)) == expected);
    const Variable kept = grad(3 * loss, x);
    BOOST_TEST(values(kept) == (Values{9, 36, 81}));
    const Variable other = grad(loss / 2, x);
    BOOST_TEST(values(other) == (Values{1.5, 6, 13.5}));
    BOOST_TEST(values(kept) == (Values{9, 36, 81}));
    BOOST_TEST(values(grad(loss, x)) == expected);
    loss.backward(keep_tape);
    loss.backward();
    BOOST_TEST(values(Variable(x.grad())) == (Values{6, 24, 54}));
    BOOST_CHECK_THROW(loss.backward(), TapeError);
    // a walk scales in place only what nobody has been given
    const Variable fresh = sum(f(x));
    const Variable held = grad(fresh, x);
    BOOST_TEST(values(grad(3 * fresh, x)) == (Values{9, 36, 81}));
    BOOST_TEST(values(held) == expected);
    BOOST_TEST(values(grad(fresh, x)) == expected);
}

BOOST_AUTO_TEST_CASE(nothing_is_recorded_without_need) {
    const auto f = elementwise([](auto x) { return x * x; });
    const Parameter x(numbers({1, 2, 3}));
    BOOST_TEST(!Variable(f(x.variable().detach())).requires_grad());
    const NoGrad scope;
    BOOST_TEST(!Variable(f(x)).requires_grad());
    BOOST_TEST(!mean(f(x)).requires_grad());
}

BOOST_AUTO_TEST_CASE(outputs_are_kept_one_by_one_for_whoever_looks) {
    const auto f = elementwise("cube", [](auto x) { return x * x * x; });
    const Parameter x(numbers({1, 2}));
    const KeepOutputs scope;
    const Variable loss = mean(f(x));
    BOOST_TEST(std::string(loss.node()->name) == "mean");
    BOOST_TEST(std::string(loss.node()->arguments()[0].node()->name) == "cube");
    BOOST_TEST(values(Variable(loss.node()->arguments()[0].node()->output)) == (Values{1, 8}));
}

BOOST_AUTO_TEST_CASE(its_shape_is_known_before_it_is_evaluated) {
    const auto f = elementwise("cube", [](auto x, auto y) { return x * x * y; });
    const Parameter x(numbers({1, 2})), y(reshape(numbers({1, 2, 3}), {3, 1}));
    const Fused fused = f(x, y);
    BOOST_TEST(fused.shape(0) == 3);
    BOOST_TEST(fused.shape(-1) == 2);
    check_message<ShapeError>([&] { (void)fused.shape(2); }, "axis 2", __LINE__);
    const Variable loss = mean(fused);
    BOOST_TEST(std::string(loss.node()->name) == "mean of cube");
    BOOST_TEST(loss.item() == (1 + 4) * (1 + 2 + 3) / 6.0);
}

BOOST_AUTO_TEST_CASE(reductions_and_gradients_are_named_after_it) {
    const auto f = elementwise("cube", [](auto x) { return x * x * x; });
    const Parameter x(numbers({1, 2}));
    const auto name = [](const Variable& y) { return std::string(y.node()->name); };
    for (int time = 0; time < 2; ++time) {
        BOOST_TEST(name(mean(f(x))) == "mean of cube");
        BOOST_TEST(name(sum(f(x))) == "sum of cube");
        BOOST_TEST(name(grad(sum(f(x)), x, create_graph)) == "gradient of sum of cube");
        const Variable slopes = grad(sum(Variable(f(x))), x, create_graph);
        BOOST_TEST(name(slopes) == "gradient of cube");
        BOOST_TEST(name(grad(sum(slopes), x, create_graph)) == "gradient of gradient of cube");
    }
}

BOOST_AUTO_TEST_CASE(it_is_a_function_of_as_many_arguments_as_the_lambda) {
    const auto f = elementwise([](auto x, auto y) { return x * x * y; });
    const auto g = elementwise([](auto x, auto y, auto z) { return x * y * exp(z); });
    const Parameter x(numbers({0.5, 2})), y(numbers({3, -1})), z(numbers({0.2, 0.1}));
    check_grads(elementwise([](auto v) { return v * v; }), x);
    check_grads(f, x, y);
    check_grads(g, x, y, z);
    check_grads([](const auto&... all) { return (all * ...); }, x, y, z);
    check_message<ValueError>([&] { check_grads(f, x); }, "the function takes 2 arguments, 1 given", __LINE__);
    // Others of these names take symbols.
    check_grads(sigmoid, x);
    BOOST_TEST(gradient_check(tanh, {x}).ok);
    BOOST_TEST(grad(square, Variable(3.0, float64)).item() == 6);
    BOOST_TEST(values(jvp(square, x, z).second) == (Values{2 * 0.5 * 0.2, 2 * 2 * 0.1}));
    BOOST_TEST(grad(sum(checkpoint(square, x)), x).array().at(1) == 4);
    static_assert(!std::is_invocable_v<decltype(f), Variable>);
    static_assert(std::is_invocable_r_v<Fused, decltype(f), Variable, double>);

    const Variable a(3.0, float64), b(5.0, float64);
    const auto [da, db] = grad(f, a, b);
    BOOST_TEST(da.item() == 2 * 3 * 5);
    BOOST_TEST(db.item() == 9);
    BOOST_TEST(hessian(f, a, b)[0][1].item() == 2 * 3);
    const auto [value, pull] = vjp(f, x, y);
    BOOST_TEST(values(value) == (Values{0.75, -4}));
    BOOST_TEST(values(pull(numbers({1, 10}))[1]) == (Values{0.25, 40}));
    const Parameter p(a.array());
    BOOST_TEST(value_and_grad(f(p, b), {p}).second[0].item() == 2 * 3 * 5);
}

/// Outside, although it is evaluated first by the function that is run twice.
BOOST_AUTO_TEST_CASE(a_checkpoint_takes_it_for_recorded_where_it_was_called) {
    const auto cube = elementwise("cube", [](auto v) { return v * v * v; });
    const Parameter x(Array::scalar(3, float64)), v(Array::scalar(2, float64));
    const auto check = [&](const Variable& y, double dx, double dv) {
        const auto [of_x, of_v] = grad(y, x, v, create_graph);
        BOOST_TEST(of_x.item() == dx);
        BOOST_TEST(of_v.item() == dv);
    };
    {
        const Fused h = cube(v);
        const Variable y = checkpoint([&](const Variable& u) { return u * h * h; }, x);
        check(y, 64, 3 * 2 * 8 * 12);
        check(y + h, 64, 3 * 2 * 8 * 12 + 12);
        BOOST_TEST(grad(y, h.variable()).item() == 3 * 2 * 8);
        BOOST_TEST(grad(grad(y, v, create_graph), x).item() == 2 * 8 * 12);
    }
    {
        const Fused h = cube(v);  // copies of it are one
        const auto f = [h](const Variable& u) { return u * h; };
        check(checkpoint(f, x) + checkpoint(f, x), 16, 2 * 36);
    }
    {
        const Fused h = cube(v);
        const auto inner = [&](const Variable& u) { return u * h; };
        check(checkpoint([&](const Variable& u) { return checkpoint(inner, u) * 2; }, x), 16, 2 * 36);
    }
    for (const auto reduce : {+[](const Fused& h) { return mean(h); }, +[](const Fused& h) { return sum(h) + h; }}) {
        const Fused h = cube(v);
        const Variable y = checkpoint([&](const Variable& u) { return u * reduce(h); }, x);
        const double times = reduce(h).item() / 8;
        check(y, 8 * times, 36 * times);
    }
    {
        // Called within, it is recorded within.
        const Variable y = checkpoint([&](const Variable& u) { return checkpoint([&] { return u * cube(v); }); }, x);
        BOOST_TEST(Tape(y).size() == 3);
        check(y, 8, 36);
    }
}

BOOST_AUTO_TEST_CASE(errors_name_the_line_of_the_call) {
    const auto f = elementwise("product", [](auto x, auto y) { return x * y; });
    const Variable a(xt::xarray<float>(xt::zeros<float>({2, 3}))), b(xt::xarray<float>(xt::zeros<float>({4})));
    check_message<ShapeError>([&] { (void)f(a, b); }, "product", __LINE__);
    check_message<DtypeError>([&] { (void)f(a, astype(a, float64)); }, "product: dtypes differ", __LINE__);
    check_message<ValueError>([&] { (void)f(a, Variable()); }, "without a value", __LINE__);
    Symbol* leaked = nullptr;
    const auto leaking = elementwise([&](auto x) {
        leaked = new Symbol(x);
        return x;
    });
    (void)leaking(a);
    check_message<Error>([&] { (void)(*leaked + 1); }, "outside of the lambda", __LINE__);
    const auto using_it = elementwise([&](auto x) { return x + *leaked; });
    check_message<Error>([&] { (void)using_it(a); }, "outside of the lambda", __LINE__ - 1);
    delete leaked;
}

BOOST_AUTO_TEST_CASE(one_thread_and_two_give_the_same_bits) {
    const auto focal = elementwise(focal_of);
    Generator seeded(2);
    const Variable p0(random::uniform({300'001}, 0.05, 0.95, seeded)), t0(random::uniform({300'001}, 0, 1, seeded));
    const Variable column(random::uniform({700, 1}, 0.05, 0.95, seeded)), row(random::uniform({301}, 0, 1, seeded));
    xtape::testing::check_threads([&] {
        const Parameter p(p0), t(t0), c(column), r(row);
        std::vector<Variable> all{mean(focal(p, t)), focal(p, t), sum(focal(c, r)), focal(c, r)};
        for (int i = 0; i < 4; ++i) {
            const Variable y = sum(all[static_cast<std::size_t>(i)]);
            for (const Variable& g : grad(y, {p, t, c, r})) all.push_back(g);
        }
        return all;
    });
}

BOOST_AUTO_TEST_CASE(a_loss_and_its_gradient_take_one_array) {
    const auto focal = elementwise(focal_of);
    const Index n = 1'000'000;
    Generator seeded(2);
    Parameter p(random::uniform({n}, 0.05, 0.95, seeded));
    const Variable t(random::uniform({n}, 0, 1, seeded));
    mean(focal(p, t)).backward();
    p.zero_grad();
    storage::reset_peak();
    const std::size_t before = storage::stats().live_bytes, array = static_cast<std::size_t>(n) * sizeof(float);
    mean(focal(p, t)).backward();
    const std::size_t taken = storage::stats().peak_bytes - before;
    BOOST_TEST(taken >= array);
    BOOST_TEST(taken < array + array / 4);  // beside it: registers of two threads, nodes, and the size classes' eighth
    BOOST_TEST(storage::stats().live_bytes - before >= array);
}

BOOST_AUTO_TEST_CASE(several_threads_may_call_it) {
    const auto f = elementwise([](auto x, auto y) { return x * exp(y) + x; });
    const auto gradients = [&](double at) {
        const Parameter x(numbers({at, 2})), y(numbers({0, 1}));
        const auto [dx, dy] = grad(mean(f(x, y)), x, y);
        Values all = values(dx);
        for (double d : values(dy)) all.push_back(d);
        return all;
    };
    const Values expected = gradients(3);
    std::vector<std::thread> threads;
    std::vector<int> wrong(4);
    for (std::size_t k = 0; k < 4; ++k)
        threads.emplace_back([&, k] {
            for (int i = 0; i < 300; ++i) wrong[k] += gradients(3) != expected;
        });
    for (std::thread& thread : threads) thread.join();
    BOOST_TEST(wrong == (std::vector<int>(4)));
}

BOOST_AUTO_TEST_SUITE_END()
