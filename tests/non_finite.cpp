#include <xtape/xtape.hpp>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include <boost/test/unit_test.hpp>

/// Which operation first gave a NaN or an infinity, in forward, and the way from there to the loss.
using namespace xtape;

namespace {

using Kind = Anomaly::Kind;

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();

Anomaly caught(const std::function<void()>& f) {
    try {
        f();
    } catch (const NonFiniteError& error) {
        return error.found();
    }
    BOOST_ERROR("nothing was found");
    return {};
}

std::vector<std::string> names(const std::vector<Anomaly::Step>& path) {
    std::vector<std::string> all;
    for (const auto& step : path) all.push_back(step.operation);
    return all;
}

void check_names(const std::vector<Anomaly::Step>& path, const std::vector<std::string>& expected) {
    BOOST_TEST(names(path) == expected, boost::test_tools::per_element());
}

void check_place(const Anomaly& found, const std::string& operation, int line, const Shape& element) {
    BOOST_TEST(found.operation == operation);
    BOOST_TEST(std::string(found.where.file) == __FILE__);
    BOOST_TEST(found.where.line == line);
    BOOST_TEST(found.element == element, to_string(found.element) << " for " << to_string(element));
}

const xt::xarray<float> unit = {{1, 0}, {0, 1}};

}  // namespace

BOOST_AUTO_TEST_SUITE(non_finite)

BOOST_AUTO_TEST_CASE(square_root_of_a_negative_three_layers_deep) {
    const Variable x = xt::xarray<float>{{3, 4}, {1, 2}};
    const Parameter w1 = unit, w2 = unit, w3 = unit, w4 = unit;
    const Parameter b1 = xt::xarray<float>{0, 0}, b2 = xt::xarray<float>{1, 1}, b3 = xt::xarray<float>{-2.5F, 0};
    DetectAnomaly guard({{"w3", w3}});

    const Variable h1 = relu(linear(x, w1, b1));   // 3 4   1 2
    const Variable h2 = relu(linear(h1, w2, b2));  // 4 5   2 3
    const Variable z3 = linear(h2, w3, b3);        // 1.5 5   -0.5 3
    const Variable h3 = sqrt(z3);                  // nan at (1, 0)
    const Variable loss = mean(square(matmul(h3, w4)));
    constexpr int line = __LINE__ - 2;
    BOOST_TEST(std::isnan(loss.item()));

    const Anomaly found = caught([&] { loss.backward(); });
    BOOST_TEST((found.kind == Kind::output));
    check_place(found, "sqrt", line, {1, 0});
    BOOST_TEST(std::isnan(found.value));
    BOOST_TEST(found.argument == 0U);
    BOOST_TEST_REQUIRE(found.numbers.size() == 1U);
    BOOST_TEST(found.numbers[0].role == "argument 1");
    BOOST_TEST(found.numbers[0].origin == "linear at non_finite.cpp:" + std::to_string(line - 1));
    BOOST_TEST((found.numbers[0].element == Shape{1, 0}));
    BOOST_TEST(found.numbers[0].value == -0.5);
    check_names(found.path, {"sqrt", "matmul", "square", "mean"});
    BOOST_TEST(found.path[1].where.line == line + 1);
    BOOST_TEST(std::isnan(found.loss));
    BOOST_TEST(!w1.grad());
}

BOOST_AUTO_TEST_CASE(what_it_says) {
    const Parameter w = xt::xarray<float>{{2, 4, 8}, {1, 3, -1}};
    const Variable shift = xt::xarray<float>{1, 2, 0.5};
    const DetectAnomaly guard({{"w", w}});
    const int line = __LINE__ + 1;
    const Variable y = log(w - shift);
    const Variable loss = sum(y) / 6;
    std::string text;
    try {
        grad(loss, w);
    } catch (const NonFiniteError& error) {
        text = error.what();
    }
    const auto at = [&](int offset) { return "non_finite.cpp:" + std::to_string(line + offset); };
    BOOST_TEST(text == "log: its output is -inf at (1, 0), and what went into that is finite\n"
                       "  recorded at " +
                           at(0) +
                           "\n"
                           "  argument 1, subtract at " +
                           at(0) +
                           " (2, 3): 0 at (1, 0)\n"
                           "  path to the loss, nan: log (" +
                           at(0) + ") > sum (" + at(1) + ") > divide (" + at(1) + ")");
}

