#include <xtape/autograd/hooks.hpp>

#include <cmath>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/checkpoint.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/tape.hpp>
#include <xtape/nn/ctc.hpp>

#include "support/closed_form.hpp"

/// Hooks where a gradient does not simply come along the tape: around a recognised operation, from a tape of a rule's own, by
/// way of a checkpoint.
using namespace xtape;

namespace {

Parameter scalar(double value) { return Parameter(Array::scalar(value, float64)); }

}  // namespace

BOOST_AUTO_TEST_SUITE(hooks_around)

BOOST_AUTO_TEST_CASE(what_goes_around_is_seen_and_can_be_replaced) {
    // log recognises the sigmoid and is recorded from z; a's hook sees 1/a and the other term all the same
    const Parameter z = scalar(0.3);
    const Variable a = sigmoid(z), loss = log(a) + 2 * a;
    const double s = closed_form::sigmoid(0.3);
    double seen = 0;
    HookHandle handle = a.register_hook([&](const Variable& g) { seen = g.item(); });
    BOOST_TEST(grad(loss, z).item() == (1 - s) + 2 * s * (1 - s), boost::test_tools::tolerance(1e-13));
    BOOST_TEST(seen == 1 / s + 2, boost::test_tools::tolerance(1e-13));
    handle.remove();

    handle = a.register_hook([](const Variable& g) { return 3 * g; });
    const auto [da, dz] = grad(loss, a, z);
    BOOST_TEST(da.item() == 3 * (1 / s + 2), boost::test_tools::tolerance(1e-13));
    BOOST_TEST(dz.item() == 3 * (1 / s + 2) * s * (1 - s), boost::test_tools::tolerance(1e-13));
    handle.remove();

    // nothing but what goes around
    a.register_hook([](const Variable& g) { return 3 * g; });
    BOOST_TEST(grad(log(a), z).item() == 3 * (1 - s), boost::test_tools::tolerance(1e-13));
}

BOOST_AUTO_TEST_CASE(what_a_hook_gives_back_unchanged_replaces_nothing) {
    // a is 0 and 1/a infinite, which is seen; what goes around is 1 - a all the same
    const Parameter z = scalar(-800);
    const Variable a = sigmoid(z), loss = log(a) + 2 * a;
    double seen = 0;
    a.register_hook([&](const Variable& g) {
        seen = g.item();
        return g;
    });
    BOOST_TEST(grad(loss, z).item() == 1);
    BOOST_TEST(std::isinf(seen));
    const Variable recorded = grad(loss, z, create_graph);
    BOOST_TEST(recorded.item() == 1);

    // but a constant in the place of what is recorded does
    const Parameter x = scalar(3);
    const Variable s = x * x;
    s.register_hook([](const Variable& g) { return g.detach(); });
    const Variable first = grad(s * s, x, create_graph);  // 2 s 2 x with 2 s a constant
    BOOST_TEST(first.item() == 4 * 27);
    BOOST_TEST(grad(first, x).item() == 2 * 9 * 2);
}

BOOST_AUTO_TEST_CASE(what_a_replacing_hook_waits_for_goes_its_own_way) {
    const Parameter z = scalar(-800);
    const auto clipped = [](const Variable& g) { return clip(g, -5, 5); };
    const auto slope_with = [&](auto hook) {
        const Variable a = sigmoid(z);
        a.register_hook(hook);
        return grad(log(a), z).item();
    };
    BOOST_TEST(slope_with(clipped) == 0);  // 5 a (1 - a)
    double seen = 0;
    BOOST_TEST(slope_with([&](const Variable& g) { seen = g.item(); }) == 1);  // who looks changes nothing
    BOOST_TEST(std::isinf(seen));

    const Variable a = sigmoid(z);
    a.register_hook(clipped).remove();
    BOOST_TEST(log(a).item() == -800);
}

BOOST_AUTO_TEST_CASE(hooks_and_ctc_recorded) {
    // the recorded rule walks a tape of its own, on which the log probabilities' hooks have no part of their gradient
    const Parameter x = closed_form::uniform({4, 1, 3}, 5, -1, 1).parameter();
    const Variable log_p = log_softmax(x, 2);
    const Variable loss = nn::ctc(log_p, IntArray{{1, 2}}) + sum(square(log_p));
    std::vector<Variable> seen;
    log_p.register_hook([&](const Variable& g) {
        seen.push_back(g);
        return 2 * g;
    });
    const Variable plain = grad(loss, x), recorded = grad(loss, x, create_graph);
    BOOST_TEST_REQUIRE(seen.size() == 2U);
    for (Index i = 0; i < x.size(); ++i) {
        BOOST_TEST(recorded.array().at(i) == plain.array().at(i), boost::test_tools::tolerance(1e-10));
        BOOST_TEST(seen[1].array().at(i) == seen[0].array().at(i), boost::test_tools::tolerance(1e-10));
    }
}

BOOST_AUTO_TEST_CASE(hooks_and_checkpoints) {
    // a hook on what a checkpoint uses sees it in full, not the checkpoint's part by itself
    const Parameter x = scalar(3), w = scalar(2);
    std::vector<double> seen, inside;
    w.register_hook([&](const Variable& g) { seen.push_back(g.item()); });
    const Variable y = checkpoint(
        [&](const Variable& v) {
            const Variable s = v * w;
            s.register_hook([&](const Variable& g) { inside.push_back(g.item()); });
            return s * s;
        },
        x);
    grad(y + 5 * w, w);  // 2 x^2 w + 5
    BOOST_TEST(seen == std::vector<double>{41}, boost::test_tools::per_element());
    BOOST_TEST(inside == std::vector<double>{12}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
