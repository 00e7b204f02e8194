#include <xtape/xtape.hpp>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "support/anomalies.hpp"

/// When DetectAnomaly speaks and when it does not: masks, scopes, threads, at once and on request.
using namespace xtape;
using xtape::testing::caught;
using xtape::testing::check_names;
using xtape::testing::check_place;

namespace {

using Kind = Anomaly::Kind;

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();

}  // namespace

BOOST_AUTO_TEST_SUITE(non_finite_scope)

BOOST_AUTO_TEST_CASE(numbers_that_do_not_get_through_are_no_cause) {
    const Parameter scores = xt::xarray<float>{{1, 2, 3}, {4, 5, 6}};
    const Variable mask = xt::xarray<float>{{0, 0, 1}, {0, 1, 1}};
    const DetectAnomaly guard;
    const Variable weights = softmax(masked_fill(scores, mask, -inf), 1);
    sum(square(weights)).backward(keep_tape);
    BOOST_TEST(bool(scores.grad()));

    // The logarithm of a weight that the mask has made 0 is the cause, and not what stands before it.
    const Variable kept = weights + 0;
    const int line = __LINE__ + 1;
    const Anomaly found = caught([&] { sum(log(kept)).backward(); });
    check_place(found, "log", __FILE__, line, {0, 2});
    BOOST_TEST(found.numbers[0].value == 0);
}

BOOST_AUTO_TEST_CASE(the_chosen_branch_is_followed) {
    const Parameter x = xt::xarray<float>{-1, 4};
    const DetectAnomaly guard;
    const Variable infinite = log(0.0 * x);  // -inf in both, and older
    const Variable root = sqrt(x);           // nan, 2
    const Variable positive = x.variable() > 0;
    BOOST_TEST(std::isfinite(sum(where(positive, root, 1.0)).item()));
    const Anomaly found = caught([&] { sum(where(positive, infinite, root)).backward(keep_tape); });
    BOOST_TEST(found.operation == "sqrt");
    check_names(found.path, {"sqrt", "where", "sum"});
    BOOST_TEST(caught([&] { sum(where(positive, 1.0, infinite)).backward(); }).operation == "log");
}

BOOST_AUTO_TEST_CASE(nothing_happens_without_a_guard) {
    const Parameter x = xt::xarray<float>{-1, 4};
    { const DetectAnomaly guard; }
    const Variable y = sqrt(x);
    sum(y).backward();
    BOOST_TEST(std::isnan(x.grad().at(0)));
    BOOST_TEST(!y.node()->output);
    const Variable known = x + Variable(xt::xarray<float>{1, 1});
    BOOST_TEST(!known.node()->arguments()[1]);
}

