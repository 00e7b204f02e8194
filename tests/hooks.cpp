#include <xtape/autograd/hooks.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/registered_hooks.hpp>
#include <xtape/autograd/tape.hpp>
#include <xtape/autograd/xtensor.hpp>

/// Hooks: what they see, what they change, in which order, and how they go away.
using namespace xtape;

namespace {

Parameter scalar(double value) { return Parameter(Array::scalar(value, float64)); }

}  // namespace

BOOST_AUTO_TEST_SUITE(hooks)

BOOST_AUTO_TEST_CASE(a_hook_sees_the_gradient_in_full_and_once) {
    Parameter x = scalar(3);
    const Variable s = x * x;
    std::vector<double> seen;
    s.register_hook([&](const Variable& g) { seen.push_back(g.item()); });
    (s * s + 5 * s).backward();  // 2 s + 5 at s = 9
    BOOST_TEST(seen == std::vector<double>{23}, boost::test_tools::per_element());
    BOOST_TEST(x.grad().at(0) == 23 * 6);
}

BOOST_AUTO_TEST_CASE(a_parameters_gradient_is_seen_and_replaced) {
    Parameter x = scalar(3);
    std::vector<double> seen;
    HookHandle handle = x.register_hook([&](const Variable& g) {
        seen.push_back(g.item());
        return 10 * g;
    });
    (x * x).backward();
    BOOST_TEST(x.grad().at(0) == 60);
    (x * x).backward();  // the contribution of each walk, not the sum of both
    BOOST_TEST(x.grad().at(0) == 120);
    BOOST_TEST(grad(x * x, x).item() == 60);
    BOOST_TEST(seen == (std::vector<double>{6, 6, 6}), boost::test_tools::per_element());
    handle.remove();
    handle.remove();
    BOOST_TEST(grad(x * x, x).item() == 6);
    BOOST_TEST(seen.size() == 3U);

    ParameterRef(x).register_hook([](const Variable& g) { return -g; });
    BOOST_TEST(grad(x * x, x).item() == -6);
    const Parameter copy(x);
    BOOST_TEST(grad(copy * copy, copy).item() == 6);
}

BOOST_AUTO_TEST_CASE(a_replacement_flows_on_and_is_the_result) {
    const Parameter x = scalar(3), y = scalar(2);
    const Variable s = x * y, loss = s * s;
    s.register_hook([](const Variable&) { return Variable(7.0, float64); });
    const auto [ds, dx, dy] = grad(loss, s, x, y);
    BOOST_TEST(ds.item() == 7);
    BOOST_TEST(dx.item() == 14);
    BOOST_TEST(dy.item() == 21);
}

BOOST_AUTO_TEST_CASE(hooks_are_called_in_their_order_each_with_what_the_last_one_made) {
    const Parameter x = scalar(3);
    std::vector<double> seen;
    const auto times = [&](double factor) {
        return [&seen, factor](const Variable& g) {
            seen.push_back(g.item());
            return factor * g;
        };
    };
    x.register_hook(times(10));
    HookHandle second = x.register_hook(times(3));
    x.register_hook([&](const Variable& g) { seen.push_back(g.item()); });
    x.register_hook(times(2));
    BOOST_TEST(grad(5 * x, x).item() == 300);
    BOOST_TEST(seen == (std::vector<double>{5, 50, 150, 150}), boost::test_tools::per_element());
    second.remove();
    BOOST_TEST(grad(5 * x, x).item() == 100);
}

