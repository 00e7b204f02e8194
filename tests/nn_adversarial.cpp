#include <xtape/xtape.hpp>

#include "support/nn.hpp"

#include <cmath>
#include <vector>

#include <boost/test/unit_test.hpp>

/// The gradient penalty of Wasserstein critics (Gulrajani et al., arXiv:1704.00028).
using namespace xtape;

namespace {

constexpr double penalty_weight = 10;  // the paper's lambda

Variable normal(const Shape& shape, double mean, Generator& generator, DType dtype = float32) {
    return Variable(random::normal(shape, mean, 1, generator, dtype));
}

template <class T>
Parameter column(const xt::xarray<T>& numbers) {
    return Parameter(reshape(Variable(numbers), {-1, 1}));
}

/// Gaussians around (0, 0) and (distance, 0), each other's copies: the Wasserstein distance is `distance`.
struct Samples {
    explicit Samples(double distance, Index count, Generator& generator)
        : fake(normal({count, 2}, 0, generator)),
          real(normal({count, 2}, 0, generator) + Variable(xt::xarray<float>{static_cast<float>(distance), 0})) {}
    Variable fake, real;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(nn_adversarial)

// D(x) = w . x + b has the gradient w everywhere.
BOOST_AUTO_TEST_CASE(linear_critic) {
    const Parameter w = column<double>({3, 0, 4, 0}), b = Array::filled({1}, float64, -7);
    Generator generator(1);
    const Variable real = normal({5, 4}, 1, generator, float64), fake = normal({5, 4}, -1, generator, float64);
    const nn::Critic critic = [&](const Variable& x) { return linear(x, w, b); };
    const Variable norms = nn::gradient_norms(critic, real);
    BOOST_TEST(norms.rank() == 1);
    for (Index i = 0; i < 5; ++i) BOOST_TEST(norms.array().at(i) == 5, boost::test_tools::tolerance(1e-14));
    const Variable penalty = nn::gradient_penalty(critic, real, fake, generator);
    BOOST_TEST(penalty.item() == 16, boost::test_tools::tolerance(1e-14));  // (5 - 1)^2
    const auto [dw, db] = grad(penalty, w, b);
    const double expected[] = {8 * 0.6, 0, 8 * 0.8, 0};  // 2 (|w| - 1) w / |w|
    for (Index i = 0; i < 4; ++i) BOOST_TEST(std::abs(dw.array().at(i) - expected[i]) < 1e-13);
    BOOST_TEST(db.array().at(0) == 0);
}

// D(x) = x . x / 2 has the gradient x: the penalty is the mean of (|e real + (1 - e) fake| - 1)^2.
BOOST_AUTO_TEST_CASE(points_between_pairs) {
    const Variable real = xt::xarray<double>{{{3, 0}}, {{0, 5}}}, fake = xt::xarray<double>{{{1, 0}}, {{0, 1}}};
    const Parameter one = Array::filled({1}, float64, 1);
    Generator generator(4), same(4);
    const Variable penalty = nn::gradient_penalty(
        [&](const Variable& x) {
            return sum(square(x), {1, 2}) * one / 2;
        },
        real, fake, generator);
    const Array e = random::uniform({2, 1, 1}, 0, 1, same, float64);
    const double first = 2 * e.at(0), second = 4 * e.at(1);  // beyond 1
    BOOST_TEST(penalty.item() == (first * first + second * second) / 2, boost::test_tools::tolerance(1e-14));
    BOOST_TEST(generator.uniform() == same.uniform());
}

BOOST_AUTO_TEST_CASE(a_flat_critic_has_a_finite_penalty) {
    const Parameter w = column<float>({0, 0}), b = Array::filled({1}, float32, 1);
    const Variable x = xt::xarray<float>{{1, 2}, {3, 4}};
    const Variable penalty = nn::gradient_penalty([&](const Variable& v) { return linear(v, w, b); }, x, x);
    BOOST_TEST(penalty.item() == 1);
    BOOST_TEST(grad(penalty, w).array().at(0) == 0);
}

// The penalty's gradient is the critic's second derivative, its gradient's gradient the third.
BOOST_AUTO_TEST_CASE(gradients_by_differences) {
    Generator generator(2);
    const Variable real = normal({4, 3}, 1, generator, float64), fake = normal({4, 3}, -1, generator, float64);
    const auto penalty = [&](const Variable& w1, const Variable& b1, const Variable& w2) {
        Generator own(7);
        return nn::gradient_penalty([&](const Variable& x) { return matmul(tanh(linear(x, w1, b1)), w2); }, real, fake,
                                    own);
    };
    const Variable w1 = normal({3, 5}, 0, generator, float64), b1 = normal({5}, 0, generator, float64),
                   w2 = normal({5, 1}, 0, generator, float64);
    const GradCheck network = gradient_check(penalty, {w1, b1, w2});
    BOOST_TEST(network.ok, network.message);

    const auto by_images = [&](const Variable& kernel, const Variable& w) {
        Generator own(7);
        const Variable images = reshape(real, {2, 1, 2, 3}), others = reshape(fake, {2, 1, 2, 3});
        return nn::gradient_penalty(
            [&](const Variable& x) { return matmul(flatten(softplus(correlate2d(x, kernel)), 1), w); }, images, others,
            own);
    };
    const GradCheck convolution =
        gradient_check(by_images, {normal({2, 1, 2, 2}, 0, generator, float64), normal({4, 1}, 0, generator, float64)});
    BOOST_TEST(convolution.ok, convolution.message);
}

// With slope s the critic gains s d - 10 (s - 1)^2, which is largest at s = 1 + d / 20.
BOOST_AUTO_TEST_CASE(trains_a_linear_critic_to_the_best) {
    Generator generator(3);
    const double distance = 2;
    Parameter w = column<float>({0.2F, 0.5F}), b = Array::filled({1}, float32, 0);
    const nn::Critic critic = [&](const Variable& x) { return linear(x, w, b); };
    const Variable fake = normal({64, 2}, 0, generator);
    const Variable real = fake + Variable(xt::xarray<float>{static_cast<float>(distance), 0});
    for (int i = 0; i < 300; ++i) {
        const Variable loss = mean(critic(fake)) - mean(critic(real)) +
                              penalty_weight * nn::gradient_penalty(critic, real, fake, generator);
        w -= 0.02 * grad(loss, w);
    }
    BOOST_TEST(w.array().at(0) == 1 + distance / (2 * penalty_weight), boost::test_tools::tolerance(1e-4));
    BOOST_TEST(std::abs(w.array().at(1)) < 1e-3);
}

BOOST_AUTO_TEST_CASE(trains_a_network) {
    random::seed(0);
    Generator generator(11);
    const double distance = 1;
    nn::Sequential net{nn::Linear(2, 32), tanh, nn::Linear(32, 32), tanh, nn::Linear(32, 1)};
    const nn::Critic critic = [&](const Variable& x) { return net(x); };
    optim::AdamOptions options;
    options.learning_rate = 2e-3;
    options.beta1 = 0;  // the paper's
    options.beta2 = 0.9;
    optim::Adam optimizer(net.parameters(), options);

    const auto mean_norm = [&] {
        Generator own(99);
        const Samples samples(distance, 512, own);
        return mean(nn::gradient_norms(critic, 0.5 * (samples.real + samples.fake))).item();
    };
    const double norm_before = mean_norm();
    std::vector<double> losses;
    for (int i = 0; i < 400; ++i) {
        const Samples samples(distance, 128, generator);
        const Variable loss = mean(critic(samples.fake)) - mean(critic(samples.real)) +
                              penalty_weight * nn::gradient_penalty(critic, samples.real, samples.fake, generator);
        optimizer.zero_grad();
        loss.backward();
        optimizer.step();
        losses.push_back(loss.item());
    }
    const auto average = [&](std::size_t first) {
        double total = 0;
        for (std::size_t i = first; i < first + 20; ++i) total += losses[i] / 20;
        return total;
    };
    Generator own(98);
    const Samples samples(distance, 4096, own);
    const double estimate = (mean(critic(samples.real)) - mean(critic(samples.fake))).item();
    BOOST_TEST_MESSAGE("loss " << average(0) << " -> " << average(380) << ", norm " << norm_before << " -> "
                               << mean_norm() << ", distance " << estimate);
    // The best critic has slope s = 1 + d / 20: its loss is -d - d^2 / 40, its estimate of the distance s d.
    BOOST_TEST(average(0) > 2);
    BOOST_TEST(average(380) < -0.8);
    BOOST_TEST(std::abs(mean_norm() - 1.05) < 0.1);
    BOOST_TEST(std::abs(estimate - 1.05) < 0.12);
    BOOST_TEST(std::abs(norm_before - 1) > 0.5);
}

BOOST_AUTO_TEST_CASE(errors) {
    const Parameter w = column<float>({1, 2}), wide = xt::xarray<float>{{1, 1}, {2, 2}};
    const Variable x = xt::xarray<float>{{1, 2}, {3, 4}}, row = xt::xarray<float>{{1, 2}};
    const nn::Critic critic = [&](const Variable& v) { return matmul(v, w); };
    BOOST_CHECK_THROW(nn::gradient_penalty(critic, x, row), ShapeError);
    BOOST_CHECK_THROW(nn::gradient_penalty(critic, x, astype(x, float64)), DtypeError);
    BOOST_CHECK_THROW(nn::gradient_norms([&](const Variable& v) { return matmul(v, wide); }, x), ShapeError);
    BOOST_CHECK_THROW(nn::gradient_norms([&](const Variable& v) { return mean(matmul(v, w)); }, x), ShapeError);
    BOOST_CHECK_THROW(nn::gradient_norms(critic, Variable(1.0)), ShapeError);
    BOOST_CHECK_THROW(nn::gradient_norms([](const Variable& v) { return sum(v.detach(), {1}); }, x), TapeError);
    const NoGrad constant;
    BOOST_CHECK_THROW(nn::gradient_norms(critic, x), TapeError);
}

BOOST_AUTO_TEST_CASE(what_is_empty_is_named_with_its_line) {
    using xtape::nn_test::message;
    const Variable x = xt::xarray<float>{{1, 2}, {3, 4}}, none;
    const nn::Critic critic = [](const Variable& v) { return sum(v, {1}); };
    const nn::Critic silent = [](const Variable&) { return Variable(); };
    const auto at_line = [](const char* what, int line) {
        return std::string(what) + "\n  recorded at nn_adversarial.cpp:" + std::to_string(line);
    };
    BOOST_TEST(message<ValueError>([&] { nn::gradient_norms(silent, x); }) ==
               at_line("gradient_norms: the critic's scores have no value", __LINE__ - 1));
    BOOST_TEST(message<ValueError>([&] { nn::gradient_norms(critic, none); }) ==
               at_line("gradient_norms: the samples have no value", __LINE__ - 1));
    BOOST_TEST(message<ValueError>([&] { nn::gradient_norms(nn::Critic(), x); }) ==
               at_line("gradient_norms: there is no critic", __LINE__ - 1));
    BOOST_TEST(message<ValueError>([&] { nn::gradient_penalty(critic, none, x); }) ==
               at_line("gradient_penalty: the real samples have no value", __LINE__ - 1));
    BOOST_TEST(message<ValueError>([&] { nn::gradient_penalty(critic, x, none); }) ==
               at_line("gradient_penalty: the fake samples have no value", __LINE__ - 1));
    BOOST_TEST(message<ValueError>([&] { nn::gradient_penalty(silent, x, x); }) ==
               at_line("gradient_norms: the critic's scores have no value", __LINE__ - 1));
}

// D(x) = w x^2 has slopes 2 w x, wherever it is recorded.
BOOST_AUTO_TEST_CASE(a_critic_that_records_by_itself) {
    const Parameter w = Array::filled({1}, float64, 3);
    const Variable x = xt::xarray<double>{1, -2, 0.5};
    const NoGrad no_grad;
    const Variable norms = nn::gradient_norms(
        [&](const Variable& v) {
            const EnableGrad recorded;
            return w * square(v);
        },
        x);
    const double expected[] = {6, 12, 3};
    for (Index i = 0; i < 3; ++i) BOOST_TEST(norms.array().at(i) == expected[i], boost::test_tools::tolerance(1e-14));
    const EnableGrad enable_grad;
    BOOST_TEST(grad(sum(norms), w).item() == 7, boost::test_tools::tolerance(1e-14));  // 2 (1 + 2 + 0.5)
}

BOOST_AUTO_TEST_SUITE_END()
