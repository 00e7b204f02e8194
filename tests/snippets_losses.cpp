#include <xtape/xtape.hpp>

#include <cmath>
#include <fstream>
#include <string>

#include <fmt/core.h>

#include <boost/test/unit_test.hpp>

#include "support/files.hpp"

/// The code of docs/losses.md, in the same words, and what is said there of it: tests/check_snippets.py holds both together.
using namespace xtape;

// clang-format off
namespace {

const auto formula = [](auto z, auto y) {
    const auto l = softplus((1 - 2 * y) * z);  // -log of the probability that z gives to the label y
    return l / (1 + l);
};
const auto levelling = elementwise("levelling log loss", formula);

/// Where the pictures go.
struct Drawn {
    xtape::testing::Folder folder;
    std::filesystem::path before = std::filesystem::current_path();
    Drawn() { std::filesystem::current_path(folder.path); }
    ~Drawn() { std::filesystem::current_path(before); }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(snippets_losses)

BOOST_AUTO_TEST_CASE(written_checked_and_differentiated_again) {
    Parameter z = xt::xarray<float>{-2, 0.5, 3};
    const Variable y = xt::xarray<float>{1, 0, 1};
    Variable loss = mean(levelling(z, y));

    check_grads([&](const Variable& logits) { return mean(levelling(logits, y)); }, z);

    const Variable slope = grad(sum(levelling(z, y)), z, create_graph);  // of each sample's own loss
    const Variable bend = grad(sum(slope), z);

    double expected = 0;
    for (Index i = 0; i < 3; ++i) {
        const double v = z.array().at(i), sign = 1 - 2 * y.array().at(i);
        const double l = std::log1p(std::exp(sign * v)), s = 1 / (1 + std::exp(-sign * v));
        expected += l / (1 + l) / 3;
        BOOST_TEST(std::abs(slope.array().at(i) - sign * s / ((1 + l) * (1 + l))) < 1e-6);
        BOOST_TEST(std::abs(bend.array().at(i) - s * (1 - s) / ((1 + l) * (1 + l)) +
                            2 * s * s / ((1 + l) * (1 + l) * (1 + l))) < 1e-6);
    }
    BOOST_TEST(std::abs(loss.item() - expected) < 1e-6);
}

BOOST_AUTO_TEST_CASE(read_and_priced) {
    Parameter z = xt::xarray<float>{-2, 0.5, 3};
    const Variable y = xt::xarray<float>{1, 0, 1};

    inspect::Names names;
    names("z", z)("y", y);
    const auto derivation = inspect::derivation([&] { return mean(levelling(z, y)); }, names);
    fmt::print("{}", derivation.text());

    inspect::Bill bill;
    bill([&] { mean(levelling(z, y)).backward(); }, /*times*/ 7);
    fmt::print("{}", bill.table());

    BOOST_TEST(derivation.checked());
    BOOST_TEST(bill.table().find("mean of levelling log loss") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(not_a_number) {
    const Variable y = xt::xarray<float>{1, 0, 1};

    const auto careless = elementwise("careless", [](auto a, auto t) {
        return -t * log(a) - (1 - t) * log(1 - a);
    });
    Parameter p = xt::xarray<float>{0.9, 0.2, 0};
    try {
        Variable loss = check_finite([&] { return mean(careless(p, y)); });
        loss.backward();
    } catch (const NonFiniteError& error) {
        fmt::print("{}\n", error.what());
    }

    const auto says = [](const NonFiniteError& error) {
        return std::string(error.what()).find("log at snippets_losses.cpp:") != std::string::npos;
    };
    BOOST_CHECK_EXCEPTION(check_finite([&] { return mean(careless(p, y)); }), NonFiniteError, says);
}

BOOST_AUTO_TEST_CASE(a_critic) {
    random::seed(0);
    nn::Sequential net{nn::Linear(2, 8), tanh, nn::Linear(8, 1)};
    const Variable real(random::normal({16, 2}, 1, 1, random::generator()));
    const Variable fake(random::normal({16, 2}, 0, 1, random::generator()));

    const auto critic = [&](const Variable& x) { return net(x); };
    Variable loss = mean(critic(fake)) - mean(critic(real)) + 10 * nn::gradient_penalty(critic, real, fake);
    loss.backward();

    BOOST_TEST(loss.item() > 0);
    BOOST_TEST(norm(net.get<nn::Linear>(0).weight.grad()).item() > 0);
}

BOOST_AUTO_TEST_CASE(a_kink_is_found) {
    const Variable t = xt::xarray<double>{1, 2};
    const GradCheck verdict = gradient_check([&](const Variable& p) { return nn::quantile(p, t, 0.9); }, {t});

    BOOST_TEST(!verdict.ok);
    BOOST_TEST(verdict.tape == 0);
    BOOST_TEST(std::abs(verdict.differences) > 0.1);
}

BOOST_AUTO_TEST_CASE(drawn) {
    const Drawn here;
    optim::draw_functions({{"log loss", [](const Variable& z) { return softplus(-z); }},
                           {"levelling log loss", [](const Variable& z) { return levelling(z, 1); }}},
                          -6, 6, "losses.svg", "A sample with label 1", "logit");

    BOOST_TEST((std::filesystem::exists("losses.svg") || std::filesystem::exists("losses.csv")));
}

BOOST_AUTO_TEST_CASE(looked_at_where_it_rests) {
    const Drawn here;
    const auto train = datasets::moons(100, 0.1, 0);
    nn::Sequential net{nn::Linear(2, 16), relu, nn::Linear(16, 1)};
    const auto before = net.state();
    const auto loss = [&] { return mean(levelling(net(train.x), train.y)); };

    const optim::Landscape around = optim::landscape(loss, net.parameters());
    fmt::print("loss {:.4f}, sharpness {:.3g}\n", around.loss(), around.sharpness());
    around.draw("landscape.png");

    optim::LandscapeOptions options;
    options.along = optim::Along::eigenvectors;
    options.dimensions = 1;
    options.reach = 0.5;
    optim::landscape(loss, net.parameters(), options).draw("steepest.png");

    BOOST_TEST(around.loss() == loss().item());
    BOOST_TEST(std::filesystem::exists("landscape.csv"));
    BOOST_TEST(std::filesystem::exists("steepest.csv"));
    const auto after = net.state();
    for (std::size_t i = 0; i < before.size(); ++i)
        for (Index k = 0; k < before[i].second.size(); ++k)
            BOOST_TEST(after[i].second.at(k) == before[i].second.at(k));
}

BOOST_AUTO_TEST_CASE(losses_of_the_library) {
    const Parameter z = xt::xarray<float>{{2, -1, 0.5}, {0, 1, -2}};
    const IntArray labels{0, 2};
    const Variable t = xt::xarray<float>{{1, 0, 0}, {0, 0, 1}};
    const Variable teacher = z * 2;

    Variable one_of_many = nn::cross_entropy(z, labels, nn::Reduction::mean, /*label_smoothing*/ 0.1);
    Variable rare = nn::focal_with_logits(z, t, /*gamma*/ 2, /*alpha*/ 0.25);
    Variable overlap = nn::tversky(sigmoid(z), t, /*alpha*/ 0.3, /*beta*/ 0.7);
    Variable student = 0.9 * nn::distillation(z, teacher, /*temperature*/ 4) + 0.1 * nn::cross_entropy(z, labels);

    for (const Variable& each : {one_of_many, rare, overlap, student}) BOOST_TEST(each.item() > 0);
    BOOST_TEST(grad(one_of_many + rare + overlap + student, z).shape() == z.shape());
}

BOOST_AUTO_TEST_CASE(sequences) {
    Parameter z = Array::filled({6, 2, 4}, float32, 0.25);

    const IntArray targets{{1, 1, 2}, {3, 2, 0}};  // the second one is two long
    Variable loss = nn::ctc(log_softmax(z, 2), targets, /*input lengths*/ {6, 5}, /*target lengths*/ {3, 2});

    // Frames say anything: counted by enumeration, 28 of 4^6 alignments spell 1 1 2 and 35 of 4^5 spell 3 2.
    const double first = -std::log(28 / 4096.0) / 3, second = -std::log(35 / 1024.0) / 2;
    BOOST_TEST(std::abs(loss.item() - (first + second) / 2) < 1e-6);
}

BOOST_AUTO_TEST_SUITE_END()
// clang-format on