BOOST_AUTO_TEST_CASE(broadcast_arguments_are_shown_where_they_went_in) {
    const Parameter x = xt::xarray<float>{{1, 2, 3}, {4, 5, 6}};
    const Parameter row = xt::xarray<float>{1, 0, 2};
    const Parameter column(reshape(Variable(xt::xarray<float>{0, 7}), {2, 1}));
    DetectAnomaly guard({{"row", row}});
    const int line = __LINE__ + 1;
    const Anomaly found = caught([&] { sum((column + x) / row).backward(); });
    check_place(found, "divide", line, {0, 1});
    BOOST_TEST(found.value == double{inf});
    BOOST_TEST_REQUIRE(found.numbers.size() == 2U);
    BOOST_TEST(found.numbers[0].value == 2);  // 0 + 2
    BOOST_TEST(found.numbers[1].origin == "parameter row");
    BOOST_TEST((found.numbers[1].element == Shape{1}));
    BOOST_TEST(found.numbers[1].value == 0);

    const Anomaly across = caught([&] { sum(x / column).backward(); });
    BOOST_TEST((across.element == Shape{0, 0}));
    BOOST_TEST((across.numbers[1].element == Shape{0, 0}));
    BOOST_TEST(across.numbers[1].shape.rank() == 2);
}

BOOST_AUTO_TEST_CASE(plain_numbers_are_shown_too) {
    const Parameter x = xt::xarray<double>{3, 5};
    const DetectAnomaly guard;
    const Anomaly found = caught([&] { sum(x / 0.0).backward(); });
    BOOST_TEST(found.operation == "divide");
    BOOST_TEST_REQUIRE(found.numbers.size() == 2U);
    BOOST_TEST(found.numbers[0].value == 3);
    BOOST_TEST(found.numbers[1].origin == "a constant");
    BOOST_TEST(found.numbers[1].value == 0);
    const Anomaly power = caught([&] { sum(pow(0.0 * x, -0.5)).backward(); });
    BOOST_TEST(power.operation == "pow");
    BOOST_TEST(power.numbers[1].value == -0.5);
    const Anomaly flipped = caught([&] { sum(2.0 / (x - 5.0)).backward(); });
    BOOST_TEST(flipped.numbers[0].value == 2);
    BOOST_TEST(flipped.numbers[1].value == 0);
    BOOST_TEST((flipped.element == Shape{1}));
}

