#include <xtape/xtape.hpp>

#include <cmath>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "support/anomalies.hpp"

/// A look at the loss alone, and the whole story when it is not finite; the same in the training loop.
using namespace xtape;
using xtape::testing::caught;
using xtape::testing::check_contains;

namespace {

using Kind = Anomaly::Kind;

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

}  // namespace

BOOST_AUTO_TEST_SUITE(non_finite_replay)

BOOST_AUTO_TEST_CASE(a_finite_loss_is_computed_once) {
    const Parameter x = xt::xarray<float>{1, 4};
    int calls = 0;
    const Variable loss = check_finite([&] {
        ++calls;
        BOOST_TEST(!KeepOutputs::active());
        return sum(log(x));
    });
    BOOST_TEST(calls == 1);
    BOOST_TEST(loss.item() == std::log(4.0), boost::test_tools::tolerance(1e-6));
    loss.backward();
    BOOST_TEST(x.grad().at(1) == 0.25);
}

BOOST_AUTO_TEST_CASE(another_is_replayed_with_the_same_random_numbers) {
    const Parameter x = xt::xarray<float>{1, 4};
    random::seed(5);
    std::vector<double> drawn;
    int line = 0;
    const auto loss = [&] {
        const Variable noise(random::uniform({2}, 1, 2, random::generator()));
        drawn.push_back(noise.array().at(0));
        line = __LINE__ + 1;
        const Variable root = sqrt(x - 3.0 * noise);
        return mean(root);
    };
    const Anomaly found = caught([&] { check_finite(loss, {{"x", x}}); });
    BOOST_TEST_REQUIRE(drawn.size() == 2U);
    BOOST_TEST(drawn[0] == drawn[1]);
    BOOST_TEST(found.operation == "sqrt");
    BOOST_TEST(found.where.line == line);
    BOOST_TEST(found.numbers[0].value == static_cast<double>(1 - 3 * static_cast<float>(drawn[0])),
               boost::test_tools::tolerance(1e-6));
    BOOST_TEST(found.path.size() == 2U);
    BOOST_TEST(random::generator().uniform() != drawn[0]);  // it has gone on
}

BOOST_AUTO_TEST_CASE(what_cannot_be_repeated_is_said) {
    const Parameter x = xt::xarray<float>{1, 4};
    int calls = 0;
    const auto first_time_only = [&] { return sum(x * (++calls == 1 ? not_a_number : 1.0F)); };
    try {
        check_finite(first_time_only);
        BOOST_ERROR("nothing was found");
    } catch (const Error& error) {
        check_contains(error.what(), "check_finite: the loss was nan the first time and finite when computed again");
        check_contains(error.what(), "non_finite_replay.cpp:");
    }
    BOOST_TEST(caught([&] {
                   check_finite([] { return Variable(Array::filled({1}, float32, not_a_number)); });
               }).operation == "a constant");
}

BOOST_AUTO_TEST_CASE(gradients_are_looked_at_too) {
    Parameter x = xt::xarray<float>{1, 4}, w = xt::xarray<float>{1, 1};
    const NamedParameters parameters{{"x", x}, {"w", w}};
    int calls = 0;
    const Variable good = check_finite_gradients([&] { return ++calls, sum(sqrt(x) * w); }, parameters);
    BOOST_TEST(good.item() == 3);
    BOOST_TEST(calls == 1);
    BOOST_TEST(w.grad().at(1) == 2);

    const Array before_x = x.grad().copy(), before_w = w.grad().copy();
    const int line = __LINE__ + 1;
    const auto bad = [&] { return ++calls, sum(sqrt(w * (x - 1.0))); };
    const Anomaly found = caught([&] { check_finite_gradients(bad, parameters); });
    BOOST_TEST(calls == 3);
    BOOST_TEST((found.kind == Kind::gradient));
    BOOST_TEST(found.operation == "sqrt");
    BOOST_TEST(found.where.line == line);
    BOOST_TEST((found.element == Shape{0}));
    for (Index i = 0; i < 2; ++i) {
        BOOST_TEST(x.grad().at(i) == before_x.at(i));
        BOOST_TEST(w.grad().at(i) == before_w.at(i));
    }
    BOOST_TEST(
        (caught([&] { check_finite_gradients([&] { return sum(log(-x)); }, parameters); }).kind == Kind::output));
}