BOOST_AUTO_TEST_CASE(along_a_chain_they_come_from_the_loss_down) {
    const Parameter x = scalar(0.5);
    std::vector<std::string> order;
    const auto note = [&](const char* name) { return [&order, name](const Variable&) { order.push_back(name); }; };
    const Variable a = sin(x), b = a * a, c = b + a;
    x.register_hook(note("x"));
    a.register_hook(note("a"));
    c.register_hook(note("c"));
    b.register_hook(note("b"));
    c.backward();
    BOOST_TEST(order == (std::vector<std::string>{"c", "b", "a", "x"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(only_walks_that_need_the_gradient_call_it) {
    const Parameter x = scalar(3), y = scalar(2);
    const Variable s = x * x, t = y * y, loss = s + t;
    int calls = 0;
    s.register_hook([&](const Variable&) { ++calls; });
    grad(loss, y);
    BOOST_TEST(calls == 0);
    grad(loss, x);
    BOOST_TEST(calls == 1);
}

BOOST_AUTO_TEST_CASE(under_create_graph_what_a_hook_does_is_recorded) {
    const Parameter x = scalar(3), factor = scalar(10);
    const Variable s = x * x;
    s.register_hook([&](const Variable& g) {
        BOOST_TEST(g.requires_grad() == recording());
        return g * factor;
    });
    const Variable first = grad(s * s, x, create_graph);  // 2 s f 2 x = 4 f x^3
    BOOST_TEST(first.item() == 4 * 10 * 27);
    const auto [dx, df] = grad(first, x, factor);
    BOOST_TEST(df.item() == 4 * 27);
    // s has its hook in the second walk too, where it is reached by 2 s f: 40 x^2 + 2 * 2 x f (its gradient 2 f 2 x f)
    BOOST_TEST(dx.item() == 4 * 10 * 9 + 2 * 10 * 6 * 10 * 6);
    BOOST_TEST(!grad(s * s, x).requires_grad());
}

BOOST_AUTO_TEST_CASE(walks_look_for_hooks_while_there_are_any) {
    BOOST_TEST(!detail::Hooks::any());
    {
        const Parameter x = scalar(3);
        x.register_hook([](const Variable&) {});
        BOOST_TEST(detail::Hooks::any());
    }
    BOOST_TEST(!detail::Hooks::any());
}

BOOST_AUTO_TEST_CASE(hooks_remove_themselves_and_outlive_what_was_hooked) {
    const Parameter x = scalar(3);
    int calls = 0;
    HookHandle once;
    once = x.register_hook([&](const Variable&) {
        ++calls;
        once.remove();
    });
    grad(x * x, x);
    grad(x * x, x);
    BOOST_TEST(calls == 1);

    HookHandle late;
    {
        const Parameter gone = scalar(1);
        late = gone.register_hook([](const Variable&) {});
    }
    late.remove();
    HookHandle().remove();
}

BOOST_AUTO_TEST_CASE(removed_hooks_are_let_go_of) {
    const Parameter x = scalar(3);
    const std::shared_ptr<int> held = std::make_shared<int>(1);
    for (int i = 0; i < 100; ++i) x.register_hook([held](const Variable&) {}).remove();
    BOOST_TEST(held.use_count() <= 2);
}

BOOST_AUTO_TEST_CASE(a_gradient_of_another_shape_and_a_hook_that_throws) {
    const Parameter x = Array::filled({3}, float64, 1);
    HookHandle handle = x.register_hook([](const Variable& g) { return sum(g); });
    BOOST_CHECK_EXCEPTION(sum(x).backward(), TapeError, [](const TapeError& error) {
        const std::string text = error.what();
        return text.find("parameter") != std::string::npos && text.find("(3,)") != std::string::npos &&
               text.find("hooks.cpp:") != std::string::npos;
    });
    handle.remove();
    x.register_hook([](const Variable&) { throw std::runtime_error("enough"); });
    BOOST_CHECK_THROW(sum(x).backward(), std::runtime_error);
}

/// The tape that is walked lives to the end of the walk.
BOOST_AUTO_TEST_CASE(a_hook_may_let_go_of_what_is_differentiated) {
    const Parameter p(xt::xarray<double>{1, 2});
    Variable h, y;
    const auto record = [&] {
        h = square(Variable(p));
        h.register_hook([&](const Variable&) { h = y = Variable(); });
        y = sum(h);
    };
    record();
    const Variable g = grad(y, p);
    BOOST_TEST(g.array().at(1) == 4);
    BOOST_TEST(!y);
    record();
    y.backward(keep_tape);
    BOOST_TEST(p.grad().at(1) == 4);
}

BOOST_AUTO_TEST_SUITE_END()
