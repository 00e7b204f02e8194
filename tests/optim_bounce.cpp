#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/random.hpp>
#include <xtape/autograd/xtensor.hpp>
#include <xtape/optim/adam.hpp>
#include <xtape/optim/bounce.hpp>
#include <xtape/optim/sgd.hpp>
#include <xtape/optim/train.hpp>

#include "support/closed_form.hpp"

/// Problem P4 of the document: a cost that bounces is noticed, and a step suggested.
using namespace xtape;

namespace {

using Costs = std::vector<double>;

template <class F>
Costs costs_of(int n, F f) {
    Costs costs;
    for (int i = 0; i < n; ++i) costs.push_back(f(i));
    return costs;
}

/// Share of 200 runs of independent normal noise around a level of 1 that are taken for bouncing.
double share_found(double deviation, double fall = 0) {
    Generator generator(5);
    int found = 0;
    for (int run = 0; run < 200; ++run)
        found += optim::find_bounce(costs_of(20, [&](int i) {
                     return 1 + deviation * generator.normal() - fall * i;
                 })).found;
    return found / 200.0;
}

bool near(double a, double b, double relative) { return std::abs(a - b) <= relative * std::abs(b); }
bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// e^x - x: curvature 1 at its minimum and more beyond it, so that costs at both ends of a long step differ.
Variable valley(const Variable& x) { return sum(exp(x) - x); }

/// Costs of gradient descent in the valley; x is left where it came to.
Costs descend(Parameter& x, double rate, int steps) {
    return costs_of(steps, [&](int) {
        const Variable loss = valley(x);
        x -= rate * grad(loss, x);
        return loss.item();
    });
}

Parameter start() { return xt::xarray<double>{0.5}; }

}  // namespace

BOOST_AUTO_TEST_SUITE(optim_bounce)

BOOST_AUTO_TEST_CASE(up_and_down_in_turn) {
    const optim::Bounce bounce = optim::find_bounce(costs_of(30, [](int i) { return i % 2 ? 0.53 : 0.33; }));
    BOOST_TEST(bounce.found);
    BOOST_TEST(near(bounce.level, 0.43, 1e-12));
    BOOST_TEST(near(bounce.amplitude, 0.2, 1e-12));
    BOOST_TEST(bounce.reversals == 1);
    BOOST_TEST(std::abs(bounce.progress) < 1e-12);
}

BOOST_AUTO_TEST_CASE(in_threes_and_unevenly) {
    BOOST_TEST(optim::find_bounce(costs_of(30, [](int i) { return 1 + 0.2 * (i % 3); })).found);  // turns 2 of 3 times
    BOOST_TEST(optim::find_bounce(costs_of(30, [](int i) { return 1 + (i % 4 == 0 ? 0.9 : 0.1 * (i % 4)); })).found);
    // A logistic map in its chaotic range.
    double x = 0.3;
    BOOST_TEST(optim::find_bounce(costs_of(60, [&](int) { return 1 + (x = 3.7 * x * (1 - x)); })).found);
}

BOOST_AUTO_TEST_CASE(no_false_alarm) {
    const auto quiet = [](auto f) { return !optim::find_bounce(costs_of(40, f)).found; };
    BOOST_TEST(quiet([](int i) { return std::exp(-0.1 * i); }));                                // falls
    BOOST_TEST(quiet([](int i) { return 0.01 * std::exp(-0.5 * i); }));                         // falls to nothing
    BOOST_TEST(quiet([](int) { return 0.43; }));                                                // has converged
    BOOST_TEST(quiet([](int i) { return 0.43 * (1 + (i % 2) * 1e-7); }));                       // but for rounding
    BOOST_TEST(quiet([](int) { return 0.0; }));                                                 // is 0
    BOOST_TEST(quiet([](int i) { return 1 + 0.1 * i; }));                                       // rises: it diverges
    BOOST_TEST(quiet([](int i) { return 2 - 0.04 * i + (i % 2 ? 0.06 : 0); }));                 // bounces and falls
    BOOST_TEST(quiet([](int i) { return i < 20 ? 1.0 + i % 2 : 0.5 * std::exp(-0.01 * i); }));  // did so long ago
    BOOST_TEST(quiet([](int i) { return 1 + 0.3 * std::sin(0.3 * i); }));                       // goes in long waves
    BOOST_TEST(quiet([](int i) { return i == 30 ? NAN : 1.0 + i % 2; }));                       // is not a number
    BOOST_TEST(!optim::find_bounce(costs_of(7, [](int i) { return 1.0 + i % 2; })).found);      // too few
    BOOST_TEST(optim::find_bounce(costs_of(8, [](int i) { return 1.0 + i % 2; })).found);
    BOOST_TEST(!optim::find_bounce({}).found);
}