BOOST_AUTO_TEST_CASE(gradients_that_were_bad_before) {
    Parameter x = xt::xarray<float>{1, 4};
    x.set_grad(Array(xt::xarray<float>{not_a_number, 0}));
    try {
        check_finite_gradients([&] { return sum(sqrt(x)); }, {{"x", x}});
        BOOST_ERROR("nothing was found");
    } catch (const Error& error) {
        check_contains(error.what(), "the gradient of x was not finite before");
    }
    BOOST_TEST(std::isnan(x.grad().at(0)));
    BOOST_TEST(x.grad().at(1) == 0);
}

BOOST_AUTO_TEST_CASE(gradients_are_put_back_whatever_is_thrown) {
    Parameter x = xt::xarray<float>{1, 4}, w = xt::xarray<float>{1, 1};  // the younger one's gradient comes first
    w.set_grad(Array(xt::xarray<float>{7, 8}));
    x.register_hook([](const Variable&) -> Variable { throw std::runtime_error("a hook"); });
    BOOST_CHECK_THROW(check_finite_gradients([&] { return sum(x * w); }, {{"x", x}, {"w", w}}), std::runtime_error);
    BOOST_TEST(w.grad().at(0) == 7);
    BOOST_TEST(w.grad().at(1) == 8);
    BOOST_TEST(!x.grad());
}

// --------------------------------------------------------------------------------------------------- training

namespace {

/// y = w x for numbers x, by plain gradient descent, and what goes wrong on the way.
struct Training {
    Parameter w = Array::filled({1}, float32, 1);
    optim::SGD optimizer{{w}, 0.1};
    optim::FitOptions options;
    int steps = 0;

    Training() {
        options.epochs = 3;
        options.out = nullptr;
        options.optimizer = &optimizer;
        options.detect_anomaly = true;
        options.names = {{"w", w}};
    }

    std::string run(const std::vector<float>& data, const std::function<Variable(const Variable&)>& loss_of) {
        std::string text;
        try {
            optim::fit(options, data, [&](float x) {
                ++steps;
                const Variable loss = loss_of(w * x);
                optimizer.zero_grad();
                loss.backward();
                optimizer.step();
                return optim::Score{loss.item(), 0, 1};
            });
        } catch (const Error& error) {
            text = error.what();
        }
        return text;
    }
};

}  // namespace

BOOST_AUTO_TEST_CASE(fit_says_where_the_loss_went_wrong) {
    Training training;
    int line = 0;
    const std::string text = training.run({1, 1, -1}, [&](const Variable& y) {
        line = __LINE__ + 1;
        return sum(sqrt(y));
    });
    BOOST_TEST(training.steps == 4);  // the third one twice
    check_contains(text, "fit: the loss is nan in epoch 1, batch 3 of 3\nsqrt: its output is nan at (0,)");
    check_contains(text, "recorded at non_finite_replay.cpp:" + std::to_string(line));
    BOOST_TEST(std::isfinite(training.w.item()));
}

BOOST_AUTO_TEST_CASE(fit_says_which_rule_went_wrong) {
    Training training;
    const std::string text = training.run({1, 0}, [&](const Variable& y) { return sum(sqrt(y)); });
    check_contains(text, "fit: a parameter is not finite after the step in epoch 1, batch 2 of 2\n"
                         "sqrt: in backward its rule for argument 1 gives inf at (0,)");
    BOOST_TEST(std::isfinite(training.w.item()));
}

BOOST_AUTO_TEST_CASE(fit_says_when_it_was_the_update) {
    Training training;
    training.optimizer.learning_rate(1e30);
    const std::string text = training.run({1e10F}, [&](const Variable& y) { return sum(y); });
    check_contains(text,
                   "fit: a parameter is not finite after the step in epoch 1, batch 1 of 1, and loss and gradients "
                   "are: the update made it so");
}

BOOST_AUTO_TEST_CASE(fit_trains_as_without) {
    Training watched, plain;
    plain.options.detect_anomaly = false;
    const auto loss_of = [](const Variable& y) { return sum(square(y - 2.0)); };
    BOOST_TEST(watched.run({1, 0.5F, 2}, loss_of) == "");
    BOOST_TEST(plain.run({1, 0.5F, 2}, loss_of) == "");
    BOOST_TEST(watched.w.item() == plain.w.item());
    BOOST_TEST(watched.steps == 9);

    optim::FitOptions options;
    options.detect_anomaly = true;
    BOOST_CHECK_THROW(optim::FitLoop(options, 1), ValueError);
}

BOOST_AUTO_TEST_SUITE_END()
