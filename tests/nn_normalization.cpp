#include "support/nn.hpp"

#include <numeric>

#include <xtape/autograd/check_grads.hpp>

using namespace xtape;
using namespace xtape::nn_test;

BOOST_AUTO_TEST_SUITE(nn_normalization)

BOOST_AUTO_TEST_CASE(dropout_zeroes_and_rescales) {
    Generator generator(1);
    nn::Dropout layer(0.25, generator);
    const Variable x = Array::filled({200, 50}, float32, 3);
    const Variable y = layer(x);
    Index zeros = 0;
    for (double value : values(y.array())) {
        zeros += value == 0;
        BOOST_REQUIRE(value == 0 || std::abs(value - 4) < 1e-6);  // 3 / (1 - 0.25)
    }
    BOOST_TEST(std::abs(static_cast<double>(zeros) / 10000 - 0.25) < 0.02);  // over four standard deviations
    BOOST_TEST(!same_values(layer(x).array(), y.array()));                   // a new mask each time

    layer.eval();
    BOOST_TEST(same_values(layer(x).array(), x.array()));
    layer.train();
    BOOST_TEST(!same_values(layer(x).array(), x.array()));
    BOOST_TEST(same_values(nn::Dropout(0)(x).array(), x.array()));
}

BOOST_AUTO_TEST_CASE(dropout_is_repeatable) {
    const Variable x = Array::filled({40}, float64, 1);
    Generator one(9), other(9);
    nn::Dropout a(0.5, one), b(0.5, other), next(0.5, one);
    nn::Dropout copy = a;
    const Array mask = a(x).array();
    BOOST_TEST(same_values(b(x).array(), mask));
    BOOST_TEST(same_values(copy(x).array(), mask));
    BOOST_TEST(!same_values(next(x).array(), mask));
    for (double p : {-0.1, 1.0, std::nan("")})
        check_contains(message<ValueError>([p] { nn::Dropout layer(p); }), "Dropout: p must be in [0, 1)");
}

BOOST_AUTO_TEST_CASE(dropout_passes_the_gradient_of_its_mask) {
    Parameter x(Array::filled({64}, float64, 2));
    nn::Dropout layer(0.5);
    const Variable y = layer(x);
    BOOST_TEST(values(grad(sum(y * y), x).array()) == ([&] {
                   std::vector<double> expected;  // d(mask^2 x^2)/dx = 2 mask^2 x, with mask x = y and mask 0 or 2
                   for (double value : values(y.array())) expected.push_back(4 * value);
                   return expected;
               }()),
               boost::test_tools::per_element());
}

/// Batch normalisation as defined: mean and biased variance of every channel of (N, C, L).
static std::vector<double> normalized(const Variable& x, Index samples, Index channels, Index length, double eps,
                                      std::vector<double>* means = nullptr, std::vector<double>* variances = nullptr) {
    std::vector<double> y(static_cast<std::size_t>(x.size()));
    for (Index c = 0; c < channels; ++c) {
        const auto place = [&](Index n, Index l) { return (n * channels + c) * length + l; };
        const auto count = static_cast<double>(samples * length);
        double mean = 0, variance = 0;
        for (Index n = 0; n < samples; ++n)
            for (Index l = 0; l < length; ++l) mean += x.array().at(place(n, l)) / count;
        for (Index n = 0; n < samples; ++n)
            for (Index l = 0; l < length; ++l) variance += std::pow(x.array().at(place(n, l)) - mean, 2) / count;
        for (Index n = 0; n < samples; ++n)
            for (Index l = 0; l < length; ++l)
                y[static_cast<std::size_t>(place(n, l))] =
                    (x.array().at(place(n, l)) - mean) / std::sqrt(variance + eps) * static_cast<double>(c + 1) - 1;
        if (means) means->push_back(mean);
        if (variances) variances->push_back(variance);
    }
    return y;
}

/// weight 1, 2, 3, ... and bias -1.
template <class Layer>
static void set_scale(Layer& layer) {
    Array weight = Array::uninitialized(layer.weight.shape(), float64);
    std::iota(weight.mutable_data<double>(), weight.mutable_data<double>() + weight.size(), 1.0);
    layer.to(float64);
    layer.weight.assign(weight);
    nn::init::constant(layer.bias, -1);
}

BOOST_AUTO_TEST_CASE(batch_norm_while_training_and_after) {
    const Variable x = wave({5, 3, 2, 4}, 1), second = wave({5, 3, 2, 4}, 2) * 3 + 1;
    nn::BatchNorm2d layer(3, 1e-3, 0.2);
    set_scale(layer);
    std::vector<double> means, variances;
    check_close(layer(x), {5, 3, 2, 4}, normalized(x, 5, 3, 8, 1e-3, &means, &variances), 1e-12);
    check_close(layer(second), {5, 3, 2, 4}, normalized(second, 5, 3, 8, 1e-3, &means, &variances), 1e-12);

    std::vector<double> running_mean, running_var, expected;
    for (std::size_t c = 0; c < 3; ++c) {
        running_mean.push_back(0.8 * (0.2 * means[c]) + 0.2 * means[c + 3]);
        running_var.push_back(0.8 * (0.8 + 0.2 * variances[c] * 40 / 39) + 0.2 * variances[c + 3] * 40 / 39);
    }
    check_close(layer.running_mean, {3}, running_mean, 1e-12);
    check_close(layer.running_var, {3}, running_var, 1e-12);

    layer.eval();
    for (Index i = 0; i < x.size(); ++i) {
        const auto c = static_cast<std::size_t>(i / 8 % 3);
        expected.push_back(
            (x.array().at(i) - running_mean[c]) / std::sqrt(running_var[c] + 1e-3) * static_cast<double>(c + 1) - 1);
    }
    check_close(layer(x), {5, 3, 2, 4}, expected, 1e-12);
    check_close(layer.running_mean, {3}, running_mean, 1e-12);  // not touched

    const NoGrad constant;  // nothing is recorded, so that a temporary's buffer may be worked in
    Array temporary = Array::uninitialized(x.shape(), float64);
    std::copy_n(x.array().data<double>(), x.size(), temporary.mutable_data<double>());
    const double* const buffer = temporary.data<double>();
    const Variable y = layer(Variable(std::move(temporary)));
    BOOST_TEST(y.array().data<double>() == buffer);
    check_close(y, {5, 3, 2, 4}, expected, 1e-12);
}