BOOST_AUTO_TEST_CASE(operations_from_before_are_passed_over) {
    const Parameter x = xt::xarray<float>{-1, 4};
    const Variable y = sqrt(x);
    const DetectAnomaly guard;
    const Anomaly found = caught([&] { sum(y).backward(); });
    BOOST_TEST(found.operation == "sum");
    BOOST_TEST(to_string(found).find("argument 1, sqrt at non_finite_scope.cpp:") != std::string::npos);
    BOOST_TEST(to_string(found).find("recorded before anybody looked, not kept") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_its_user_kept_of_operations_from_before) {
    const Parameter x = xt::xarray<float>{-1, 4}, w = xt::xarray<float>{2, 2};
    const int before = __LINE__ + 1;
    const Variable root = sqrt(x);
    const DetectAnomaly guard;
    const int line = __LINE__ + 1;
    const Variable y = w * root;  // keeps the root for its rule
    std::string text;
    const Anomaly found = caught([&] { sum(y).backward(); }, &text);
    BOOST_TEST((found.kind == Kind::input));
    check_place(found, "multiply", __FILE__, line, {0});
    BOOST_TEST(found.argument == 2U);
    BOOST_TEST(std::isnan(found.value));
    BOOST_TEST(std::isnan(found.loss));
    check_names(found.path, {"multiply", "sum"});
    xtape::testing::check_contains(text,
                                   "multiply: its argument 2, sqrt at non_finite_scope.cpp:" + std::to_string(before) +
                                       ", recorded before anybody looked, is nan at (0,) to begin with");
}

BOOST_AUTO_TEST_CASE(what_a_checkpoint_was_given) {
    const Parameter x = xt::xarray<float>{-1, 4}, w = xt::xarray<float>{2, 2};
    const Variable root = sqrt(x), positive = x.variable() > 0;
    const DetectAnomaly guard;
    const int line = __LINE__ + 1;
    const Variable y = checkpoint([&] { return w * root; });
    const Anomaly found = caught([&] { sum(where(positive, y, 0.0)).backward(); });
    BOOST_TEST((found.kind == Kind::input));
    check_place(found, "multiply in the rule of checkpoint", __FILE__, line, {0});
    BOOST_TEST(found.argument == 2U);
}

// ------------------------------------------------------------------------------------------------------- modes

BOOST_AUTO_TEST_CASE(at_once_the_operation_itself_throws) {
    const Parameter x = xt::xarray<float>{1, -4};
    const DetectAnomaly guard(at_once, {{"x", x}});
    const Variable y = 2 * x;
    const int line = __LINE__ + 1;
    const Anomaly found = caught([&] { sqrt(y); });
    check_place(found, "sqrt", __FILE__, line, {1});
    BOOST_TEST(found.numbers[0].value == -8);
    BOOST_TEST(found.path.empty());
    BOOST_TEST(to_string(found).find("path") == std::string::npos);

    const Anomaly data = caught([&] { x + Variable(xt::xarray<float>{0, not_a_number}); });
    BOOST_TEST((data.kind == Kind::input));
    BOOST_TEST(data.argument == 2U);
    const Parameter bad = Array::filled({1}, float32, inf);
    BOOST_TEST(caught([&] { exp(bad); }).operation == "a parameter");
    sum(square(y)).backward();  // all is sound
    BOOST_TEST(x.grad().at(1) == -32);
}

BOOST_AUTO_TEST_CASE(at_once_what_was_recorded_before_comes_with_its_first_use) {
    const Parameter x = xt::xarray<float>{1, -4};
    const int before = __LINE__ + 1;
    const Variable root = sqrt(x);
    const DetectAnomaly outer;  // keeps numbers, and does not throw at once
    const Variable later = sqrt(x);
    const DetectAnomaly guard(at_once);
    exp(where(x.variable() > 0, root, 0.0));  // does not get through
    const int line = __LINE__ + 1;
    const Anomaly found = caught([&] { exp(root); });
    BOOST_TEST((found.kind == Kind::input));
    check_place(found, "exp", __FILE__, line, {1});
    xtape::testing::check_contains(to_string(found),
                                   "exp: its argument 1, sqrt at non_finite_scope.cpp:" + std::to_string(before) +
                                       ", recorded before anybody looked, is nan at (1,)");
    BOOST_TEST((caught([&] { later* x; }).kind == Kind::input));
    BOOST_TEST((caught([&] { (void)elementwise([](auto v) { return v * v; })(root).array(); }).kind == Kind::input));
}

BOOST_AUTO_TEST_CASE(check_looks_without_a_walk) {
    const Parameter x = xt::xarray<float>{1, -4};
    const DetectAnomaly guard;
    guard.check(exp(x));
    const int line = __LINE__ + 1;
    const Variable y = reshape(log(x), {2, 1});
    const Anomaly found = caught([&] { guard.check(y); });
    check_place(found, "log", __FILE__, line, {1});
    check_names(found.path, {"log", "reshape"});
    BOOST_TEST(caught([&] { guard.check(Variable(xt::xarray<float>{{0, not_a_number}})); }).operation == "a constant");
    BOOST_CHECK_THROW(guard.check(Variable()), ValueError);
}

BOOST_AUTO_TEST_CASE(guards_nest) {
    const Parameter x = xt::xarray<float>{1, -4};
    DetectAnomaly outer({{"x", x}});
    {
        DetectAnomaly inner({{"other", x}});
        BOOST_TEST(caught([&] { sum(log(x)).backward(); }).numbers[0].origin == "parameter other");
        sum(exp(x)).backward();
    }
    BOOST_TEST(caught([&] { sum(log(x)).backward(); }).numbers[0].origin == "parameter x");
    BOOST_TEST(Observer::current() == &outer);
}

BOOST_AUTO_TEST_CASE(each_thread_has_its_own) {
    const Parameter x = xt::xarray<float>{1, -4};
    const DetectAnomaly guard;
    std::vector<std::thread> threads;
    int unseen = 0;
    threads.emplace_back([&] {
        sum(log(x)).backward();  // nobody looks here
        ++unseen;
    });
    threads.front().join();
    std::vector<int> seen(4);
    threads.clear();
    for (std::size_t i = 0; i < seen.size(); ++i)
        threads.emplace_back([&, i] {
            const DetectAnomaly own;
            for (int turn = 0; turn < 50; ++turn) try {
                    sum(log(x * 2.0)).backward();
                } catch (const NonFiniteError& error) {
                    seen[i] += error.found().numbers[0].value == -8;
                }
        });
    for (std::thread& thread : threads) thread.join();
    BOOST_TEST(unseen == 1);
    BOOST_TEST(seen == std::vector<int>(4, 50), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(merged_operations_are_seen_one_by_one) {
    nn::Sequential net{nn::Linear(2, 2), relu, nn::Linear(2, 2), sigmoid, nn::Linear(2, 1)};
    for (const auto& [name, parameter] : net.named_parameters())
        parameter.assign(Array::filled(parameter.shape(), float32, name == "0.weight" ? 3e38 : 0));
    const Variable x = xt::xarray<float>{{1, 1}};
    const DetectAnomaly guard;
    const Anomaly found = caught([&] { sum(net(x)).backward(); });  // 6e38 is inf, relu keeps it, inf * 0 is nan
    BOOST_TEST(found.operation == "linear");
    BOOST_TEST(found.value == double{inf});
    BOOST_TEST(found.numbers[0].origin == "a constant");
    BOOST_TEST(found.numbers[1].part == "column 0");
    check_names(found.path, {"linear", "relu", "linear", "sigmoid", "linear", "sum"});
}

BOOST_AUTO_TEST_CASE(long_paths_are_abridged) {
    const Parameter x = Array::filled({1}, float64, 0);
    const DetectAnomaly guard;
    Variable y = log(x);
    for (int i = 0; i < 1000; ++i) y = y * 1.0;
    const Anomaly found = caught([&] { sum(y).backward(); });
    BOOST_TEST(found.path.size() == 1002U);
    const std::string text = to_string(found);
    BOOST_TEST(text.find("> ... 993 more > multiply") != std::string::npos, text);
    BOOST_TEST(text.size() < 700U);
}

BOOST_AUTO_TEST_SUITE_END()
