#include <cmath>
#include <cstring>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/checkpoint.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/random.hpp>
#include <xtape/autograd/storage.hpp>
#include <xtape/nn/convolution.hpp>
#include <xtape/nn/dropout.hpp>
#include <xtape/nn/linear.hpp>
#include <xtape/nn/normalization.hpp>
#include <xtape/nn/pooling.hpp>
#include <xtape/nn/reshaping.hpp>
#include <xtape/nn/sequential.hpp>

/// Checkpoints around layers of networks.
using namespace xtape;

namespace {

Variable input(const Shape& shape) {
    Generator generator(5);
    return Variable(random::normal(shape, 0, 1, generator));
}

bool same_bits(const Array& a, const Array& b) {
    return a.shape() == b.shape() && a.dtype() == b.dtype() &&
           std::memcmp(a.data<void>(), b.data<void>(), static_cast<std::size_t>(a.size()) * size_of(a.dtype())) == 0;
}

/// 50 layers.
nn::Sequential deep_mlp(Index width) {
    random::seed(1);
    nn::Sequential net;
    for (int i = 0; i < 50; ++i) {
        net.push_back(nn::Linear(width, width));
        net.push_back(tanh);
    }
    return net;
}

/// Bytes beyond what was there before, at most, of a walk forth and back; leaves the gradients behind.
template <class Forward>
std::size_t peak_of(nn::Sequential& net, Forward forward) {
    for (int i = 0; i < 2; ++i) {  // the second time the gradients' own arrays are there already
        storage::reset_peak();
        const std::size_t before = storage::stats().live_bytes;
        sum(square(forward())).backward();
        if (i == 1) return storage::stats().peak_bytes - before;
    }
    net.zero_grad();
    return 0;
}

std::vector<Array> gradients(nn::Sequential& net) {
    std::vector<Array> result;
    for (const ParameterRef& parameter : net.parameters()) result.push_back(parameter.grad());
    return result;
}

/// Two copies of a network, one of them with checkpoints, walk forth and back twice and agree in every bit: results,
/// gradients and state.
void check_same_training(const nn::Sequential& net, const Variable& x, Index segments) {
    nn::Sequential plain = net, checked = net;
    for (int step = 0; step < 2; ++step) {
        const Variable a = plain(x), b = nn::checkpoint_sequential(checked, segments, x);
        BOOST_TEST(same_bits(a.array(), b.array()));
        sum(square(a)).backward();
        sum(square(b)).backward();
        const auto expected = gradients(plain), got = gradients(checked);
        for (std::size_t i = 0; i < expected.size(); ++i)
            BOOST_TEST(same_bits(expected[i], got[i]), "gradient " << i << ", " << segments << " segments");
        const auto state = plain.state(), other = checked.state();
        for (std::size_t i = 0; i < state.size(); ++i)
            BOOST_TEST(same_bits(state[i].second, other[i].second), state[i].first);
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(checkpoint_networks)

BOOST_AUTO_TEST_CASE(fifty_layers_in_a_third_of_the_memory) {
    // a batch that is large beside the weights, so that what is kept of the layers is what counts
    nn::Sequential net = deep_mlp(32);
    const Variable x = input({4096, 32});
    const std::size_t plain = peak_of(net, [&] { return net(x); });
    const auto expected = gradients(net);
    net.zero_grad();
    const std::size_t checked = peak_of(net, [&] { return nn::checkpoint_sequential(net, 10, x); });
    BOOST_TEST_MESSAGE("peak bytes " << plain << " and " << checked << " with checkpoints");
    BOOST_TEST(checked * 3 <= plain, "peak " << plain << " and " << checked << " with checkpoints");
    const auto got = gradients(net);
    for (std::size_t i = 0; i < expected.size(); ++i) BOOST_TEST(same_bits(expected[i], got[i]));
}

BOOST_AUTO_TEST_CASE(groups_of_layers_by_hand) {
    nn::Sequential net = deep_mlp(8), other = net;
    const Variable x = input({16, 8});
    sum(square(net(x))).backward();

    std::vector<nn::Linear*> layers;
    for (Index i = 0; i < 50; ++i) layers.push_back(&other.get<nn::Linear>(2 * i));
    Variable h = x;
    for (std::size_t group = 0; group < 50; group += 7)
        h = checkpoint(
            [&layers, group](Variable v) {
                for (std::size_t i = group; i < std::min<std::size_t>(group + 7, 50); ++i)
                    v = tanh((*layers[i])(std::move(v)));
                return v;
            },
            h);
    sum(square(h)).backward();
    const auto expected = gradients(net), got = gradients(other);
    for (std::size_t i = 0; i < expected.size(); ++i) BOOST_TEST(same_bits(expected[i], got[i]));
}

BOOST_AUTO_TEST_CASE(dropout_and_running_statistics) {
    random::seed(2);
    const nn::Sequential net{nn::Linear(6, 12),  nn::BatchNorm1d(12), relu, nn::Dropout(0.5),
                             nn::Linear(12, 12), nn::BatchNorm1d(12), tanh, nn::Dropout(0.2),
                             nn::Linear(12, 3)};
    for (const Index segments : {1, 2, 3, 9}) check_same_training(net, input({20, 6}), segments);
}

BOOST_AUTO_TEST_CASE(merged_layers_stay_together) {
    random::seed(3);
    const nn::Sequential net{nn::Conv2d(1, 4, 3, nn::same),
                             relu,
                             nn::MaxPool2d(2),
                             nn::Conv2d(4, 8, 3),
                             nn::BatchNorm2d(8),
                             relu,
                             nn::MaxPool2d(2),
                             nn::Flatten(),
                             nn::Linear(8 * 3 * 3, 16),
                             relu,
                             nn::Linear(16, 8),
                             sigmoid,
                             nn::Linear(8, 4)};
    for (const Index segments : {2, 3, 5, 13}) check_same_training(net, input({6, 1, 16, 16}), segments);
}

BOOST_AUTO_TEST_CASE(a_module_is_referred_to) {
    random::seed(4);
    nn::Sequential net{nn::Linear(3, 4), relu, nn::Linear(4, 2)}, other = net;
    const Variable x = input({5, 3});
    sum(square(net(x))).backward();
    sum(square(checkpoint(other, x))).backward();
    const auto expected = gradients(net), got = gradients(other);
    for (std::size_t i = 0; i < expected.size(); ++i) BOOST_TEST(same_bits(expected[i], got[i]));
}

BOOST_AUTO_TEST_SUITE_END()