BOOST_AUTO_TEST_CASE(batch_norm_1d_takes_tables_and_series) {
    nn::BatchNorm1d layer(3);
    set_scale(layer);
    const Variable table = wave({6, 3}, 1), series = wave({2, 3, 5}, 2);
    check_close(layer(table), {6, 3}, normalized(table, 6, 3, 1, 1e-5), 1e-12);
    check_close(layer(series), {2, 3, 5}, normalized(series, 2, 3, 5, 1e-5), 1e-12);
    BOOST_TEST(nn::BatchNorm1d(3, 1e-5, 0.1, false).parameters().empty());

    check_contains(message<ShapeError>([&] {
                       layer(wave({6, 4}, 1));
                   }),
                   "BatchNorm1d(3): the input's channels (axis 1) must be 3: (6, 4), 4 != 3");
    check_contains(message<ShapeError>([&] {
                       layer(wave({1, 3}, 1));
                   }),
                   "more than one value per channel: (1, 3) has 1");
    check_contains(message<ShapeError>([&] { layer(wave({6, 3, 2, 2}, 1)); }), "must be (N, C) or (N, C, L)");
    check_contains(message<ShapeError>([&] { nn::BatchNorm2d(3)(wave({6, 3}, 1)); }), "must have 4 axes");
    check_contains(message<ValueError>([] { nn::BatchNorm2d bad(0); }), "features must be at least 1: 0");
    check_contains(message<ValueError>([] { nn::BatchNorm2d bad(3, 1e-5, 1.5); }), "momentum must be in [0, 1]: 1.5");
    check_contains(message<ValueError>([] { nn::BatchNorm2d bad(3, -1); }), "eps must be at least 0: -1");
    layer.eval();
    BOOST_TEST(layer(wave({1, 3}, 1)).size() == 3);  // one sample is enough to predict
}

BOOST_AUTO_TEST_CASE(layer_norm_normalises_each_sample) {
    nn::LayerNorm layer(2);
    layer.weight.assign(Array(xt::xarray<float>{2, 3}));
    layer.bias.assign(Array(xt::xarray<float>{0, 1}));
    const double a = 1 / std::sqrt(1 + 1e-5), b = 5 / std::sqrt(25 + 1e-5);  // mean 2, variance 1; mean 5, variance 25
    check_close(layer(xt::xarray<float>{{1, 3}, {10, 0}}), {2, 2}, {-2 * a, 3 * a + 1, 2 * b, -3 * b + 1});

    const Variable x = wave({4, 2, 3}, 1);
    nn::LayerNorm both(Shape{2, 3});
    both.to(float64);
    const Variable y = both(x);
    check_close(mean(y, {1, 2}), {4}, {0, 0, 0, 0}, 1e-12);
    const Variable variance = var(x, {1, 2});
    check_close(var(y, {1, 2}) * (variance + 1e-5) / variance, {4}, {1, 1, 1, 1}, 1e-12);

    check_contains(message<ShapeError>([&] {
                       both(wave({4, 3, 3}, 1));
                   }),
                   "LayerNorm((2, 3)): the input's last axes must be (2, 3): (4, 3, 3)");
    check_contains(message<ShapeError>([&] { both(wave({3}, 1)); }), "must be (2, 3): (3,)");
    check_contains(message<ValueError>([] { nn::LayerNorm bad(Shape{}); }), "sizes of at least 1: ()");
}

BOOST_AUTO_TEST_CASE(gradients) {
    const Variable x = wave({3, 2, 2, 3}, 1), table = wave({4, 6}, 2);
    nn::BatchNorm2d batch(2);
    nn::BatchNorm1d columns(6);
    nn::LayerNorm layer(6);
    set_scale(batch), set_scale(columns), set_scale(layer);
    check_grads([&](const Variable& v) { return batch(v); }, x);
    check_grads([&](const Variable& v) { return columns(v); }, table);
    check_grads([&](const Variable& v) { return layer(v); }, table);
    check_parameter_gradients(batch, [&] { return sum(square(batch(x)) * x); });
    check_parameter_gradients(layer, [&] { return sum(square(layer(table)) * table); });
    batch.eval();
    check_grads([&](const Variable& v) { return batch(v); }, x);
    check_parameter_gradients(batch, [&] { return sum(square(batch(x)) * x); });
}

BOOST_AUTO_TEST_SUITE_END()