/// The measure that is documented: noise counts from a deviation of about 4.4 % of the level on, half of it never.
BOOST_AUTO_TEST_CASE(noise_of_batches) {
    BOOST_TEST(share_found(0.022) == 0);
    BOOST_TEST(share_found(0.03) < 0.05);
    BOOST_TEST(share_found(0.1) > 0.9);
    BOOST_TEST(share_found(0.1, /*fall*/ 0.05) < 0.1);  // noise on a cost that falls
}

/// At the valley's minimum the curvature is 1: rates below 2 come to rest, rates above bounce.
BOOST_AUTO_TEST_CASE(bounces_just_above_two_over_the_curvature) {
    for (const auto& [rate, bounces] : {std::pair{1.9, false}, {1.98, false}, {2.02, true}, {2.1, true}}) {
        Parameter x = start();
        const Costs costs = descend(x, rate, 2000);
        BOOST_TEST(optim::find_bounce(costs, {20, 0.4, 1e-4}).found == bounces, "rate " << rate);
    }
}

BOOST_AUTO_TEST_CASE(suggested_step) {
    const double rate = 2.4;
    Parameter x = start();
    const Costs costs = descend(x, rate, 200);
    const double at = x.item(), slope = std::exp(at) - 1, after = at - rate * slope, slope_after = std::exp(after) - 1;
    const Array before = x.array();
    const optim::StepAdvice advice = optim::suggest_step(costs, rate, {x}, [&] { return valley(x); });
    BOOST_TEST(advice.bounce.found);

    const double here = std::exp(at), halfway = std::exp(at - rate * slope / 2);
    const double on_the_way = (slope - slope_after) / (rate * slope);
    BOOST_TEST(near(advice.curvature, std::max({here, halfway, on_the_way}), 1e-12));
    BOOST_TEST(near(advice.bound, 2 / advice.curvature, 1e-12));
    BOOST_TEST(near(advice.suggestion, std::min(advice.bound, rate) / 2, 1e-12));
    BOOST_TEST(advice.learning_rate == rate);
    BOOST_TEST(x.array().data<double>() == before.data<double>());
    BOOST_TEST(x.item() == at);
    BOOST_TEST_MESSAGE(advice.text);
    for (const char* part : {"the cost bounces around ", "the learning rate 2.4 is above 2 / ", "; try "})
        BOOST_TEST(holds(advice.text, part), advice.text);

    const Costs then = descend(x, advice.suggestion, 200);
    BOOST_TEST(!optim::find_bounce(then, {20, 0.4, 1e-4}).found);
    BOOST_TEST(near(then.back(), 1, 1e-9));  // e^0 - 0
}

BOOST_AUTO_TEST_CASE(step_of_momentum_and_of_adam) {
    const Costs costs = costs_of(30, [](int i) { return 1.0 + i % 2; });
    Parameter x = xt::xarray<double>{1.0};
    const auto loss = [&] { return 2 * sum(square(x)); };  // curvature 4
    const optim::StepAdvice heavy = optim::suggest_step(costs, optim::SGD({x}, {1, 0.9}), loss);
    BOOST_TEST(near(heavy.bound, 3.8 / 4, 1e-12));
    BOOST_TEST(near(heavy.suggestion, 3.8 / 8, 1e-12));
    BOOST_TEST(holds(heavy.text, "the learning rate 1 is above 3.8 / 4 = 0.95"), heavy.text);

    optim::Adam adam({x}, 0.5);
    adam.step(std::vector<Variable>{Variable(xt::xarray<double>{0.01})});  // its scale is now 100
    const optim::StepAdvice scaled = optim::suggest_step(costs, adam, loss);
    BOOST_TEST(near(scaled.curvature, 400, 1e-5));
    BOOST_TEST(near(scaled.bound, 38 / 400.0, 1e-5));
}

