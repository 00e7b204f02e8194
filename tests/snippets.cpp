#include <xtape/xtape.hpp>

#include <cmath>

#include <boost/test/unit_test.hpp>

// The design's own line gives a lambda's argument the name of a variable outside.
#pragma GCC diagnostic ignored "-Wshadow"

/// The first page of the design, as written there.
using namespace xtape;

BOOST_AUTO_TEST_SUITE(snippets)

// clang-format off
BOOST_AUTO_TEST_CASE(the_perceptron) {
    auto data = datasets::blobs(100, 100, /*centers*/ 2, /*seed*/ 0);          // S1, the perceptron, as the document writes it
    Variable X = data.x, y = data.y;
    Parameter W = xt::random::randn<float>({100, 1}), b = xt::zeros<float>({1});
    for (int i = 0; i < 3000; ++i) {
        Variable a = sigmoid(matmul(X, W) + b);
        Variable loss = -mean(y * log(a) + (1 - y) * log(1 - a));             // finite and exact: the tape sees log(sigmoid(.))
        auto [dW, db] = grad(loss, W, b);
        W -= 0.001 * dW;
        b -= 0.001 * db;
    }
    // clang-format on

    const Variable a = sigmoid(matmul(X, W) + b);
    const Variable right = mean(equal(a >= 0.5, y));
    BOOST_TEST(right.item() == 1);
    const Variable loss = -mean(y * log(a) + (1 - y) * log(1 - a));
    BOOST_TEST(std::isfinite(loss.item()));
    BOOST_TEST(loss.item() >= 0);
    BOOST_TEST(loss.item() < 0.1);
}

BOOST_AUTO_TEST_CASE(its_first_gradients_are_those_of_the_document) {
    auto data = datasets::blobs(100, 100, 2, 0);
    Variable X = data.x, y = data.y;
    Parameter W = xt::zeros<float>({100, 1}), b = xt::zeros<float>({1});
    auto [dW, db] =
        grad(-mean(y * log(sigmoid(matmul(X, W) + b)) + (1 - y) * log(1 - sigmoid(matmul(X, W) + b))), W, b);
    // F3 and F4 with a = 1/2 everywhere, in plain loops
    const auto x = X.value(), labels = y.value();
    double expected_b = 0;
    for (std::size_t j = 0; j < 100; ++j) {
        double expected = 0;
        for (std::size_t i = 0; i < 100; ++i) expected -= (labels(i, 0) - 0.5) * x(i, j) / 100;
        BOOST_TEST(dW.value()(j, 0) == expected, boost::test_tools::tolerance(1e-4));
    }
    for (std::size_t i = 0; i < 100; ++i) expected_b -= (labels(i, 0) - 0.5) / 100;
    BOOST_TEST(std::abs(db.item() - expected_b) < 1e-6);
}

BOOST_AUTO_TEST_CASE(a_loss_of_ones_own_is_checked) {
    const Variable z = xt::xarray<float>{{-1.5F, 0.25F}, {2, -0.5F}};
    const Variable t = xt::xarray<float>{{0, 1}, {1, 0}};
    // clang-format off
    auto focal = elementwise([](auto p, auto t) {                             // a new loss is one scalar lambda: one fused pass,
        auto q = t * p + (1 - t) * (1 - p);                                   // derivative by the compiler, any order
        return -(1 - q) * (1 - q) * log(q);
    });
    Variable loss = mean(focal(sigmoid(z), t));
    check_grads([&](const Variable& z) { return mean(focal(sigmoid(z), t)); }, z);   // float64, first and second order
    // clang-format on

    double expected = 0;
    for (Index i = 0; i < 4; ++i) {
        const double p = 1 / (1 + std::exp(-z.array().at(i)));
        const double q = t.array().at(i) > 0 ? p : 1 - p;
        expected -= (1 - q) * (1 - q) * std::log(q) / 4;
    }
    BOOST_TEST(loss.item() == expected, boost::test_tools::tolerance(1e-6));
}

BOOST_AUTO_TEST_CASE(the_network) {
    // clang-format off
    nn::Sequential net{nn::Conv2d(1, 128, 5, nn::same), relu, nn::MaxPool2d(2),  // S5
                       nn::Conv2d(128, 64, 3, nn::same), relu, nn::MaxPool2d(2), nn::Flatten(),
                       nn::Linear(3136, 128), relu, nn::Dropout(0.5), nn::Linear(128, 47)};
    // clang-format on
    const NoGrad scope;
    const Variable y = net(Variable(xt::zeros<float>({2, 1, 28, 28})));
    BOOST_TEST(y.shape() == (Shape{2, 47}));
}

BOOST_AUTO_TEST_SUITE_END()
