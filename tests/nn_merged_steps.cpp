#include "support/nn.hpp"

/// Which neighbours in a Sequential become one operation, and that nobody can tell but by the tape and the clock.
using namespace xtape;
using namespace xtape::nn_test;

namespace {

/// What was recorded, in order.
std::vector<std::string> recorded(nn::Sequential& net, const Shape& input) {
    std::vector<std::string> names;
    const Variable y = net(wave(input, 1, float32));
    const Tape tape(y);
    for (const Node* node : tape.nodes())
        if (node->arity() > 0) names.emplace_back(node->name);
    return names;
}

void check_close(const Variable& a, const Variable& b, double tolerance) {
    nn_test::check_close(a, b.shape(), values(b.array()), tolerance);
}

using Names = std::vector<std::string>;

struct Doubled : nn::Conv2d {
    using Conv2d::Conv2d;
    Variable operator()(const Variable& x) { return 2 * Conv2d::operator()(x); }
};

nn::Sequential small() {
    Generator seeded(1);
    return {nn::Conv2d(2, 3, 3, nn::same, true, seeded),
            relu,
            nn::MaxPool2d(2),
            nn::Flatten(),
            nn::Linear(12, 4, true, seeded),
            relu,
            nn::Linear(4, 2, true, seeded)};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(nn_merged_steps)

BOOST_AUTO_TEST_CASE(neighbours_that_are_one_operation_are_recorded_as_one) {
    nn::Sequential net = small();
    const Names expected{"conv2d_relu_max_pool2d", "flatten", "linear", "relu", "linear"};
    BOOST_TEST(recorded(net, {2, 2, 4, 5}) == expected, boost::test_tools::per_element());
    nn::Sequential pieces{nn::Conv2d(1, 2, 3), relu};
    BOOST_TEST(recorded(pieces, {1, 1, 6, 6}) == (Names{"conv2d", "relu"}), boost::test_tools::per_element());
    pieces.push_back(nn::MaxPool2d(2, 2));
    BOOST_TEST(recorded(pieces, {1, 1, 6, 6}) == (Names{"conv2d_relu_max_pool2d"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(results_are_those_of_the_steps_one_by_one) {
    nn::Sequential net = small(), copy = net;
    const Variable x = wave({2, 2, 4, 5}, 1, float32);
    const auto& conv = net.get<nn::Conv2d>(0);
    const auto& first = net.get<nn::Linear>(4);
    const Variable pooled = max_pool2d(relu(conv(x)), 2);
    const Variable apart = net.get<nn::Linear>(6)(relu(first(flatten(pooled, 1))));
    const Variable merged = net(x), of_copy = copy(x);
    check_close(merged, apart, 1e-6);
    check_close(of_copy, apart, 1e-6);
    const auto [dw, db] = grad(sum(square(merged)), conv.weight, conv.bias);
    const auto [dw_apart, db_apart] = grad(sum(square(apart)), conv.weight, conv.bias);
    check_close(dw, dw_apart, 1e-5);
    check_close(db, db_apart, 1e-5);
}

BOOST_AUTO_TEST_CASE(batch_normalisation_does_what_follows_in_its_own_pass) {
    const Shape input{3, 2, 9, 11};
    const Variable x = wave(input, 1, float32);
    const auto check = [&](nn::Sequential net, const Names& expected, const auto& apart) {
        net.get<nn::BatchNorm2d>(0).weight.assign(wave({2}, 3, float32).array());  // one of them is negative
        nn::Sequential copy = net;
        BOOST_TEST(recorded(copy, input) == expected, boost::test_tools::per_element());
        copy = net;
        auto &merged_norm = net.get<nn::BatchNorm2d>(0), &norm = copy.get<nn::BatchNorm2d>(0);
        const Parameter of_merged(x.array()), of_apart(x.array());
        const Variable merged = net(of_merged), y = apart(norm(of_apart));
        check_close(merged, y, 0);
        check_close(Variable(merged_norm.running_mean), Variable(norm.running_mean), 0);
        check_close(Variable(merged_norm.running_var), Variable(norm.running_var), 0);
        const auto [dx, dw, db] = grad(sum(square(merged)), of_merged, merged_norm.weight, merged_norm.bias);
        const auto [dx_apart, dw_apart, db_apart] = grad(sum(square(y)), of_apart, norm.weight, norm.bias);
        check_close(dx, dx_apart, 2e-6);
        check_close(dw, dw_apart, 2e-6);
        check_close(db, db_apart, 2e-6);
        net.eval();
        copy.eval();
        check_close(net(x), apart(norm(x)), 0);
    };
    check({nn::BatchNorm2d(2), relu}, {"batch_norm_relu"}, [](const Variable& y) { return relu(y); });
    check({nn::BatchNorm2d(2), relu, nn::MaxPool2d(2)}, {"batch_norm_relu_max_pool2d"},
          [](const Variable& y) { return max_pool2d(relu(y), 2); });
    check({nn::BatchNorm2d(2), relu, nn::MaxPool2d(3)}, {"batch_norm_relu", "max_pool2d"},
          [](const Variable& y) { return max_pool2d(relu(y), 3); });
}

BOOST_AUTO_TEST_CASE(a_sigmoid_between_layers_is_one_operation_with_the_first) {
    nn::Sequential net{nn::Linear(3, 5), sigmoid, nn::Linear(5, 2), sigmoid};
    const Shape input{7, 3};
    BOOST_TEST(recorded(net, input) == (Names{"linear_sigmoid", "linear", "sigmoid"}),
               boost::test_tools::per_element());
    const auto &first = net.get<nn::Linear>(0), &second = net.get<nn::Linear>(2);
    const Parameter x(wave(input, 30, float32).array());
    const Variable merged = net(x), apart = sigmoid(second(sigmoid(first(x))));
    check_close(merged, apart, 0);
    BOOST_TEST(static_cast<bool>(merged.node()->arguments()[0]));  // the last one's, by which a loss recognises it

    const auto gradients = [&](const Variable& y) {
        const auto [dx, dw] = grad(sum(square(y)), x, first.weight, create_graph);
        const auto [dxx, db] = grad(sum(dx * dx) + sum(dw), x, second.bias);
        return std::vector{dx, dw, dxx, db};
    };
    const auto of_merged = gradients(merged), of_apart = gradients(apart);
    for (std::size_t i = 0; i < of_merged.size(); ++i) check_close(of_merged[i], of_apart[i], 0);

    const Variable held = wave({2, 4, 3}, 1, float32);
    check_close(net(held), sigmoid(second(sigmoid(first(held)))), 0);
    {
        const KeepOutputs looking;  // shows every step
        BOOST_TEST(recorded(net, input) == (Names{"linear", "sigmoid", "linear", "sigmoid"}),
                   boost::test_tools::per_element());
    }
    const NoGrad constant;
    check_close(net(held), sigmoid(second(sigmoid(first(held)))), 0);
}

BOOST_AUTO_TEST_CASE(a_sigmoid_layer_has_the_bits_of_its_parts_at_any_size) {
    for (const auto& [rows, width] :
         std::vector<std::pair<Index, Index>>{{7, 5}, {1, 5}, {9, 1}, {103, 37}, {300, 40}}) {
        nn::Sequential net{nn::Linear(3, width), sigmoid, nn::Linear(width, 2)};
        const auto &first = net.get<nn::Linear>(0), &second = net.get<nn::Linear>(2);
        const Variable x = wave({rows, 3}, 30, float32);
        const Variable merged = net(x), apart = second(sigmoid(first(x)));
        check_close(merged, apart, 0);
        const auto of = [&](const Variable& y) {
            return grad(sum(square(y)), first.weight, first.bias, second.weight);
        };
        const auto of_merged = of(merged), of_apart = of(apart);
        for (std::size_t i = 0; i < of_merged.size(); ++i) check_close(of_merged[i], of_apart[i], 0);
    }
}

BOOST_AUTO_TEST_CASE(other_neighbours_are_called_one_by_one) {
    const auto check = [](nn::Sequential net, const Shape& input, const Names& expected) {
        BOOST_TEST(recorded(net, input) == expected, boost::test_tools::per_element());
    };
    check({nn::Conv2d(1, 2, 3), relu, nn::MaxPool2d(3, 2)}, {1, 1, 8, 8}, {"conv2d", "relu", "max_pool2d"});
    check({nn::Conv2d(1, 2, 3), relu, nn::MaxPool2d(2, 1)}, {1, 1, 8, 8}, {"conv2d", "relu", "max_pool2d"});
    check({nn::Conv2d(1, 2, 3), relu, nn::MaxPool2d(2, 2, 1)}, {1, 1, 8, 8}, {"conv2d", "relu", "max_pool2d"});
    check({nn::Conv2d(1, 2, 3), relu, nn::AvgPool2d(2)}, {1, 1, 8, 8}, {"conv2d", "relu", "avg_pool2d"});
    check({nn::Conv2d(1, 2, 3), [](const Variable& x) { return relu(x); }, nn::MaxPool2d(2)}, {1, 1, 8, 8},
          {"conv2d", "relu", "max_pool2d"});
    check({nn::Conv2d(1, 2, 3), tanh, nn::MaxPool2d(2)}, {1, 1, 8, 8}, {"conv2d", "tanh", "max_pool2d"});
    check({nn::Conv2d(1, 2, 3, 1, nn::valid, 1, 1, false), relu, nn::MaxPool2d(2)}, {1, 1, 8, 8},
          {"correlate2d", "relu", "max_pool2d"});
    check({relu, relu}, {2, 2}, {});
}

BOOST_AUTO_TEST_CASE(a_class_of_ones_own_keeps_what_it_does) {
    Doubled layer(1, 2, 3);
    const Variable x = wave({1, 1, 6, 6}, 1, float32);
    nn::Sequential net{layer, relu, nn::MaxPool2d(2)};
    check_close(net(x), max_pool2d(relu(layer(x)), 2), 0);
}

BOOST_AUTO_TEST_CASE(an_error_names_the_step_that_threw_it) {
    nn::Sequential net = small();
    const auto layer_of = [&](const Shape& input) {
        const std::string text = message<ShapeError>([&] { net(wave(input, 1, float32)); });
        return text.substr(text.find("\n  in layer ") + 12, 1);
    };
    BOOST_TEST(layer_of({2, 1, 4, 4}) == "0");
    BOOST_TEST(layer_of({2, 2, 1, 4}) == "2");
    BOOST_TEST(layer_of({2, 2, 8, 8}) == "4");
}

BOOST_AUTO_TEST_CASE(a_summary_shows_every_step) {
    nn::Sequential net = small();
    BOOST_TEST(nn::summary(net, {1, 2, 4, 4}).rows.size() == 7U);
}

BOOST_AUTO_TEST_SUITE_END()
