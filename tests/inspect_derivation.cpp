#include <xtape/xtape.hpp>

#include <algorithm>
#include <set>
#include <string>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/inspect/rules.hpp>

#include "catalogue.hpp"

/// The chain rule of a tape in writing: what it says, and that what it says is checked.
using namespace xtape;

namespace {

bool has(const std::string& text, const std::string& words) { return text.find(words) != std::string::npos; }

/// The equation whose left-hand side this is.
const inspect::Equation& equation(const inspect::Derivation& derivation, const std::string& left) {
    for (const inspect::Equation& each : derivation.gradients)
        if (std::find(each.text.begin(), each.text.end(), left) != each.text.end()) return each;
    throw std::runtime_error("no equation for " + left + " in\n" + derivation.text());
}

/// The document's network of two layers, its loss as written.
struct TwoLayers {
    Variable X = Variable(random::normal({3, 6}, 0, 1, generator, float64));
    Variable y = Variable(random::bernoulli({1, 6}, 0.5, generator, float64));
    Parameter W1{random::normal({4, 3}, 0, 1, generator, float64)},
        B1{random::normal({4, 1}, 0, 1, generator, float64)}, W2{random::normal({1, 4}, 0, 1, generator, float64)},
        B2{random::normal({1, 1}, 0, 1, generator, float64)};
    inspect::Names names;

    Variable loss() {
        const Variable Z1 = matmul(W1, X) + B1, A1 = sigmoid(Z1), Z2 = matmul(W2, A1) + B2, A2 = sigmoid(Z2);
        names("X", X)("y", y)("W_1", W1)("B_1", B1)("W_2", W2)("B_2", B2)("Z_1", Z1)("A_1", A1)("Z_2", Z2)("A_2", A2);
        return -mean(y * log(A2) + (1 - y) * log(1 - A2));
    }

    static Generator generator;
};
Generator TwoLayers::generator(7);

}  // namespace

BOOST_AUTO_TEST_SUITE(inspect_derivation)

BOOST_AUTO_TEST_CASE(f08_the_four_products_with_the_memo) {
    TwoLayers network;
    const auto derivation = inspect::derivation([&] { return network.loss(); }, network.names);
    BOOST_TEST_MESSAGE(derivation.text());
    BOOST_TEST(derivation.checked(1e-8));

    const auto sides = [&](const std::string& left) { return equation(derivation, left).text; };
    using Sides = std::vector<std::string>;
    const auto per_element = boost::test_tools::per_element();
    BOOST_TEST(sides("base_2") == (Sides{"base_2", "∂L/∂Z_2", "∂L/∂A_2 × ∂A_2/∂Z_2", "∂L/∂A_2 ⊙ A_2 ⊙ (1 − A_2)"}),
               per_element);
    BOOST_TEST(sides("∂L/∂W_2") ==
                   (Sides{"∂L/∂W_2", "∂L/∂A_2 × ∂A_2/∂Z_2 × ∂Z_2/∂W_2", "base_2 × ∂Z_2/∂W_2", "base_2 A_1ᵀ"}),
               per_element);
    BOOST_TEST(sides("∂L/∂B_2") ==
                   (Sides{"∂L/∂B_2", "∂L/∂A_2 × ∂A_2/∂Z_2 × ∂Z_2/∂B_2", "base_2 × ∂Z_2/∂B_2", "Σ base_2"}),
               per_element);
    BOOST_TEST(sides("base_1") == (Sides{"base_1", "∂L/∂Z_1", "∂L/∂A_2 × ∂A_2/∂Z_2 × ∂Z_2/∂A_1 × ∂A_1/∂Z_1",
                                         "∂L/∂A_1 × ∂A_1/∂Z_1", "∂L/∂A_1 ⊙ A_1 ⊙ (1 − A_1)"}),
               per_element);
    BOOST_TEST(sides("∂L/∂W_1") == (Sides{"∂L/∂W_1", "∂L/∂A_2 × ∂A_2/∂Z_2 × ∂Z_2/∂A_1 × ∂A_1/∂Z_1 × ∂Z_1/∂W_1",
                                          "base_1 × ∂Z_1/∂W_1", "base_1 Xᵀ"}),
               per_element);
    BOOST_TEST(sides("∂L/∂B_1") == (Sides{"∂L/∂B_1", "∂L/∂A_2 × ∂A_2/∂Z_2 × ∂Z_2/∂A_1 × ∂A_1/∂Z_1 × ∂Z_1/∂B_1",
                                          "base_1 × ∂Z_1/∂B_1", "Σ base_1"}),
               per_element);
    BOOST_TEST(sides("∂L/∂A_1").back() == "W_2ᵀ base_2");
    BOOST_REQUIRE(derivation.values.size() == 5U);
    BOOST_TEST(derivation.values[0].text == (Sides{"Z_1", "W_1 X + B_1"}), per_element);
    BOOST_TEST(derivation.values[1].text == (Sides{"A_1", "σ(Z_1)"}), per_element);
    BOOST_TEST(has(derivation.values[4].text[1], "log A_2"));  // as written, although evaluated from Z_2
}

