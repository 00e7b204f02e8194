#include <xtape/autograd/checkpoint.hpp>

#include <cmath>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/check_grads.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/random.hpp>
#include <xtape/autograd/storage.hpp>
#include <xtape/autograd/strict.hpp>
#include <xtape/autograd/transforms.hpp>
#include <xtape/autograd/xtensor.hpp>

#include "support/closed_form.hpp"

/// checkpoint(): the same bits with less kept.
using namespace xtape;
using closed_form::check_same;
using closed_form::Numbers;
using closed_form::uniform;

namespace {

Parameter scalar(double value) { return Parameter(Array::scalar(value, float64)); }

bool same_bits(const Array& a, const Array& b) {
    return a.shape() == b.shape() && a.dtype() == b.dtype() &&
           std::memcmp(a.data<void>(), b.data<void>(), static_cast<std::size_t>(a.size()) * size_of(a.dtype())) == 0;
}
bool same_bits(const Variable& a, const Variable& b) { return same_bits(a.array(), b.array()); }

std::string reason(const std::function<void()>& f) {
    try {
        f();
    } catch (const TapeError& error) {
        return error.what();
    }
    return "no error";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

BOOST_AUTO_TEST_SUITE(checkpoints)

BOOST_AUTO_TEST_CASE(gradients_reach_arguments_parameters_and_captured_variables) {
    Parameter x = scalar(3), w = scalar(2), v = scalar(5);
    const Variable h = v * v;  // on the tape, but neither an argument nor a leaf
    const auto f = [&](const Variable& u) { return u * w * w + sin(u) * h; };
    const auto by_hand = [&](const Variable& y) {
        const auto [dx, dw, dv, dh] = grad(y, x, w, v, h);
        BOOST_TEST(dx.item() == 4 + std::cos(3) * 25, boost::test_tools::tolerance(1e-14));
        BOOST_TEST(dw.item() == 12);
        BOOST_TEST(dv.item() == std::sin(3) * 10, boost::test_tools::tolerance(1e-14));
        BOOST_TEST(dh.item() == std::sin(3), boost::test_tools::tolerance(1e-14));
    };
    by_hand(f(x));
    const Variable y = checkpoint(f, x);
    BOOST_TEST(std::string(y.node()->name) == "checkpoint");
    BOOST_TEST(y.node()->where.line == __LINE__ - 2);
    by_hand(y);

    y.backward(keep_tape);
    BOOST_TEST(x.grad().at(0) == 4 + std::cos(3) * 25, boost::test_tools::tolerance(1e-14));
    BOOST_TEST(w.grad().at(0) == 12);
    BOOST_TEST(v.grad().at(0) == std::sin(3) * 10, boost::test_tools::tolerance(1e-14));
    y.backward();
    BOOST_TEST(w.grad().at(0) == 24);
    BOOST_TEST(contains(reason([&] { y.backward(); }), "freed"));
}

BOOST_AUTO_TEST_CASE(arguments_any_number) {
    const Parameter x = scalar(3), y = scalar(4);
    const auto [dx, dy] = grad(checkpoint([](const Variable& a, const Variable& b) { return a * a * b; }, x, y), x, y);
    BOOST_TEST(dx.item() == 24);
    BOOST_TEST(dy.item() == 9);
    BOOST_TEST(grad(checkpoint([&] { return x * x; }), x).item() == 6);
    BOOST_TEST(grad(checkpoint(sigmoid, x), x).item() == grad(sigmoid(x), x).item());
    // a constant among them, and the same one twice
    const auto f = [](const Variable& a, const Variable& b, const Variable& c) { return a * b * c; };
    BOOST_TEST(grad(checkpoint(f, x, Variable(2.0, float64), x), x).item() == 12);
    BOOST_TEST(grad(x * checkpoint(f, x, x, x), x).item() == 4 * 27);
    const auto any = [](const auto&... all) { return (all * ...); };
    BOOST_TEST(grad(checkpoint(any, x, y, y), y).item() == 2 * 3 * 4);
}

BOOST_AUTO_TEST_CASE(what_f_returns) {
    const Parameter x = scalar(3);
    const Variable s = x * x;
    BOOST_TEST(!checkpoint([](const Variable& v) { return v.detach(); }, x).requires_grad());
    BOOST_TEST((checkpoint([](const Variable& v) { return v; }, s).node() == s.node()));
    BOOST_TEST((checkpoint([&](const Variable&) { return s; }, x).node() == s.node()));
    const NoGrad constant;
    BOOST_TEST(!checkpoint([](const Variable& v) { return v * v; }, x).requires_grad());
}

BOOST_AUTO_TEST_CASE(f_runs_twice_and_its_tape_lives_once) {
    const Index n = 100000;
    const std::size_t array = n * sizeof(float);
    const Parameter x = Array::filled({n}, float32, 0.5);
    int runs = 0;
    const auto f = [&](const Variable& v) {
        ++runs;
        Variable y = v;
        for (int i = 0; i < 10; ++i) y = sin(y);
        return sum(y);
    };
    const std::size_t before = storage::stats().live_bytes;
    const Variable plain = f(x);
    const std::size_t kept = storage::stats().live_bytes - before;
    BOOST_TEST(kept >= 9 * array);
    const std::size_t with_plain = storage::stats().live_bytes;
    const Variable y = checkpoint(f, x);
    BOOST_TEST(runs == 2);
    BOOST_TEST(storage::stats().live_bytes - with_plain < 4096);  // a node, and no array of x's size
    const Variable expected = grad(plain, x), got = grad(y, x);
    BOOST_TEST(runs == 3);
    BOOST_TEST(same_bits(expected, got));
    BOOST_TEST(same_bits(plain, y));
}

BOOST_AUTO_TEST_CASE(only_what_is_asked_for_is_computed_again) {
    const Parameter x = scalar(3), z = scalar(1);
    int runs = 0;
    const Variable y = checkpoint([&](const Variable& v) { return ++runs, v * v; }, x);
    grad(y + z, z);
    BOOST_TEST(runs == 1);
}

BOOST_AUTO_TEST_CASE(derivatives_of_any_order) {
    const Parameter x = scalar(0.7), w = scalar(1.3);
    const auto f = [&](const Variable& v) { return exp(w * v) * v; };
    const auto orders = [&](const Variable& y) {
        const Variable first = grad(y, x, create_graph), second = grad(first, x, create_graph);
        const auto [third, mixed] = grad(second, x, w);
        return std::vector<double>{first.item(), second.item(), third.item(), mixed.item()};
    };
    BOOST_TEST(orders(checkpoint(f, x)) == orders(f(x)), boost::test_tools::per_element());

    const Numbers at = uniform({3, 2}, 1), to = uniform({2, 4}, 2);
    check_grads(
        [](const Variable& a, const Variable& b) {
            return checkpoint([](const Variable& u, const Variable& v) { return tanh(matmul(u, v)); }, a, b);
        },
        at, to);
    check_grads(
        [](const Variable& a) {
            const Variable h = sin(a);
            return checkpoint([h](const Variable& u) { return u * exp(h); },
                              square(a));  // captures what is on the tape
        },
        at);
    // under the other transforms
    const auto g = [&](const Variable& v) { return sum(checkpoint(f, v)); };
    const auto plain = [&](const Variable& v) { return sum(f(v)); };
    check_same(hessian(g, x), hessian(plain, x).item(), 1e-15);
    check_same(jvp(g, x, Variable(2.0, float64)).second, jvp(plain, x, Variable(2.0, float64)).second.item(), 1e-15);
}

BOOST_AUTO_TEST_CASE(checkpoints_nest) {
    const Parameter x = scalar(0.4), w = scalar(1.7);
    const Variable h = w * w;
    std::vector<int> runs(3);
    const auto inner = [&](const Variable& v) { return ++runs[2], sin(v * h) * w; };
    const auto middle = [&](const Variable& v) { return ++runs[1], checkpoint(inner, v * v) + checkpoint(inner, v); };
    const auto outer = [&](const Variable& v) { return ++runs[0], exp(checkpoint(middle, v)); };
    const auto plain_middle = [&](const Variable& v) { return sin(v * v * h) * w + sin(v * h) * w; };
    const Variable y = checkpoint(outer, x), plain = exp(plain_middle(x));
    BOOST_TEST(same_bits(y, plain));
    BOOST_TEST(runs == (std::vector<int>{1, 1, 2}), boost::test_tools::per_element());
    const auto got = grad(y, x, w, h), expected = grad(plain, x, w, h);
    for (std::size_t i = 0; i < 3; ++i) check_same(got[i], expected[i].item(), 1e-15);
    BOOST_TEST(runs == (std::vector<int>{2, 3, 8}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(random_numbers_are_drawn_again) {
    const Parameter x = Array::filled({1000}, float64, 0.5);
    Generator own(7);
    const auto f = [&](const Variable& v) {
        Variable y = v * Variable(random::bernoulli({1000}, 0.5, random::generator(), float64));
        y = y * Variable(random::normal({1000}, 0, 1, own, float64));
        Generator fresh(11);
        y = y * Variable(random::uniform({1000}, 0, 1, fresh, float64));
        return sum(y * v) * own.uniform();
    };
    const auto begin = [&] {
        random::seed(3);
        own = Generator(7);
    };
    // what the generators give after the walk back shows that it left them alone
    const auto next = [&] { return std::vector<double>{random::generator().uniform(), own.uniform()}; };
    begin();
    const Variable plain = f(x), expected = grad(plain, x);
    const auto after = next();

    begin();
    const Variable y = checkpoint(f, x);
    const Variable got = grad(y, x), again = grad(y, x);
    BOOST_TEST(next() == after, boost::test_tools::per_element());
    BOOST_TEST(same_bits(y, plain));
    BOOST_TEST(same_bits(got, expected));
    BOOST_TEST(same_bits(again, expected));

    begin();  // in a checkpoint in a checkpoint, beside other draws
    const Variable nested = checkpoint([&](const Variable& v) { return checkpoint(f, v); }, x);
    next();
    BOOST_TEST(same_bits(grad(nested, x), expected));
    BOOST_TEST(same_bits(nested, plain));
}

BOOST_AUTO_TEST_CASE(what_held_around_the_first_run_holds_around_the_second) {
    const Parameter x = random::normal({1, 8, 20, 20}, 0, 1, random::generator()),
                    w = random::normal({8, 8, 3, 3}, 0, 1, random::generator());
    const auto f = [&](const Variable& v) { return sum(square(correlate2d(v, w))); };
    std::optional<StrictConvolution> strict(std::in_place);
    const Variable plain = f(x), y = checkpoint(f, x);
    strict.reset();
    BOOST_TEST(same_bits(plain, y));
    BOOST_TEST(same_bits(grad(plain, x), grad(y, x)));
    BOOST_TEST(!StrictConvolution::active());
}

BOOST_AUTO_TEST_CASE(stable_forms_within_and_not_across) {
    const Parameter z = scalar(-800);  // sigmoid is 0 there
    const auto f = [](const Variable& v) { return log(sigmoid(v)); };
    BOOST_TEST(checkpoint(f, z).item() == -800);
    BOOST_TEST(grad(checkpoint(f, z), z).item() == 1);
    const Variable a = sigmoid(z);
    BOOST_TEST(std::isinf(checkpoint([](const Variable& v) { return log(v); }, a).item()));
    BOOST_TEST(std::isinf(checkpoint([&] { return log(a); }).item()));
    // and so what is asked for at the border is there
    const Parameter small = scalar(0.3);
    const Variable s = sigmoid(small);
    const auto [ds, dz] = grad(checkpoint([&] { return log(s) + s * s; }), s, small);
    const double p = closed_form::sigmoid(0.3);
    check_same(ds, 1 / p + 2 * p, 1e-14);
    check_same(dz, (1 / p + 2 * p) * p * (1 - p), 1e-14);
}

BOOST_AUTO_TEST_CASE(a_second_run_that_differs_is_an_error) {
    Parameter x = scalar(3), w = scalar(2);
    double factor = 1;
    const Variable y = checkpoint([&](const Variable& v) { return v * w * factor; }, x);
    factor = 2;
    BOOST_TEST(contains(reason([&] { grad(y, x); }), "something else"));
    factor = 1;
    BOOST_TEST(grad(y, x).item() == 2);
    w += 1;
    const std::string changed = reason([&] { grad(y, x); });
    BOOST_TEST(contains(changed, "did a parameter"));
    BOOST_TEST(contains(changed, "checkpoints.cpp:"));

    Generator generator(1);
    bool more = false;
    const Variable z = checkpoint(
        [&](const Variable& v) {
            if (more) generator.bits();
            return v * generator.uniform();
        },
        x);
    more = true;
    BOOST_TEST(contains(reason([&] { grad(z, x); }), "random numbers"));

    // a copy has parameters of its own, and its gradients would go nowhere
    struct Layer {
        Parameter weight = scalar(5);
        Variable operator()(const Variable& v) const { return v * weight; }
    };
    Layer layer;
    const Variable through_copy = checkpoint(layer, x);
    BOOST_TEST(contains(reason([&] { grad(through_copy, x); }), "other parameters"));
    const auto [dx, dweight] = grad(checkpoint([&](const Variable& v) { return layer(v); }, x), x, layer.weight);
    BOOST_TEST(dx.item() == 5);
    BOOST_TEST(dweight.item() == 3);
    BOOST_TEST(grad(checkpoint(std::ref(layer), x), layer.weight).item() == 3);
}

BOOST_AUTO_TEST_CASE(observers_hear_both_runs) {
    struct Names : Observer {
        void recorded(Node& node, const Array&) override { text += std::string(node.name) + " "; }
        void pulling(const Node& node, const Variable&) override { text += "<" + std::string(node.name) + " "; }
        std::string text;
    };
    const Parameter x = scalar(3);
    const Names names;
    grad(checkpoint([](const Variable& v) { return exp(sin(v)); }, x), x);
    BOOST_TEST(names.text == "sin exp checkpoint <checkpoint sin exp <exp <sin ");
}

BOOST_AUTO_TEST_SUITE_END()
