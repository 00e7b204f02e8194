#include <algorithm>
#include <cmath>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/random.hpp>
#include <xtape/autograd/tape.hpp>

/// Problems P2 and P3 of the document where they arose: unnormalised pixels, 4096 columns of 0 to 255, and weights from a
/// standard normal distribution, so that z lies in the tens of thousands. The loss is F1 as a user writes it.
using namespace xtape;

namespace {

bool finite(const Array& x) {
    for (Index i = 0; i < x.size(); ++i)
        if (!std::isfinite(x.at(i))) return false;
    return true;
}

struct Pixels {
    Variable X, y;
    Parameter W, b;

    Pixels() {
        Generator generator(3);
        const Index m = 200, n = 4096;
        Array images = random::uniform({m, n}, 0, 255, generator), labels = random::bernoulli({m, 1}, 0.5, generator);
        float* pixel = images.mutable_data<float>();
        for (Index i = 0; i < images.size(); ++i) pixel[i] = std::floor(pixel[i]);
        for (Index i = 0; i < m; ++i)  // one class is brighter in a corner
            for (Index j = 0; labels.at(i) == 1 && j < 256; ++j)
                pixel[i * n + j] = std::min(255.0F, pixel[i * n + j] + 60);
        X = Variable(images), y = Variable(labels);
        W = random::normal({n, 1}, 0, 1, generator), b = Array::filled({1}, float32, 0);
    }

    Variable neuron() const { return sigmoid(matmul(X, W) + b); }
};

Variable f1(const Variable& a, const Variable& y) { return -mean(y * log(a) + (1 - y) * log(1 - a)); }

}  // namespace

BOOST_AUTO_TEST_SUITE(problem_pixels)

BOOST_AUTO_TEST_CASE(p2_p3_naive_formula_trains_on_unnormalised_pixels) {
    Pixels p;
    double largest = 0, first = 0, last = 0;
    for (int i = 0; i < 60; ++i) {
        const Variable z = matmul(p.X, p.W) + p.b;
        for (Index k = 0; k < z.size(); ++k) largest = std::max(largest, std::abs(z.array().at(k)));
        const Variable loss = f1(p.neuron(), p.y);
        const auto [dW, db] = grad(loss, p.W, p.b);
        BOOST_REQUIRE(finite(loss.array()));
        BOOST_REQUIRE(finite(dW.array()));
        BOOST_REQUIRE(finite(db.array()));
        (i == 0 ? first : last) = loss.item();
        p.W -= 1e-5 * dW;
        p.b -= 1e-5 * db;
    }
    BOOST_TEST(largest > 1000);  // where sigmoid is 0 or 1 to the last bit
    BOOST_TEST(last < first);
    BOOST_TEST(finite(p.W.array()));
}

/// Value and gradient at the start, by hand in double: F6 in its stable form, and F3.
BOOST_AUTO_TEST_CASE(p2_p3_value_and_gradient) {
    const Pixels p;
    const Index m = p.X.shape(0), n = p.X.shape(1);
    const Variable z = matmul(p.X, p.W) + p.b, loss = f1(p.neuron(), p.y);
    const auto [dW, db] = grad(loss, p.W, p.b);
    double expected = 0, expected_db = 0, expected_dw0 = 0;
    for (Index i = 0; i < m; ++i) {
        const double zi = z.array().at(i), yi = p.y.array().at(i), a = 1 / (1 + std::exp(-zi));
        expected += (std::max(zi, 0.0) + std::log1p(std::exp(-std::abs(zi))) - yi * zi) / static_cast<double>(m);
        expected_db -= (yi - a) / static_cast<double>(m);
        expected_dw0 -= (yi - a) * p.X.array().at(i * n) / static_cast<double>(m);
    }
    BOOST_TEST(loss.item() == expected, boost::test_tools::tolerance(1e-5));
    BOOST_TEST(db.item() == expected_db, boost::test_tools::tolerance(1e-5));
    BOOST_TEST(dW.array().at(0) == expected_dw0, boost::test_tools::tolerance(1e-5));
}

BOOST_AUTO_TEST_CASE(p2_p3_value_without_recording) {
    const Pixels p;
    const double recorded = f1(p.neuron(), p.y).item();
    const NoGrad constant;
    const Variable a = p.neuron();
    BOOST_TEST(f1(a, p.y).item() == recorded);
    BOOST_TEST(std::isfinite(recorded));
}

BOOST_AUTO_TEST_SUITE_END()