BOOST_AUTO_TEST_CASE(in_latex) {
    TwoLayers network;
    const auto derivation = inspect::derivation([&] { return network.loss(); }, network.names);
    const std::string latex = derivation.latex_document();
    BOOST_TEST(has(latex,
                   "\\frac{\\partial L}{\\partial A_{2}} \\times \\frac{\\partial A_{2}}{\\partial Z_{2}} \\times "
                   "\\frac{\\partial Z_{2}}{\\partial W_{2}} \\\\"));
    BOOST_TEST(has(latex, "&= \\mathrm{base}_{2}\\, A_{1}^{\\top} && \\checkmark"));
    BOOST_TEST(has(latex, "&= \\mathrm{base}_{1}\\, X^{\\top} && \\checkmark"));
    int depth = 0, left = 0, environments = 0;
    for (std::size_t i = 0; i < latex.size(); ++i) {
        depth += latex[i] == '{' ? 1 : latex[i] == '}' ? -1 : 0;
        BOOST_REQUIRE(depth >= 0);
        left += latex.compare(i, 5, "\\left") == 0 ? 1 : latex.compare(i, 6, "\\right") == 0 ? -1 : 0;
        environments += latex.compare(i, 6, "\\begin") == 0 ? 1 : latex.compare(i, 4, "\\end") == 0 ? -1 : 0;
        BOOST_TEST_REQUIRE(static_cast<unsigned char>(latex[i]) < 128, "not ASCII at " << i);
    }
    BOOST_TEST(depth == 0);
    BOOST_TEST(left == 0);
    BOOST_TEST(environments == 0);
}

BOOST_AUTO_TEST_CASE(a_gradient_of_several_ways_is_a_sum) {
    Parameter x(Array::filled({3}, float64, 0.5));
    inspect::Names names;
    const auto derivation = inspect::derivation(
        [&] {
            const Variable u = exp(x), v = sin(u), w = u * v;
            names("x", x)("u", u)("v", v)("w", w);
            return sum(w);
        },
        names);
    const auto& du = equation(derivation, "∂L/∂u");
    BOOST_TEST(has(derivation.text(), "∂w/∂u"));
    BOOST_TEST(du.text.back() == "∂L/∂w ⊙ v + ∂L/∂v ⊙ cos u");
    BOOST_TEST(derivation.checked(1e-8));
}

BOOST_AUTO_TEST_CASE(parameters_of_float32_are_checked_in_float64_and_put_back) {
    nn::Sequential net{nn::Linear(3, 4), relu, nn::Dropout(0.0), nn::Linear(4, 2)};
    const Variable x(random::normal({5, 3}, 0, 1, random::generator()));
    const auto before = net.state();
    inspect::Names names;
    names("x", x)(net.named_parameters());
    const auto derivation = inspect::derivation([&] { return mean(square(net(x))); }, names);
    BOOST_TEST(derivation.checked(1e-7));
    BOOST_TEST(has(derivation.latex(), "\\mathrm{0.weight}"));
    const auto after = net.state();
    for (std::size_t i = 0; i < before.size(); ++i) {
        BOOST_TEST((after[i].second.dtype() == float32));
        for (Index e = 0; e < before[i].second.size(); ++e) BOOST_TEST(after[i].second.at(e) == before[i].second.at(e));
    }
    mean(square(net(x))).backward();  // their gradients are float32 again
    BOOST_TEST((net.get<nn::Linear>(0).weight.grad().dtype() == float32));
}

