#include <xtape/xtape.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

/// The tape as a graph in Graphviz' language.
using namespace xtape;

namespace {

Variable ones(const Shape& shape) { return Variable(Array::filled(shape, float32, 1)); }

std::size_t count(const std::string& text, const std::string& word) {
    std::size_t found = 0;
    for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
    return found;
}

/// The line that describes a node whose label holds `word`.
std::string line_with(const std::string& text, const std::string& word) {
    const std::size_t at = text.find(word);
    if (at == std::string::npos) return "";
    const std::size_t begin = text.rfind('\n', at) + 1;
    return text.substr(begin, text.find('\n', at) - begin);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(inspect_graph)

BOOST_AUTO_TEST_CASE(kinds_of_nodes) {
    const Variable X = ones({5, 3});
    const Parameter W(ones({3, 4}));
    const Variable z = matmul(X, W);
    const Variable loss = sum(tanh(z) * z);
    inspect::Names names;
    names("X", X)("W_1", W)("z", z);
    const std::string dot = inspect::dot(loss, names);

    BOOST_TEST(count(dot, "{") == count(dot, "}"));
    BOOST_TEST(count(dot, "shape=cylinder") == 1U);
    BOOST_TEST(line_with(dot, "W<sub>1</sub>").find("shape=cylinder") != std::string::npos);
    BOOST_TEST(line_with(dot, "W<sub>1</sub>").find("3 × 4") != std::string::npos);
    BOOST_TEST(count(dot, "shape=note") == 1U);
    BOOST_TEST(line_with(dot, "<b>X</b>").find("shape=note") != std::string::npos);
    BOOST_TEST(count(dot, "shape=box") == 4U);      // matmul, tanh, multiply, sum
    BOOST_TEST(count(dot, "peripheries=2") == 1U);  // what two operations use
    BOOST_TEST(line_with(dot, "<b>matmul</b>").find("peripheries=2") != std::string::npos);
    BOOST_TEST(line_with(dot, "<b>matmul</b>").find("inspect_graph.cpp:") != std::string::npos);
    BOOST_TEST(count(dot, " -> ") == 6U);              // X, W, z, z, tanh, multiply
    BOOST_TEST(count(dot, "label=\" 5 × 4\"") == 4U);  // z twice, tanh, the product
    BOOST_TEST(count(dot, "subgraph") == 0U);
}

BOOST_AUTO_TEST_CASE(constants_in_order_of_use) {
    std::vector<Variable> constants;
    for (int i = 0; i < 8; ++i) constants.push_back(ones({1, 100}));
    const auto address = [](const Variable& x) { return x.array().data<float>(); };
    std::sort(constants.begin(), constants.end(),
              [&](const Variable& a, const Variable& b) { return std::greater<>()(address(a), address(b)); });
    Variable y = Parameter(ones({1, 100}));
    for (const Variable& constant : constants) y = y * constant;
    const std::string dot = inspect::dot(sum(y * constants[0]));
    BOOST_TEST(count(dot, "shape=note") == 8U);
    std::size_t last = 0;
    for (int i = 0; i < 8; ++i) {
        const std::size_t at = dot.find("c" + std::to_string(i) + " [shape=note");
        BOOST_TEST(at != std::string::npos);
        BOOST_TEST(at > last);
        last = at;
    }
}

BOOST_AUTO_TEST_CASE(what_is_computed_around_another) {
    const Parameter z(ones({3}));
    const std::string dot = inspect::dot(sum(log(sigmoid(z))));
    BOOST_TEST(count(dot, "style=dashed") == 1U);
    BOOST_TEST(count(dot, "<b>log_sigmoid</b>") == 1U);
}

BOOST_AUTO_TEST_CASE(layers_are_clusters) {
    nn::Sequential net{nn::Conv2d(1, 2, 3, nn::same), relu, nn::MaxPool2d(2), nn::Flatten(), nn::Linear(8, 3)};
    const Variable x = ones({2, 1, 4, 4});
    const auto clusters = [&](const inspect::Names& names, const Variable& y) { return inspect::dot(sum(y), names); };
    {
        inspect::Names names;
        names(net.named_parameters());
        const Variable y = net(x);
        const std::string dot = clusters(names, y);
        BOOST_TEST(count(dot, "subgraph cluster_") == 3U);
        BOOST_TEST(count(dot, "<b>0: Conv2d(1, 2, 3, padding=same) + relu + MaxPool2d(2)</b>") == 1U);
        BOOST_TEST(count(dot, "<b>4: Linear(8, 3)</b>") == 1U);
        // the parameters stand in their layer: before the next cluster begins
        const std::size_t first = dot.find("subgraph cluster_0"), second = dot.find("subgraph cluster_1");
        const std::size_t weight = dot.find("<b>0.weight</b>");
        BOOST_TEST((first < weight && weight < second));
    }
    inspect::Names names;
    const KeepOutputs outputs;  // one step after the other
    const std::string dot = clusters(names, net(x));
    BOOST_TEST(count(dot, "subgraph cluster_") == 5U);
    BOOST_TEST(count(dot, "<b>1: relu</b>") == 1U);
}

BOOST_AUTO_TEST_CASE(layers_of_a_network_of_ones_own) {
    struct Net : nn::Module {
        nn::Linear first{3, 4}, second{4, 1};
        Variable operator()(const Variable& x) { return second(relu(first(x))); }
        void visit(nn::Visitor& v) override { v("first", first), v("second", second); }
    } net;
    const inspect::Names names;
    const Variable y = net(ones({2, 3}));
    BOOST_REQUIRE(names.part_of(*y.node()));
    BOOST_TEST(names.part_of(*y.node())->label == "Linear(4, 1)");
    const NodePtr relu_node = y.node()->arguments()[0].node();
    BOOST_TEST(!names.part_of(*relu_node));
}

BOOST_AUTO_TEST_CASE(drawn_or_written) {
    const auto folder = std::filesystem::temp_directory_path() / "xtape-inspect-graph";
    const Parameter x(ones({3}));
    const Variable y = sum(exp(x));
    const auto contents = [](const std::filesystem::path& path) {
        std::ifstream in(path);
        std::ostringstream text;
        text << in.rdbuf();
        return text.str();
    };
    const bool drawn = inspect::draw(y, folder / "tape.svg");
    if (drawn) {
        const std::string svg = contents(folder / "tape.svg");
        BOOST_TEST(svg.find("<svg") != std::string::npos);
        BOOST_TEST(count(svg, "class=\"node\"") == 3U);
        BOOST_TEST(count(svg, "class=\"edge\"") == 2U);
    } else {
        BOOST_TEST(contents(folder / "tape.dot") == inspect::dot(y));
    }
    BOOST_TEST(inspect::draw(y, folder / "plain.dot"));
    BOOST_TEST(contents(folder / "plain.dot") == inspect::dot(y));
    BOOST_CHECK_THROW(inspect::draw(y, folder / "tape.jpeg"), ValueError);
    BOOST_CHECK_THROW(inspect::dot(ones({2})), TapeError);
    std::filesystem::remove_all(folder);
}

BOOST_AUTO_TEST_SUITE_END()
