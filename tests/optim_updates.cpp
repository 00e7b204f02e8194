#include <cmath>
#include <functional>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/threads.hpp>
#include <xtape/optim/optim.hpp>

#include "support/optim.hpp"

/// Each optimiser's update beside its formula, written for one element.
using namespace xtape;
using namespace xtape::optim_test;

namespace {

/// The gradient of step t at w: a bowl whose middle wanders, so that moments and momentum matter.
double gradient_at(double w, std::size_t i, int t) {
    return 0.7 * w + 0.3 * std::sin(1.7 * t + static_cast<double>(i));
}

/// One element's update: weight, gradient, its memory (zeros at first) and the number of the step.
using Rule = std::function<double(double w, double g, double* memory, int t)>;

/// Runs an optimiser and a rule side by side for 20 steps.
template <class Make>
void compare(Make make, const Rule& rule, DType dtype = float64, double tolerance = 1e-13) {
    const Numbers first{1.5, -2, 0.25, 3e-3, 0};
    Parameter p(array_of(first, dtype));
    auto optimizer = make(p);
    Numbers w = first;
    std::vector<Numbers> memory(w.size(), Numbers(3, 0));
    for (int t = 1; t <= 20; ++t) {
        Numbers g(w.size());
        for (std::size_t i = 0; i < w.size(); ++i) {
            g[i] = gradient_at(w[i], i, t);
            w[i] = rule(w[i], g[i], memory[i].data(), t);
        }
        p.set_grad(array_of(g, dtype));
        optimizer.step();
        for (std::size_t i = 0; i < w.size(); ++i)
            BOOST_TEST(std::abs(p.array().at(static_cast<Index>(i)) - w[i]) <= tolerance,
                       "step " << t << ", element " << i << ": " << p.array().at(static_cast<Index>(i))
                               << " != " << w[i]);
    }
}

/// The value of a parameter (1, -2) after one step along the gradient (0.5, 0).
template <class Make>
Numbers after_first_step(Make make) {
    Parameter p(array_of({1, -2}));
    auto optimizer = make(p);
    optimizer.step({Variable(array_of({0.5, 0}))});
    return {p.array().at(0), p.array().at(1)};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(optim_updates)

BOOST_AUTO_TEST_CASE(first_steps_by_hand) {
    check_close(after_first_step([](Parameter& p) { return optim::SGD({p}, 0.1); }), {0.95, -2});
    // Decay 0.1: g = (0.6, -0.2).
    check_close(after_first_step([](Parameter& p) { return optim::SGD({p}, {0.1, 0, false, 0.1}); }), {0.94, -1.98});
    // The momentum is g itself at first; Nesterov goes g + 0.9 g.
    check_close(after_first_step([](Parameter& p) { return optim::SGD({p}, {0.1, 0.9}); }), {0.95, -2});
    check_close(after_first_step([](Parameter& p) { return optim::SGD({p}, {0.1, 0.9, true}); }), {0.905, -2});
    // The first corrected moments are g and g^2: a step of the rate whatever g is; decay keeps the other from 0 / 0.
    check_close(after_first_step([](Parameter& p) {
                    return optim::Adam({p}, {0.1, 0.1, 0.9, 0.999, 0});
                }),
                {0.9, -1.9});
    check_close(after_first_step([](Parameter& p) {
                    return optim::Adam({p}, {0.1, 0, 0.9, 0.999, 0.5});
                }),
                {1 - 0.1 * 0.5 / 1.0, -2});
    // AdamW: w (1 - 0.1 * 0.5) beside the same step.
    check_close(after_first_step([](Parameter& p) {
                    return optim::AdamW({p}, {0.1, 0.5, 0.9, 0.999, 0.5});
                }),
                {0.95 - 0.05, -1.9});
    // Square 0.25: step 0.1 * 0.5 / (0.5 + 0.5).
    check_close(after_first_step([](Parameter& p) { return optim::Adagrad({p}, {0.1, 0, 0, 0.5}); }), {0.95, -2});
    // Smoothing 0.75: square 0.0625, root 0.25; step 0.1 * 0.5 / (0.25 + 0.25).
    check_close(after_first_step([](Parameter& p) { return optim::RMSProp({p}, {0.1, 0, 0, 0.75, 0.25}); }), {0.9, -2});
}

BOOST_AUTO_TEST_CASE(defaults_are_pytorchs) {
    BOOST_TEST(optim::SGDOptions().momentum == 0);
    BOOST_TEST(!optim::SGDOptions().nesterov);
    BOOST_TEST(optim::AdamOptions().learning_rate == 1e-3);
    BOOST_TEST(optim::AdamOptions().beta1 == 0.9);
    BOOST_TEST(optim::AdamOptions().beta2 == 0.999);
    BOOST_TEST(optim::AdamOptions().epsilon == 1e-8);
    BOOST_TEST(optim::AdamOptions().weight_decay == 0);
    BOOST_TEST(optim::AdamWOptions().weight_decay == 1e-2);
    BOOST_TEST(optim::RMSPropOptions().learning_rate == 1e-2);
    BOOST_TEST(optim::RMSPropOptions().smoothing == 0.99);
    BOOST_TEST(optim::AdagradOptions().learning_rate == 1e-2);
    BOOST_TEST(optim::AdagradOptions().epsilon == 1e-10);
}

BOOST_AUTO_TEST_CASE(sgd) {
    compare([](Parameter& p) { return optim::SGD({p}, 0.1); },
            [](double w, double g, double*, int) { return w - 0.1 * g; });
    compare(
        [](Parameter& p) {
            return optim::SGD({p}, {0.1, 0.9, false, 0.01});
        },
        [](double w, double g, double* m, int) {
            m[0] = 0.9 * m[0] + (g + 0.01 * w);
            return w - 0.1 * m[0];
        });
    compare(
        [](Parameter& p) {
            return optim::SGD({p}, {0.1, 0.8, true, 0.02});
        },
        [](double w, double g, double* m, int) {
            g += 0.02 * w;
            m[0] = 0.8 * m[0] + g;
            return w - 0.1 * (g + 0.8 * m[0]);
        });
}

BOOST_AUTO_TEST_CASE(adam) {
    const Rule rule = [](double w, double g, double* m, int t) {
        g += 0.05 * w;
        m[0] = 0.9 * m[0] + 0.1 * g;
        m[1] = 0.99 * m[1] + 0.01 * g * g;
        const double mean = m[0] / (1 - std::pow(0.9, t)), square = m[1] / (1 - std::pow(0.99, t));
        return w - 0.02 * mean / (std::sqrt(square) + 1e-6);
    };
    const auto make = [](Parameter& p) { return optim::Adam({p}, {0.02, 0.05, 0.9, 0.99, 1e-6}); };
    compare(make, rule, float64, 1e-12);
    compare(make, rule, float32, 2e-5);
}

BOOST_AUTO_TEST_CASE(adamw) {
    compare(
        [](Parameter& p) {
            return optim::AdamW({p}, {0.02, 0.3, 0.8, 0.95, 1e-8});
        },
        [](double w, double g, double* m, int t) {
            w -= 0.02 * 0.3 * w;
            m[0] = 0.8 * m[0] + 0.2 * g;
            m[1] = 0.95 * m[1] + 0.05 * g * g;
            const double mean = m[0] / (1 - std::pow(0.8, t)), square = m[1] / (1 - std::pow(0.95, t));
            return w - 0.02 * mean / (std::sqrt(square) + 1e-8);
        },
        float64, 1e-12);
}

BOOST_AUTO_TEST_CASE(adagrad) {
    compare(
        [](Parameter& p) {
            return optim::Adagrad({p}, {0.3, 0.01, 0.1, 1e-10});
        },
        [](double w, double g, double* s, int t) {
            g += 0.01 * w;
            s[0] += g * g;
            return w - 0.3 / (1 + (t - 1) * 0.1) * g / (std::sqrt(s[0]) + 1e-10);
        },
        float64, 1e-12);
}

BOOST_AUTO_TEST_CASE(rmsprop) {
    compare(
        [](Parameter& p) {
            return optim::RMSProp({p}, {0.01, 0, 0.1, 0.9, 1e-8});
        },
        [](double w, double g, double* s, int) {
            g += 0.1 * w;
            s[0] = 0.9 * s[0] + 0.1 * g * g;
            return w - 0.01 * g / (std::sqrt(s[0]) + 1e-8);
        },
        float64, 1e-12);
    const auto centered = [](double w, double g, double* s, int) {
        s[0] = 0.9 * s[0] + 0.1 * g * g;
        s[1] = 0.9 * s[1] + 0.1 * g;
        s[2] = 0.5 * s[2] + g / (std::sqrt(s[0] - s[1] * s[1]) + 1e-3);
        return w - 0.01 * s[2];
    };
    compare(
        [](Parameter& p) {
            return optim::RMSProp({p}, {0.01, 0.5, 0, 0.9, 1e-3, true});
        },
        centered, float64, 1e-12);
    compare([](Parameter& p) { return optim::RMSProp({p}, {0.01, 0.5, 0, 0.9, 1e-3, true}); }, centered, float32, 1e-5);
}

BOOST_AUTO_TEST_CASE(same_bits_for_one_and_two_threads) {
    const Index n = 3 * 16384 + 77;
    const auto run = [n](int count) {
        set_threads(count);
        Parameter p(Array::filled({n}, float32, 1));
        optim::AdamW optimizer({p}, 0.1);
        Array g = Array::uninitialized({n}, float32);
        for (Index i = 0; i < n; ++i) g.mutable_data<float>()[i] = std::sin(static_cast<float>(i));
        for (int t = 0; t < 3; ++t) optimizer.step({Variable(g)});
        set_threads(0);
        return p.array();
    };
    const Array one = run(1), two = run(2);
    Index different = 0;
    for (Index i = 0; i < n; ++i) different += one.at(i) != two.at(i);
    BOOST_TEST(different == 0);
    // Every element was reached: |step| is the rate, but where the gradient is 0 only the decay works.
    BOOST_TEST(std::abs(one.at(n - 1) - 1) > 1e-2);
    BOOST_TEST(std::abs(one.at(0) - std::pow(1 - 0.1 * 0.01, 3)) < 1e-6);
}

BOOST_AUTO_TEST_SUITE_END()
