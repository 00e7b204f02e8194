#include "support/nn.hpp"

#include <xtape/autograd/check_grads.hpp>

using namespace xtape;
using namespace xtape::nn_test;

BOOST_AUTO_TEST_SUITE(nn_layers)

BOOST_AUTO_TEST_CASE(linear_is_x_w_plus_b) {
    nn::Linear layer(2, 3);
    layer.weight.assign(Array(xt::xarray<float>{{1, 2, 3}, {4, 5, 6}}));
    layer.bias.assign(Array(xt::xarray<float>{10, 20, 30}));
    check_close(layer(xt::xarray<float>{{1, 0}, {0, 1}, {2, -1}}), {3, 3}, {11, 22, 33, 14, 25, 36, 8, 19, 30});
    check_close(layer(xt::xarray<float>{1, 1}), {3}, {15, 27, 39});
    check_close(layer(Array::filled({0, 2}, float32, 0)), {0, 3}, {});
    check_close(layer(Array::filled({2, 0, 2}, float32, 0)), {2, 0, 3}, {});
    check_close(layer(xt::xarray<float>{{{1, 0}, {0, 1}}, {{1, 1}, {2, -1}}}), {2, 2, 3},
                {11, 22, 33, 14, 25, 36, 15, 27, 39, 8, 19, 30});

    nn::Linear bare(2, 3, false);
    BOOST_TEST(bare.parameters().size() == 1U);
    bare.weight.assign(layer.weight.array());
    check_close(bare(xt::xarray<float>{{1, 1}}), {1, 3}, {5, 7, 9});
}

BOOST_AUTO_TEST_CASE(layers_start_as_pytorch_has_them) {
    Generator one(5), again(5);
    const nn::Linear linear(16, 50, true, one), twin(16, 50, true, again);
    BOOST_TEST(same_values(linear.weight.array(), twin.weight.array()));
    double largest = 0;
    for (const Parameter* p : {&linear.weight, &linear.bias})
        for (double value : values(p->array())) largest = std::max(largest, std::abs(value));
    BOOST_TEST(largest <= 0.25);  // 1 / sqrt(16)
    BOOST_TEST(largest > 0.24);

    const nn::Conv2d conv(8, 6, {3, 2}, 1, nn::valid, 1, 2);  // fan 8 / 2 * 3 * 2 = 24
    BOOST_TEST(to_string(conv.weight.shape()) == "(6, 4, 3, 2)");
    largest = 0;
    for (double value : values(conv.weight.array())) largest = std::max(largest, std::abs(value));
    BOOST_TEST(largest <= 1 / std::sqrt(24.0));
    BOOST_TEST(largest > 0.9 / std::sqrt(24.0));
}

BOOST_AUTO_TEST_CASE(linear_says_what_does_not_fit) {
    const nn::Linear layer(3, 2);
    const int line = __LINE__ + 1;
    const std::string text = message<ShapeError>([&] { layer(Array::filled({4, 5}, float32, 0)); });
    BOOST_TEST(text == "Linear(3, 2): the input's last axis must be 3: (4, 5), 5 != 3\n  recorded at nn_layers.cpp:" +
                           std::to_string(line));
    check_contains(message<ShapeError>([&] { layer(Variable(1.0)); }), "rank 0");
    check_contains(message<ValueError>([&] { layer(Variable()); }), "Linear(3, 2): the input has no value");
    check_contains(message<ValueError>([] { nn::Linear(0, 2); }),
                   "Linear: in must be at least 1: 0\n  recorded at nn_layers");
}

/// Cross-correlation as defined, in double.
static std::vector<double> correlate(const Variable& x, const nn::Conv2d& conv, Index stride, Index before,
                                     Index dilation, Index groups, Index rows, Index cols) {
    const Shape &in = x.shape(), &w = conv.weight.shape();
    std::vector<double> y;
    for (Index n = 0; n < in[0]; ++n)
        for (Index k = 0; k < w[0]; ++k)
            for (Index r = 0; r < rows; ++r)
                for (Index c = 0; c < cols; ++c) {
                    double sum = conv.bias.array().at(k);
                    for (Index m = 0; m < w[1]; ++m)
                        for (Index i = 0; i < w[2]; ++i)
                            for (Index j = 0; j < w[3]; ++j) {
                                const Index channel = k / (w[0] / groups) * w[1] + m;
                                const Index row = r * stride + i * dilation - before;
                                const Index col = c * stride + j * dilation - before;
                                if (row < 0 || row >= in[2] || col < 0 || col >= in[3]) continue;
                                sum += x.array().at(((n * in[1] + channel) * in[2] + row) * in[3] + col) *
                                       conv.weight.array().at(((k * w[1] + m) * w[2] + i) * w[3] + j);
                            }
                    y.push_back(sum);
                }
    return y;
}