BOOST_AUTO_TEST_CASE(products_of_matrices_show_row_and_column) {
    const Parameter a = xt::xarray<float>{{1, 2}, {-3e38F, 1e38F}};
    const Parameter b = xt::xarray<float>{{0, 1, 5}, {0, 0, 6}};
    const DetectAnomaly guard;
    const Anomaly found = caught([&] { sum(matmul(a, b)).backward(); });
    BOOST_TEST(found.operation == "matmul");
    BOOST_TEST((found.element == Shape{1, 2}));  // -15e38 + 6e38
    BOOST_TEST(found.value == -double{inf});
    BOOST_TEST(found.numbers[0].part == "row 1");
    BOOST_TEST(found.numbers[0].lowest == double{-3e38F});
    BOOST_TEST(found.numbers[0].highest == double{1e38F});
    BOOST_TEST(found.numbers[1].part == "column 2");
    BOOST_TEST(found.numbers[1].lowest == 5);
    BOOST_TEST(found.numbers[1].highest == 6);
    BOOST_TEST(to_string(found).find("argument 2, a parameter (2, 3), column 2: from 5 to 6") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(reductions_show_ranges) {
    const Parameter x = xt::xarray<float>{{1e38F, 2e38F, 3e38F, -7}};
    const DetectAnomaly guard;
    const Anomaly found = caught([&] { (sum(x) * 1e-38).backward(); });
    BOOST_TEST(found.operation == "sum");
    BOOST_TEST((found.element == Shape{}));
    BOOST_TEST(!found.numbers[0].element);
    BOOST_TEST(found.numbers[0].lowest == -7);
    BOOST_TEST(found.numbers[0].highest == double{3e38F});
}

// ------------------------------------------------------------------------------------------------------ data

BOOST_AUTO_TEST_CASE(data_are_blamed_rather_than_operations) {
    const Parameter w = unit;
    const Variable x = xt::xarray<float>{{1, 2}, {3, not_a_number}, {not_a_number, 4}},
                   shift = xt::xarray<float>{0, inf};
    DetectAnomaly guard({{"w", w}});
    const int line = __LINE__ + 1;
    const Anomaly found = caught([&] { sum(exp(matmul(x, w))).backward(); });
    BOOST_TEST((found.kind == Kind::input));
    check_place(found, "matmul", line, {1, 1});
    BOOST_TEST(found.argument == 1U);
    BOOST_TEST_REQUIRE(found.numbers.size() == 1U);
    BOOST_TEST(found.numbers[0].origin == "a constant");
    BOOST_TEST(found.numbers[0].non_finite == 2);
    BOOST_TEST(found.numbers[0].count == 6);
    check_names(found.path, {"matmul", "exp", "sum"});
    BOOST_TEST(to_string(found).find("matmul: its argument 1, a constant, is nan at (1, 1) to begin with\n") == 0U);

    guard.name("shift", shift);
    const Anomaly added = caught([&] { sum(w + shift).backward(); });  // whose rule needs neither
    BOOST_TEST((added.kind == Kind::input));
    BOOST_TEST(added.argument == 2U);
    BOOST_TEST(added.numbers[0].origin == "constant shift");
    BOOST_TEST((added.element == Shape{1}));
    BOOST_TEST(added.value == double{inf});
    const Anomaly moved = caught([&] {
        sum(w + Variable(xt::xarray<float>{not_a_number, 1})).backward();
    });  // a temporary
    BOOST_TEST(moved.argument == 2U);
    BOOST_TEST((moved.element == Shape{0}));
}

BOOST_AUTO_TEST_CASE(parameters_that_are_not_finite_are_named) {
    nn::Sequential net{nn::Linear(2, 3), relu, nn::Linear(3, 1)};
    const nn::NamedParameters parameters = net.named_parameters();
    BOOST_TEST_REQUIRE(parameters[2].first == "2.weight");
    Array bad = parameters[2].second.array().copy();
    bad.mutable_data<float>()[1] = not_a_number;
    parameters[2].second.assign(bad);
    const Variable x = xt::xarray<float>{{1, 2}};
    const DetectAnomaly guard(parameters);
    const Anomaly found = caught([&] { mean(net(x)).backward(); });
    BOOST_TEST((found.kind == Kind::input));
    BOOST_TEST(found.operation == "parameter 2.weight");
    BOOST_TEST((found.element == Shape{1, 0}));
    check_names(found.path, {"parameter 2.weight", "linear", "mean"});
    BOOST_TEST(to_string(found).find("parameter 2.weight is nan at (1, 0) to begin with\n") == 0U);
}

BOOST_AUTO_TEST_CASE(lists_and_joint_operations) {
    const Parameter x = xt::xarray<float>{{1, 2, 3}}, w = xt::xarray<float>{1, 1, 1};
    const Variable bias = xt::xarray<float>{0, not_a_number, 0}, more = xt::xarray<float>{{0, 0, inf}};
    const DetectAnomaly guard;
    const Anomaly normalised = caught([&] { sum(layer_norm(x, {3}, w, bias)).backward(); });
    BOOST_TEST(normalised.operation == "layer_norm");
    BOOST_TEST(normalised.argument == 3U);
    BOOST_TEST((normalised.element == Shape{1}));
    const Anomaly joined = caught([&] { sum(concatenate({x, more})).backward(); });
    BOOST_TEST(joined.operation == "concatenate");
    BOOST_TEST(joined.argument == 2U);
    BOOST_TEST((joined.element == Shape{0, 2}));
}

// -------------------------------------------------------------------------------------------- what is no anomaly

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
    check_place(found, "log", line, {0, 2});
    BOOST_TEST(found.numbers[0].value == 0);
}

BOOST_AUTO_TEST_CASE(the_chosen_branch_is_followed) {
    const Parameter x = xt::xarray<float>{-1, 4};
    const DetectAnomaly guard;
    const Variable untaken = 1.0 / (x - 4.0);                      // inf at 1
    const Variable y = where(x.variable() > 0, sqrt(x), untaken);  // -0.2, 2
    BOOST_TEST(std::isfinite(sum(y).item()));
    const Anomaly found = caught([&] { sum(where(x.variable() > 0, untaken, sqrt(x))).backward(); });  // nan, inf
    BOOST_TEST(found.operation == "sqrt");
    check_names(found.path, {"sqrt", "where", "sum"});
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
    BOOST_TEST(to_string(found).find("argument 1, sqrt at non_finite.cpp:") != std::string::npos);
    BOOST_TEST(to_string(found).find("recorded before anybody looked, not kept") != std::string::npos);
}

// ------------------------------------------------------------------------------------------------------- modes

BOOST_AUTO_TEST_CASE(at_once_the_operation_itself_throws) {
    const Parameter x = xt::xarray<float>{1, -4};
    const DetectAnomaly guard(at_once, {{"x", x}});
    const Variable y = 2 * x;
    const int line = __LINE__ + 1;
    const Anomaly found = caught([&] { sqrt(y); });
    check_place(found, "sqrt", line, {1});
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

BOOST_AUTO_TEST_CASE(check_looks_without_a_walk) {
    const Parameter x = xt::xarray<float>{1, -4};
    const DetectAnomaly guard;
    guard.check(exp(x));
    const int line = __LINE__ + 1;
    const Variable y = reshape(log(x), {2, 1});
    const Anomaly found = caught([&] { guard.check(y); });
    check_place(found, "log", line, {1});
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