BOOST_AUTO_TEST_CASE(a_wrong_rule_is_found) {
    Parameter x(Array::filled({3}, float64, 0.5));
    const auto wrong_exp = [](const Variable& v) {
        auto dx = on(v, [](const Variable& g, const Variable& y) { return 1.001 * (g * y); });
        return record("exponential", Where::here(), exp(v.detach()).array(), std::move(dx));
    };
    inspect::Names names;
    const auto derivation = inspect::derivation([&] { return sum(wrong_exp(x)); }, names);
    BOOST_TEST(!derivation.checked());
    BOOST_TEST(has(derivation.text(), "✗ wrong by"));
    BOOST_TEST(has(derivation.text(), "exponential("));  // by its name, having no other
    const auto right = inspect::derivation([&] { return sum(exp(x)); }, names);
    BOOST_TEST(right.checked());
}

BOOST_AUTO_TEST_CASE(an_operation_may_print_itself) {
    struct Cube final : Node, SelfPrinting {
        Cube(const Variable& x, const Array& y)
            : Node("cube", Where::here(), y.shape(), y.dtype(), newer(0, x)), argument(x) {
            keeps(&argument, 1);
        }
        void pull(Variable g, const bool*, Variable* out) override { out[0] = g * 3 * square(argument.detach()); }
        const SelfPrinting* self_printing() const override { return this; }
        std::string value(const std::vector<std::string>& x, bool) const override { return x[0] + "^3"; }
        std::string slope(std::size_t, const std::vector<std::string>& x, const std::string&, bool) const override {
            return "3 " + x[0] + "^2";
        }
        Variable argument;
    };
    Parameter x(Array::filled({3}, float64, 0.5));
    inspect::Names names;
    names("x", x);
    const auto derivation = inspect::derivation(
        [&] {
            const Variable v = x;
            const Array y = pow(v.detach(), 3).array();
            NodePtr node(new Cube(v, y));
            detail::tell_recorded(*node, y);
            return sum(Variable(y, node));
        },
        names);
    BOOST_TEST(has(derivation.text(), "(x^3)"));
    BOOST_TEST(equation(derivation, "∂L/∂x").text.back() == "(3 x^2)");
    BOOST_TEST(derivation.checked());
}

BOOST_AUTO_TEST_CASE(what_is_not_finite_is_not_right) {
    const auto root = custom(
        "root", [](const Variable& x) { return sqrt(x); },
        [](const Variable& g, const Variable& y, const Variable&) { return 100 * g / (2 * y); });
    Parameter q(xt::xarray<double>{1, 2, 0});
    const auto at_a_kink = inspect::derivation([&] { return sum(root(q)); }, inspect::Names());
    BOOST_TEST(!at_a_kink.checked());
    BOOST_TEST(has(at_a_kink.text(), "✗"));

    const auto nan = custom(
        "itself", [](const Variable& x) { return x; },
        [](const Variable& g, const Variable&, const Variable&) { return g * std::nan(""); });
    const auto never = inspect::derivation([&] { return sum(nan(q)); }, inspect::Names());
    BOOST_TEST(!never.checked());
    BOOST_TEST(has(never.text(), "✗ not finite"));
    BOOST_TEST(has(never.latex(), "not finite"));
}

BOOST_AUTO_TEST_CASE(constants_that_move_are_not_checked) {
    Parameter p(xt::xarray<double>{0.5, 2});
    const auto stopped =
        inspect::derivation([&] { return sum(stop_gradient(sin(Variable(p))) * p); }, inspect::Names());
    BOOST_TEST(!stopped.checked());
    BOOST_TEST(has(stopped.text(), "not checked"));
    BOOST_TEST(!has(stopped.text(), "✗"));

    Generator own(3);
    const auto random = [&] { return sum(p * Variable(random::normal({2}, 0, 1, own, float64))); };
    BOOST_CHECK_EXCEPTION(inspect::derivation(random, inspect::Names()), TapeError,
                          [](const TapeError& error) { return has(error.what(), "not the same at two calls"); });
}

