#include "support/nn.hpp"

#include <sstream>

using namespace xtape;
using namespace xtape::nn_test;

BOOST_AUTO_TEST_SUITE(nn_module)

namespace {

struct Net : nn::Module {
    nn::Conv2d conv1{1, 4, 3};
    nn::BatchNorm2d norm{4};
    nn::Dropout dropout{0.5};
    nn::Linear head{4 * 13 * 13, 10};
    Parameter temperature = xt::xarray<float>{1};

    Variable operator()(const Variable& x) {
        Variable y = nn::MaxPool2d(2)(relu(norm(conv1(x))));
        return head(dropout(flatten(y, 1))) * temperature;
    }
    void visit(nn::Visitor& v) override {
        v("conv1", conv1);
        v("norm", norm);
        v("dropout", dropout);
        v("head", head);
        v("temperature", temperature);
    }
};

struct Tower : nn::Module {
    std::vector<nn::Linear> floors;
    Net net;
    Array steps = Array::filled({}, float32, 3);
    bool use_net = true;

    Tower() {
        for (Index i = 0; i < 3; ++i) floors.emplace_back(i + 1, i + 2, i != 1);
    }
    Variable operator()(Variable x, Where where = Where::here()) {
        for (const nn::Linear& floor : floors) x = floor(x, where);
        return x;
    }
    void visit(nn::Visitor& v) override {
        v("floors", floors);
        v("net", net);
        v("steps", steps);
        v("use_net", use_net);
    }
};

template <class List>
std::string names(const List& list) {
    std::string text;
    for (const auto& [name, value] : list) text += name + " ";
    return text;
}

}  // namespace

BOOST_AUTO_TEST_CASE(everything_derives_from_one_list) {
    Tower tower;
    BOOST_TEST(
        names(tower.named_parameters()) ==
        "floors.0.weight floors.0.bias floors.1.weight floors.2.weight floors.2.bias net.conv1.weight net.conv1.bias "
        "net.norm.weight net.norm.bias net.head.weight net.head.bias net.temperature ");
    BOOST_TEST(
        names(tower.state()) ==
        "floors.0.weight floors.0.bias floors.1.weight floors.2.weight floors.2.bias net.conv1.weight net.conv1.bias "
        "net.norm.weight net.norm.bias net.norm.running_mean net.norm.running_var net.head.weight net.head.bias "
        "net.temperature steps ");
    const Tower& constant = tower;
    BOOST_TEST(constant.parameter_count() == (2 + 2) + 6 + (12 + 4) + (36 + 4) + 8 + (6760 + 10) + 1);
    BOOST_TEST(tower.parameters().size() == 12U);

    tower.eval();
    BOOST_TEST(!tower.net.norm.training);
    BOOST_TEST(!tower.net.dropout.training);
    BOOST_TEST(tower.use_net);  // a flag of another name
    tower.net.train();
    BOOST_TEST(tower.net.norm.training);
    BOOST_TEST(tower.net.dropout.training);
}

BOOST_AUTO_TEST_CASE(a_parameter_listed_twice_counts_once) {
    struct Tied : nn::Module {
        nn::Linear layer{2, 2};
        void visit(nn::Visitor& v) override {
            v("one", layer);
            v("two", layer);
        }
    } tied;
    BOOST_TEST(tied.parameters().size() == 2U);
    BOOST_TEST(tied.parameter_count() == 6);
}

BOOST_AUTO_TEST_CASE(a_copy_is_independent) {
    Net net;
    const Variable x = wave({2, 1, 28, 28}, 1, float32);
    net.eval();
    const Array before = net(x).array();
    Net copy = net;
    BOOST_TEST(same_values(copy(x).array(), before));
    nn::init::zeros(copy.head.weight);
    copy.conv1.weight -= Variable(1.0);
    copy.train();
    copy(x);
    BOOST_TEST(same_values(net(x).array(), before));
    BOOST_TEST(!same_values(copy.norm.running_mean, net.norm.running_mean));
    BOOST_TEST(!net.norm.training);

    sum(copy(x)).backward();
    BOOST_TEST(!net.conv1.weight.grad());
    BOOST_TEST(static_cast<bool>(copy.conv1.weight.grad()));
    copy.zero_grad();
    BOOST_TEST(!copy.conv1.weight.grad());
}