BOOST_AUTO_TEST_CASE(conv2d_is_the_cross_correlation) {
    const Variable x = wave({2, 4, 7, 6}, 1);
    nn::Conv2d plain(4, 3, {3, 2});
    plain.to(float64);
    check_close(plain(x), {2, 3, 5, 5}, correlate(x, plain, 1, 0, 1, 1, 5, 5), 1e-12);
    nn::Conv2d same(4, 3, 3, nn::same);
    same.to(float64);
    check_close(same(x), {2, 3, 7, 6}, correlate(x, same, 1, 1, 1, 1, 7, 6), 1e-12);
    nn::Conv2d all(4, 6, 2, 2, 1, 3, 2);  // stride 2, padding 1, dilation 3, groups 2
    all.to(float64);
    check_close(all(x), {2, 6, 3, 3}, correlate(x, all, 2, 1, 3, 2, 3, 3), 1e-12);
    BOOST_TEST(nn::Conv2d(4, 3, 3, nn::valid, false).parameters().size() == 1U);
}

BOOST_AUTO_TEST_CASE(conv_transpose2d_is_the_adjoint) {
    // <conv(x), y> = <x, transposed(y)> for every x and y, with the same weights and no bias.
    nn::Conv2d conv(4, 6, {3, 2}, 2, 1, 1, 2, false);
    nn::ConvTranspose2d transposed(6, 4, {3, 2}, 2, 1, {0, 1}, 2, false);
    BOOST_TEST(to_string(transposed.weight.shape()) == to_string(conv.weight.shape()));
    conv.to(float64);
    transposed.to(float64);
    transposed.weight.assign(conv.weight.array());
    const Variable x = wave({2, 4, 7, 7}, 1);
    const Variable y = wave({2, 6, 4, 4}, 2);
    BOOST_TEST(to_string(conv(x).shape()) == to_string(y.shape()));
    const Variable back = transposed(y);
    BOOST_REQUIRE(back.shape() == x.shape());
    BOOST_CHECK_CLOSE(sum(conv(x) * y).item(), sum(x * back).item(), 1e-9);

    nn::ConvTranspose2d one(1, 2, 2);
    one.weight.assign(Array(xt::xarray<float>{{{{1, 2}, {3, 4}}, {{1, 0}, {0, 0}}}}));
    one.bias.assign(Array(xt::xarray<float>{0, 100}));
    check_close(one(xt::xarray<float>{{{{1, 10}}}}), {1, 2, 2, 3},
                {1, 12, 20, 3, 34, 40, 101, 110, 100, 100, 100, 100});
}

BOOST_AUTO_TEST_CASE(convolutions_say_what_does_not_fit) {
    const nn::Conv2d conv(3, 8, 5);
    check_contains(message<ShapeError>([&] {
                       conv(wave({3, 9, 9}, 1));
                   }),
                   "Conv2d(3, 8, 5): the input must have 4 axes (N, C, H, W), not 3: (3, 9, 9)");
    check_contains(message<ShapeError>([&] {
                       conv(wave({2, 1, 9, 9}, 1));
                   }),
                   "Conv2d(3, 8, 5): the input's channels (axis 1) must be 3: (2, 1, 9, 9), 1 != 3");
    check_contains(message<ShapeError>([&] { conv(wave({2, 3, 9, 4}, 1)); }), "columns of 5 > 4 + 0 + 0");
    const nn::ConvTranspose2d up(3, 8, 2, 2);
    check_contains(message<ShapeError>([&] { up(wave({2, 8, 9, 9}, 1)); }), "8 != 3");
    check_contains(message<ValueError>([] { nn::Conv2d(3, 8, 0); }), "kernel must be at least 1: 0");
    check_contains(message<ValueError>([] { nn::Conv2d(3, 8, 3, 0); }), "stride must be at least 1: 0");
    check_contains(message<ValueError>([] { nn::Conv2d(3, 8, 3, 1, -1); }), "padding must be at least 0: -1");
    check_contains(message<ValueError>([] { nn::Conv2d(3, 8, 3, 1, 0, 1, 2); }), "groups must divide");
    check_contains(message<ValueError>([] { nn::ConvTranspose2d(3, 8, 3, 2, 0, 2); }),
                   "output_padding must be smaller");
}

