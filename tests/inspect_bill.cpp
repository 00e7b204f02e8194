#include <xtape/xtape.hpp>

#include <string>

#include <boost/test/unit_test.hpp>

/// What operations cost, worked out by hand.
using namespace xtape;
using inspect::Bill;
using inspect::Item;

namespace {

Variable ones(const Shape& shape) { return Variable(Array::filled(shape, float32, 1)); }

const Item& item(const Bill& bill, const std::string& operation) {
    for (const Item& each : bill.items())
        if (each.operation == operation) return each;
    throw std::runtime_error("no " + operation);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(inspect_bill)

BOOST_AUTO_TEST_CASE(a_linear_layer) {
    const Variable X = ones({5, 3});
    const Parameter W(ones({3, 4})), b(ones({4})), V(ones({4, 2}));
    Bill bill;
    sum(matmul(tanh(linear(X, W, b)), V)).backward();
    BOOST_REQUIRE(bill.items().size() == 4U);

    const Item& first = item(bill, "linear");
    BOOST_TEST(first.forward.flops == 2 * 5 * 3 * 4 + 5 * 4);
    BOOST_TEST(first.backward.flops == 2 * 5 * 3 * 4 + 5 * 4);  // W's gradient and b's; X has none
    BOOST_TEST(first.forward.bytes == 4 * (15 + 12 + 4 + 20));
    BOOST_TEST(first.backward.bytes == 4 * (20 + 15 + 12 + 4));  // g and X read, both gradients written
    BOOST_TEST(first.kept == 4U * 15);
    const Item& second = item(bill, "matmul");
    BOOST_TEST(second.forward.flops == 2 * 5 * 4 * 2);
    BOOST_TEST(second.backward.flops == 2 * 2 * 5 * 4 * 2);
    const Item& activation = item(bill, "tanh");
    BOOST_TEST(activation.forward.flops == 20);
    BOOST_TEST(activation.backward.flops == 20);
    BOOST_TEST(activation.kept == 4U * 20);
    BOOST_TEST(second.kept == 0U);  // tanh's result is there already, V is a parameter
    BOOST_TEST(item(bill, "sum").backward.bytes == 4 * (1 + 10));
    for (const Item& each : bill.items()) {
        BOOST_TEST(each.forward.seconds > 0);
        BOOST_TEST(each.backward.seconds > 0);
    }
    BOOST_TEST(bill.peak_bytes() >= 4U * (20 + 20 + 10));
}

BOOST_AUTO_TEST_CASE(a_second_step_keeps_as_much) {
    const Variable X = ones({5, 3});
    const Parameter W(ones({3, 4})), V(ones({4, 2}));
    Bill bill;
    for (int step = 0; step < 2; ++step) sum(matmul(tanh(matmul(X, W)), V)).backward();
    grad(sum(matmul(tanh(matmul(X, W)), V)), W);
    BOOST_TEST_REQUIRE(bill.items().size() == 12U);
    for (std::size_t i = 0; i < 12; i += 4) {
        BOOST_TEST(bill.items()[i].kept == 4U * 15);      // X
        BOOST_TEST(bill.items()[i + 1].kept == 4U * 20);  // tanh's result
        BOOST_TEST(bill.items()[i + 2].kept == 0U);
    }
}

BOOST_AUTO_TEST_CASE(convolutions) {
    const Variable x(random::normal({2, 3, 8, 8}, 0, 1, random::generator()));
    const Parameter w(ones({4, 3, 3, 3})), b(ones({4})), v(ones({5, 4, 3, 3})), c(ones({5}));
    Bill bill;
    sum(conv2d(conv2d_relu_max_pool2d(x, w, b, 1, same), v, c)).backward();
    const double block = 2.0 * (2 * 4 * 8 * 8) * (3 * 3 * 3), second = 2.0 * (2 * 5 * 2 * 2) * (4 * 3 * 3);
    BOOST_TEST(item(bill, "conv2d_relu_max_pool2d").forward.flops == block + 3 * 2 * 4 * 8 * 8);
    BOOST_TEST(item(bill, "conv2d_relu_max_pool2d").backward.flops == block + 2 * 4 * 4 * 4);
    BOOST_TEST(item(bill, "conv2d").forward.flops == second + 2 * 5 * 2 * 2);
    BOOST_TEST(item(bill, "conv2d").backward.flops == 2 * second + 2 * 5 * 2 * 2);
}

BOOST_AUTO_TEST_CASE(prices_what_is_run) {
    nn::Sequential net{nn::Conv2d(1, 2, 3, nn::same), relu, nn::MaxPool2d(2), nn::Flatten(), nn::Linear(8, 3), relu};
    const Variable x = ones({2, 1, 4, 4});
    Bill bill;
    bill([&] { sum(net(x)).backward(); }, 3);
    std::vector<std::string> operations;
    for (const Item& each : bill.items()) operations.push_back(each.operation);
    BOOST_TEST(operations == (std::vector<std::string>{"conv2d_relu_max_pool2d", "flatten", "linear", "relu", "sum"}),
               boost::test_tools::per_element());
    BOOST_TEST(bill.items()[0].layer == "0: Conv2d(1, 2, 3, padding=same) + relu + MaxPool2d(2)");
    BOOST_TEST(bill.items()[4].layer == "");
    BOOST_TEST(bill.items()[1].forward.bytes == 0);  // flatten: the same elements
    BOOST_TEST(bill.items()[1].backward.bytes == 0);

    const std::string text = bill.table();
    for (const char* word : {"conv2d_relu_max_pool2d", "GFLOP/s", "peak memory", "operations", "of peak"})
        BOOST_TEST(text.find(word) != std::string::npos, word);
    BOOST_TEST(bill.machine().flops > 1e8);
    BOOST_TEST(bill.machine().bandwidth > 1e8);
}

BOOST_AUTO_TEST_CASE(many_operations_are_added_up) {
    Variable x = Parameter(ones({3}));
    Bill bill;
    for (int i = 0; i < 50; ++i) x = sin(x);
    BOOST_TEST(bill.items().size() == 50U);
    BOOST_TEST(bill.table().find("20 others") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(refuses) {
    const Parameter x(ones({3}));
    Bill bill;
    BOOST_CHECK_THROW(bill([] {}, 0), ValueError);
    int calls = 0;
    const auto changing = [&] { ++calls % 2 ? sum(x).backward() : sum(exp(x)).backward(); };
    BOOST_CHECK_THROW(bill(changing, 3), ValueError);
}

BOOST_AUTO_TEST_SUITE_END()