BOOST_AUTO_TEST_CASE(parameters_stay_connected_when_a_module_moves) {
    nn::Linear first(2, 2);
    const nn::ParameterList list = first.parameters();
    nn::Linear second = std::move(first);
    list[0].assign(Array::filled({2, 2}, float32, 5));
    BOOST_TEST(values(second.weight.array()) == std::vector<double>(4, 5), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(casting) {
    Net net;
    net.eval();
    const Variable x = wave({1, 1, 28, 28}, 1);
    BOOST_CHECK_THROW(net(x), DtypeError);
    const Variable in_single = net(astype(x, float32));
    net.to(float64);
    const Variable in_double = net(x);
    BOOST_CHECK(in_double.dtype() == float64);
    BOOST_CHECK(net.norm.running_mean.dtype() == float64);
    check_close(in_double, {1, 10}, values(in_single.array()), 1e-4);
}

BOOST_AUTO_TEST_CASE(sequential_as_the_design_writes_it) {
    nn::Sequential net{nn::Conv2d(1, 128, 5, nn::same),
                       relu,
                       nn::MaxPool2d(2),  // S5
                       nn::Conv2d(128, 64, 3, nn::same),
                       relu,
                       nn::MaxPool2d(2),
                       nn::Flatten(),
                       nn::Linear(3136, 128),
                       relu,
                       nn::Dropout(0.5),
                       nn::Linear(128, 47)};
    BOOST_TEST(net.parameter_count() == 3328 + 73792 + 401536 + 6063);
    BOOST_TEST(names(net.named_parameters()) == "0.weight 0.bias 3.weight 3.bias 7.weight 7.bias 10.weight 10.bias ");
    BOOST_TEST(to_string(net(wave({2, 1, 28, 28}, 1, float32)).shape()) == "(2, 47)");
    BOOST_TEST(net.size() == 11);
    BOOST_TEST(net.get<nn::Conv2d>(3).weight.size() == 73728);
    check_contains(message<ValueError>([&] { net.get<nn::Linear>(3); }),
                   "Conv2d(128, 64, 3, padding=same) at position 3");
    check_contains(message<ValueError>([&] { net.get<nn::Linear>(1); }), "relu at position 1");
    check_contains(message<ValueError>([&] { net.get<nn::Linear>(11); }), "[0, 11): 11");
}

static Variable twice(const Variable& x) { return x * 2; }

BOOST_AUTO_TEST_CASE(sequential_takes_any_mix) {
    const double slope = 0.5;
    nn::Linear linear(2, 2);
    linear.weight.assign(Array(xt::xarray<float>{{1, 0}, {0, 1}}));
    nn::init::zeros(linear.bias);
    nn::Sequential net{linear,
                       tanh,
                       twice,
                       [slope](const Variable& x) { return leaky_relu(x, slope); },
                       [](Variable x, Where where) { return negative(std::move(x), where); },
                       nn::Sequential{linear, twice}};
    const double t = std::tanh(1.0);
    check_close(net(xt::xarray<float>{{1, -1}}), {1, 2}, {-4 * t, 2 * t});
    nn::init::zeros(linear.weight);  // the net has its own
    check_close(net(xt::xarray<float>{{1, -1}}), {1, 2}, {-4 * t, 2 * t});
    BOOST_TEST(names(net.named_parameters()) == "0.weight 0.bias 5.0.weight 5.0.bias ");

    nn::Sequential copy{net};
    BOOST_TEST(names(copy.named_parameters()) == names(net.named_parameters()));
    nn::Sequential other = net;
    nn::init::zeros(copy.get<nn::Linear>(0).weight);
    nn::init::zeros(other.get<nn::Sequential>(5).get<nn::Linear>(0).weight);
    check_close(net(xt::xarray<float>{{1, -1}}), {1, 2}, {-4 * t, 2 * t});
    check_close(copy(xt::xarray<float>{{1, -1}}), {1, 2}, {0, 0});
    check_close(other(xt::xarray<float>{{1, -1}}), {1, 2}, {0, 0});

    nn::Sequential grown;
    check_close(grown(Variable(3.0)), 3);
    grown.push_back(twice);
    grown.push_back(nn::Reshape({1}));
    check_close(grown(xt::xarray<float>{3}), {1, 1}, {6});
}

BOOST_AUTO_TEST_CASE(sequential_says_which_layer_fails) {
    nn::Sequential net{nn::Linear(4, 8), relu, nn::Sequential{relu, nn::Linear(9, 2)}};
    const int line = __LINE__ + 1;
    BOOST_TEST(
        message<ShapeError>([&] {
            net(wave({3, 4}, 1, float32));
        }) ==
        "Linear(9, 2): the input's last axis must be 9: (3, 8), 8 != 9\n  in layer 1: Linear(9, 2)\n  in layer 2: "
        "Sequential\n  recorded at nn_module.cpp:" +
            std::to_string(line));
    check_contains(message<DtypeError>([&] {
                       net(wave({3, 4}, 1));
                   }),
                   "\n  in layer 0: Linear(4, 8)\n  recorded at nn_module");
    check_contains(message<ValueError>([&] { net(Variable()); }), "\n  in layer 0: Linear(4, 8)\n");
}

BOOST_AUTO_TEST_CASE(printing) {
    Tower tower;
    std::ostringstream out;
    out << tower.net;
    BOOST_TEST(out.str() == "Net(\n  (conv1): Conv2d(1, 4, 3)\n  (norm): BatchNorm2d(4)\n  (dropout): Dropout(0.5)\n"
                            "  (head): Linear(676, 10)\n)");
    check_contains(to_string(tower), "Tower(\n  (floors.0): Linear(1, 2)\n  (floors.1): Linear(2, 3, bias=false)\n");
    check_contains(to_string(tower), "\n  (net): Net(\n    (conv1): Conv2d(1, 4, 3)\n");
    const nn::Sequential net{nn::Flatten(), relu, twice, [](const Variable& x) { return x; }, nn::Sequential{tanh}};
    BOOST_TEST(to_string(net) == "Sequential(\n  (0): Flatten()\n  (1): relu\n  (2): function\n  (3): lambda\n"
                                 "  (4): Sequential(\n    (0): tanh\n  )\n)");
    BOOST_TEST(nn::Conv2d(4, 8, {3, 5}, 2, Pair(1, 2), {1, 3}, 2, false).describe() ==
               "Conv2d(4, 8, (3, 5), stride=2, padding=(1, 2), dilation=(1, 3), groups=2, bias=false)");
    BOOST_TEST(nn::ConvTranspose2d(4, 8, 2, 2, 1, 1).describe() ==
               "ConvTranspose2d(4, 8, 2, stride=2, padding=1, output_padding=1)");
    BOOST_TEST(nn::MaxPool2d(3, 2, Padding(1, 0, 1, 0)).describe() == "MaxPool2d(3, stride=2, padding=(1, 0, 1, 0))");
    BOOST_TEST(nn::AvgPool2d(2).describe() == "AvgPool2d(2)");
    BOOST_TEST(nn::BatchNorm1d(3, 1e-3, 0.5, false).describe() ==
               "BatchNorm1d(3, eps=0.001, momentum=0.5, affine=false)");
    BOOST_TEST(nn::LayerNorm(Shape{2, 3}).describe() == "LayerNorm((2, 3))");
    BOOST_TEST(nn::Embedding(5, 2).describe() == "Embedding(5, 2)");
    BOOST_TEST(nn::Reshape({1, -1}).describe() == "Reshape((1, -1))");
}

BOOST_AUTO_TEST_CASE(summary_of_a_sequential) {
    nn::Sequential net{nn::Conv2d(1, 4, 3), relu, nn::Sequential{nn::Flatten(), nn::Dropout(0.5)}, nn::Linear(16, 3)};
    net.get<nn::Sequential>(2).get<nn::Dropout>(1).training = false;
    BOOST_TEST(to_string(nn::summary(net, {2, 1, 4, 4})) == "name   layer            output        parameters\n"
                                                            "------------------------------------------------\n"
                                                            "0      Conv2d(1, 4, 3)  (2, 4, 2, 2)          40\n"
                                                            "1      relu             (2, 4, 2, 2)           0\n"
                                                            "2.0    Flatten()        (2, 16)                0\n"
                                                            "2.1    Dropout(0.5)     (2, 16)                0\n"
                                                            "3      Linear(16, 3)    (2, 3)                51\n"
                                                            "------------------------------------------------\n"
                                                            "total                                         91\n");
    BOOST_TEST(!net.get<nn::Sequential>(2).get<nn::Dropout>(1).training);  // modes as they were
    const Shape wrong{2, 1, 5, 5};
    const int line = __LINE__ + 1;
    const std::string text = message<ShapeError>([&] { nn::summary(net, wrong); });
    check_contains(text, "\n  in layer 3: Linear(16, 3)\n  recorded at nn_module.cpp:" + std::to_string(line));
}

BOOST_AUTO_TEST_CASE(summary_of_a_module) {
    Net net;
    net.to(float64);
    const Array mean = net.norm.running_mean.copy();
    const nn::Summary table = nn::summary(net, {1, 1, 28, 28});
    BOOST_TEST(table.parameters == 40 + 8 + 6770 + 1);
    std::string rows;
    for (const auto& row : table.rows)
        rows += row.name + "|" + row.layer + "|" + to_string(row.output) + "|" + std::to_string(row.parameters) + "\n";
    BOOST_TEST(rows == "conv1|Conv2d(1, 4, 3)|(1, 4, 26, 26)|40\nnorm|BatchNorm2d(4)|(1, 4, 26, 26)|8\n"
                       "|MaxPool2d(2)|(1, 4, 13, 13)|0\ndropout|Dropout(0.5)|(1, 676)|0\n"
                       "head|Linear(676, 10)|(1, 10)|6770\n");
    check_contains(to_string(table), "(elsewhere)");  // the temperature
    check_contains(to_string(table), "6,819\n");
    BOOST_TEST(same_values(net.norm.running_mean, mean));
    BOOST_TEST(net.norm.training);

    nn::Embedding words(10, 4);
    const nn::Summary of_words = nn::summarize(words, [&] { words(IntArray{1, 2}), words(IntArray{3}); });
    BOOST_REQUIRE(of_words.rows.size() == 2U);
    BOOST_TEST(of_words.rows[0].parameters == 40);
    BOOST_TEST(of_words.rows[1].parameters == 0);  // the same layer again
    BOOST_TEST(to_string(of_words.rows[1].output) == "(1, 4)");
}

BOOST_AUTO_TEST_SUITE_END()