BOOST_AUTO_TEST_CASE(pools) {
    const Variable f22 = xt::xarray<float>{{{{0, 0, 0, 0}, {0, 2, 50, 20}, {0, 20, 18, 20}, {0, 20, 20, 20}}}};
    check_close(nn::MaxPool2d(2)(f22), {1, 1, 2, 2}, {2, 50, 20, 20});
    check_close(nn::AvgPool2d(2)(f22), {1, 1, 2, 2}, {0.5, 17.5, 10, 19.5});
    check_close(nn::MaxPool2d(2, 1)(f22), {1, 1, 3, 3}, {2, 50, 50, 20, 50, 50, 20, 20, 20});
    check_close(nn::AvgPool2d(2, 2, 1)(f22), {1, 1, 3, 3}, {0, 0, 0, 0, 22.5, 10, 0, 10, 5});
    check_contains(message<ShapeError>([&] { nn::MaxPool2d(5)(f22); }), "MaxPool2d(5): the window must fit");
    check_contains(message<ShapeError>([&] {
                       nn::AvgPool2d(2)(wave({4, 4}, 1));
                   }),
                   "AvgPool2d(2): the input must have 4 axes");
    check_contains(message<ValueError>([] { nn::MaxPool2d(2, 0); }), "MaxPool2d: stride must be at least 1: 0");
}

BOOST_AUTO_TEST_CASE(flatten_and_reshape) {
    const Variable x = wave({2, 3, 4, 5}, 1);
    check_close(nn::Flatten()(x), {2, 60}, values(x.array()));
    check_close(nn::Flatten(2)(x), {2, 3, 20}, values(x.array()));
    check_close(nn::Reshape({5, 12})(x), {2, 5, 12}, values(x.array()));
    check_close(nn::Reshape({5, -1, 2})(x), {2, 5, 6, 2}, values(x.array()));
    check_close(nn::Reshape({-1})(x), {2, 60}, values(x.array()));
    check_close(nn::Reshape({3, -1})(Array::filled({0, 6}, float32, 0)), {0, 3, 2}, {});
    check_contains(message<ShapeError>([&] {
                       nn::Reshape({7, 9})(x);
                   }),
                   "Reshape((7, 9)): a sample (3, 4, 5) of 60 elements does not fit into (7, 9) of 63");
    check_contains(message<ShapeError>([&] { nn::Reshape({7, -1})(x); }), "60 elements");
    check_contains(message<ShapeError>([&] { nn::Flatten()(wave({3}, 1)); }), "must have axis 1: (3,) has 1 axes");
    check_contains(message<ValueError>([] { nn::Reshape({-1, -1}); }), "but for one -1");
    check_contains(message<ValueError>([] { nn::Reshape({Index{1} << 40, Index{1} << 40}); }), "more elements");
}

BOOST_AUTO_TEST_CASE(embedding_takes_rows) {
    nn::Embedding layer(4, 2);
    layer.weight.assign(Array(xt::xarray<float>{{0, 1}, {10, 11}, {20, 21}, {30, 31}}));
    const Variable y = layer(IntArray{{3, 0}, {3, 1}});
    check_close(y, {2, 2, 2}, {30, 31, 0, 1, 30, 31, 10, 11});
    sum(y).backward();
    BOOST_TEST(values(layer.weight.grad()) == (std::vector<double>{1, 1, 1, 1, 0, 0, 2, 2}),
               boost::test_tools::per_element());
    check_contains(message<ShapeError>([&] {
                       layer(IntArray{{3, 0}, {4, 1}});
                   }),
                   "Embedding(4, 2): the index at position (1, 0) must be in [0, 4): 4");
    check_contains(message<ShapeError>([&] { layer(IntArray{0, -1}); }), "position 1 must be in [0, 4): -1");
}

BOOST_AUTO_TEST_CASE(gradients) {
    const Variable x = wave({2, 3, 5, 4}, 1), table = wave({3, 6}, 2);
    nn::Linear linear(6, 3);
    nn::Conv2d conv(3, 4, 2, 1, 1);
    nn::ConvTranspose2d up(3, 2, 2, 2);
    check_grads([&](const Variable& v) { return linear(v); }, table);
    check_grads([&](const Variable& v) { return conv(v); }, x);
    check_grads([&](const Variable& v) { return up(v); }, x);
    check_grads([&](const Variable& v) { return nn::AvgPool2d(2)(v); }, x);
    check_grads([&](const Variable& v) { return nn::MaxPool2d(2)(v); }, x);
    check_grads([&](const Variable& v) { return nn::Flatten()(nn::Reshape({4, 5, 3})(v)); }, x);

    linear.to(float64), conv.to(float64), up.to(float64);
    check_parameter_gradients(linear, [&] { return sum(square(linear(table))); });
    check_parameter_gradients(conv, [&] { return sum(square(conv(x))); });
    check_parameter_gradients(up, [&] { return sum(square(up(x))); });
}

BOOST_AUTO_TEST_SUITE_END()
