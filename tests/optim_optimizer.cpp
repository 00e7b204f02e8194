#include <cmath>
#include <string>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/tape.hpp>
#include <xtape/optim/optim.hpp>

#include "support/optim.hpp"

/// What all optimisers have from their base: gradients, groups, state, errors.
using namespace xtape;
using namespace xtape::optim_test;

BOOST_AUTO_TEST_SUITE(optim_optimizer)

BOOST_AUTO_TEST_CASE(gradients_of_the_tape) {
    Parameter a(array_of({1, 2})), b(array_of({3, 4}));
    optim::SGD optimizer({a, b}, 0.5);
    const auto loss = [&] { return sum(a * a * b); };  // da = 2ab = (6, 16), db = a^2 = (1, 4)
    optimizer.step(grad(loss(), a, b));
    check_close({a.array().at(0), a.array().at(1), b.array().at(0), b.array().at(1)}, {-2, -6, 2.5, 2});
    loss().backward();  // da = (-10, -24), db = (4, 36)
    optimizer.step();
    check_close({a.array().at(0), a.array().at(1), b.array().at(0), b.array().at(1)}, {3, 6, 0.5, -16});
    BOOST_TEST(static_cast<bool>(a.grad()));
    optimizer.zero_grad();
    BOOST_TEST(!a.grad());
    BOOST_TEST(!b.grad());
    optimizer.step();  // nothing to go by
    check_close({a.array().at(0), b.array().at(1)}, {3, -16});
}

BOOST_AUTO_TEST_CASE(a_step_leaves_what_others_hold) {
    Parameter p(array_of({1, 2}));
    const Variable before = p.variable();
    optim::SGD optimizer({p}, 1.0);
    optimizer.step({before});  // the gradient shares the value's elements
    check_close({before.array().at(0), before.array().at(1)}, {1, 2});
    check_close({p.array().at(0), p.array().at(1)}, {0, 0});
    const auto* address = p.array().data<double>();
    optimizer.step({Variable(array_of({1, 1}))});
    BOOST_TEST(p.array().data<double>() == address);  // in place when nobody else holds it
}

BOOST_AUTO_TEST_CASE(groups_have_their_own_rate_and_decay) {
    Parameter w(array_of({1})), b(array_of({1}));
    optim::SGD optimizer({w}, {0.1, 0, false, 0.5});
    optimizer.add_group({b}, 2, 0);
    optimizer.step({Variable(array_of({1})), Variable(array_of({1}))});
    check_close({w.array().at(0), b.array().at(0)}, {1 - 0.1 * 1.5, 1 - 0.2});
    optimizer.learning_rate(0.01);
    optimizer.step({Variable(), Variable(array_of({1}))});
    check_close({w.array().at(0), b.array().at(0)}, {0.85, 0.8 - 0.02});
}

BOOST_AUTO_TEST_CASE(state_goes_on_where_it_was) {
    Parameter p(array_of({1, -1}));
    optim::Adam first({p}, 0.1);
    for (int t = 0; t < 3; ++t) first.step({Variable(array_of({1.0 + t, -0.5}))});
    const auto state = first.state();
    BOOST_TEST(state.size() == 3u);
    BOOST_TEST(state[0].first == "step.0");
    BOOST_TEST(state[0].second.at(0) == 3);
    BOOST_TEST(state[1].first == "first_moment.0");

    Parameter q(p.array());
    optim::Adam second({q}, 0.1);
    second.load_state(state);
    for (int t = 0; t < 2; ++t) {
        first.step({Variable(array_of({0.3, 0.7}))});
        second.step({Variable(array_of({0.3, 0.7}))});
    }
    BOOST_TEST(p.array().at(0) == q.array().at(0));
    BOOST_TEST(p.array().at(1) == q.array().at(1));

    auto wrong = state;
    wrong[2].first = "other.0";
    BOOST_CHECK_EXCEPTION(second.load_state(wrong), ValueError, [](const Error& e) {
        return std::string(e.what()).find("missing [second_moment.0], unexpected [other.0]") != std::string::npos;
    });
    wrong = state;
    wrong[1].second = array_of({1, 2, 3});
    BOOST_CHECK_THROW(second.load_state(wrong), ShapeError);
}

BOOST_AUTO_TEST_CASE(zero_size_and_rank_0) {
    Parameter empty(Array::uninitialized({0, 3}, float32)), scalar(Array::scalar(2, float32));
    optim::Adam optimizer({empty, scalar}, {0.5, 0, 0.9, 0.999, 0});
    optimizer.step({Variable(Array::uninitialized({0, 3}, float32)), Variable(Array::scalar(7, float32))});
    BOOST_TEST(std::abs(scalar.item() - 1.5) < 1e-6);
}

BOOST_AUTO_TEST_CASE(arguments_out_of_range) {
    Parameter p(array_of({1, 2})), q(array_of({1, 2}));
    BOOST_CHECK_THROW(optim::SGD({p}, -0.1), ValueError);
    BOOST_CHECK_THROW(optim::SGD({p}, NAN), ValueError);
    BOOST_CHECK_THROW(optim::SGD({p}, {0.1, 1.0}), ValueError);
    BOOST_CHECK_THROW(optim::SGD({p}, {0.1, 0, true}), ValueError);
    BOOST_CHECK_THROW(optim::SGD({p}, {0.1, 0, false, -1}), ValueError);
    BOOST_CHECK_THROW(optim::SGD(optim::ParameterList{}, 0.1), ValueError);
    BOOST_CHECK_THROW(optim::SGD({p, p}, 0.1), ValueError);
    Parameter nothing;
    BOOST_CHECK_THROW(optim::SGD({nothing}, 0.1), ValueError);
    BOOST_CHECK_THROW(optim::Adam({p}, {0.1, 0, 1.0}), ValueError);
    BOOST_CHECK_THROW(optim::Adam({p}, {0.1, 0, 0.9, -0.1}), ValueError);
    BOOST_CHECK_THROW(optim::AdamW({p}, {0.1, 0, 0.9, 0.999, -1}), ValueError);
    BOOST_CHECK_THROW(optim::RMSProp({p}, {0.1, 0, 0, 1}), ValueError);
    BOOST_CHECK_THROW(optim::Adagrad({p}, {0.1, 0, -1}), ValueError);

    optim::SGD optimizer({p, q}, 0.1);
    const Variable fits(array_of({1, 1}));
    BOOST_CHECK_THROW(optimizer.learning_rate(INFINITY), ValueError);
    BOOST_CHECK_THROW(optimizer.add_group({p}, 1, 0), ValueError);
    BOOST_CHECK_THROW(optimizer.step({fits}), ValueError);
    BOOST_CHECK_THROW(optimizer.step({fits, Variable(array_of({1}))}), ShapeError);
    BOOST_CHECK_THROW(optimizer.step({fits, Variable(array_of({1, 1}, float32))}), DtypeError);
    check_close({p.array().at(0), p.array().at(1)}, {1, 2});  // nothing had changed
}

BOOST_AUTO_TEST_SUITE_END()