BOOST_AUTO_TEST_CASE(a_lambda_is_written_as_its_formula) {
    const auto decay = elementwise("decay", [](auto x, auto r) { return exp(-r * x) + 3; });
    Parameter x(Array::filled({3}, float64, 0.5)), r(Array::filled({}, float64, 2));
    inspect::Names names;
    names("x", x)("r", r);
    const auto derivation = inspect::derivation([&] { return sum(decay(x, r)); }, names);
    BOOST_TEST_MESSAGE(derivation.text());
    BOOST_TEST(derivation.checked());
    BOOST_TEST(has(derivation.text(), "exp(-r * x) + 3"));
    BOOST_TEST(has(equation(derivation, "∂L/∂x").text.back(), "(-exp(-r * x) * r)"));
    BOOST_TEST(has(derivation.latex_document(), "e^{"));
}

BOOST_AUTO_TEST_CASE(every_operation_is_written_and_right) {
    using namespace catalogue;
    const std::set<std::string> bare{"prod",
                                     "max",
                                     "min",
                                     "std",
                                     "huber_loss",
                                     "clip",
                                     "elu",
                                     "leaky_relu",
                                     "batch_norm",
                                     "batch_norm_relu",
                                     "batch_norm_relu_max_pool2d",
                                     "layer_norm"};
    std::set<std::string> seen;
    for (const auto family :
         {elementwise, arithmetic, reductions, movement, linear_algebra, indexing, normalization, windows})
        for (const Sample& sample : family()) {
            if (sample.large) continue;
            BOOST_TEST_CONTEXT(sample.name()) {
                std::vector<Parameter> parameters;
                for (const Variable& x : sample.inputs) parameters.emplace_back(x.array());
                const auto f = [&] {
                    const Variable y = astype(sample.call(Inputs(parameters.begin(), parameters.end())), float64);
                    Generator generator(3);
                    return sum(y * Variable(random::uniform(y.shape(), 0.5, 1.5, generator, float64)));
                };
                const Variable y = f();
                if (!y.requires_grad() || y.size() == 0) continue;
                const Tape tape(y);
                bool single = false;  // differences drown in its rounding
                bool empty = false;   // there is nothing to compare
                for (const Node* node : tape.nodes()) {
                    if (node->arity() == 0) continue;
                    seen.insert(node->name);
                    single |= node->dtype == float32;
                    empty |= node->shape.count() == 0;
                    BOOST_TEST((bare.count(node->name) || inspect::detail::is_written_out(node->name)), node->name);
                }
                if (empty) continue;
                const inspect::Names names;
                inspect::Derivation derivation;
                try {
                    derivation = inspect::derivation(f, names);
                } catch (const Error& error) {
                    BOOST_ERROR(error.what());
                    continue;
                }
                BOOST_TEST(derivation.checked(single ? 1e-3 : 1e-5), derivation.text());
            }
        }
    for (const std::string& op : bare) BOOST_TEST((seen.count(op) && !inspect::detail::is_written_out(op)), op);
}

BOOST_AUTO_TEST_CASE(refuses) {
    Parameter x(Array::filled({3}, float64, 0.5));
    const inspect::Names names;
    BOOST_CHECK_THROW(inspect::derivation([&] { return exp(x); }, names), TapeError);  // not one number
    BOOST_CHECK_THROW(inspect::derivation([&] { return Variable(1.0); }, names), TapeError);
    int calls = 0;
    const auto changing = [&] { return ++calls % 2 ? sum(x) : sum(exp(x)); };
    BOOST_CHECK_THROW(inspect::derivation(changing, names), TapeError);
    BOOST_TEST(x.array().at(0) == 0.5);
    const NoGrad constant;
    BOOST_CHECK_THROW(inspect::derivation([&] { return sum(x); }, names), TapeError);
}

BOOST_AUTO_TEST_SUITE_END()