BOOST_AUTO_TEST_CASE(noise_is_told_apart) {
    Parameter x = xt::xarray<double>{1.0};
    const optim::StepAdvice advice = optim::suggest_step(costs_of(30, [](int i) { return 1.0 + i % 2; }), 0.1, {x},
                                                         [&] { return 0.5 * sum(square(x)); });
    BOOST_TEST(near(advice.bound, 2, 1e-12));
    BOOST_TEST(near(advice.suggestion, 0.05, 1e-12));
    BOOST_TEST(holds(advice.text, "the learning rate 0.1 is below 2 / 1 = 2"), advice.text);
    BOOST_TEST(holds(advice.text, "noise of the batches"), advice.text);
}

BOOST_AUTO_TEST_CASE(where_nothing_bends_upwards) {
    Parameter x = xt::xarray<double>{1.0};
    const Costs costs = costs_of(30, [](int i) { return 1.0 + i % 2; });
    const optim::StepAdvice advice = optim::suggest_step(costs, 0.1, {x}, [&] { return -sum(square(x)); });
    BOOST_TEST(advice.bound == 0);
    BOOST_TEST(advice.suggestion == 0.05);
    BOOST_TEST(holds(advice.text, "does not bend upwards"), advice.text);
}

BOOST_AUTO_TEST_CASE(nothing_is_measured_without_need) {
    Parameter x = start();
    const optim::StepAdvice advice = optim::suggest_step(costs_of(30, [](int i) { return std::exp(-i); }), 0.1, {x},
                                                         []() -> Variable { throw Error("called"); });
    BOOST_TEST(advice.text.empty());
    BOOST_TEST(!advice.bounce.found);
}

BOOST_AUTO_TEST_CASE(fit_says_so) {
    const auto train = [](double rate, bool with_loss, Index batches_per_epoch, std::string& printed) {
        std::ostringstream out;
        Parameter x = start();
        optim::SGD sgd({x}, rate);
        optim::FitOptions options;
        options.epochs = 200;
        options.out = &out;
        options.optimizer = &sgd;
        if (with_loss) options.loss = [&] { return valley(x); };
        const auto history =
            optim::fit(options, std::vector<int>(static_cast<std::size_t>(batches_per_epoch)), [&](int) {
                const Variable loss = valley(x);
                sgd.zero_grad();
                loss.backward();
                sgd.step();
                return optim::Score{loss.item()};
            });
        printed = out.str();
        BOOST_TEST(history.losses().size() == 200u);
        return history.advice;
    };
    std::string printed;
    const std::string advice = train(2.4, true, 1, printed);
    BOOST_TEST(holds(advice, "the learning rate 2.4 is above 2 / "), advice);
    BOOST_TEST(holds(printed, advice + "\n"));
    BOOST_TEST(holds(train(2.02, true, 1, printed), "the cost bounces"));  // by less than 5 %: one batch is no noise
    const std::string plain = train(2.4, false, 1, printed);
    BOOST_TEST(holds(plain, "the cost bounces around "), plain);
    BOOST_TEST(holds(printed, plain + "\n"));
    BOOST_TEST(train(0.5, true, 1, printed).empty());
    BOOST_TEST(!holds(printed, "bounces"));
}

BOOST_AUTO_TEST_CASE(arguments_out_of_range) {
    BOOST_CHECK_THROW(optim::find_bounce({}, {7}), ValueError);
    BOOST_CHECK_THROW(optim::find_bounce({}, {20, 1.5}), ValueError);
    BOOST_CHECK_THROW(optim::find_bounce({}, {20, 0.5, -1}), ValueError);
    BOOST_CHECK_THROW(optim::find_bounce({}, {20, 0.5, NAN}), ValueError);
}

BOOST_AUTO_TEST_SUITE_END()
