#pragma once

#include <fmt/core.h>

#include "options.hpp"

/// The models of perceptron_catdog: a neuron on pixels, and a small convolutional network.
namespace catdog {

using namespace xtape;

struct Result {
    optim::History history;
    Variable probability;  // of cat and dog, of each test image
    Parameter W;           // a neuron's
    optim::RangeTest range;
};

/// Gradient descent on the log loss of a = sigmoid(X W + b), all images in a step.
inline Result neuron(const datasets::ImageSet& train, const datasets::ImageSet& test,
                     const datasets::Normalization& normalized, double start, const optim::SGDOptions& rule,
                     Index iterations) {
    const Variable X = flatten(normalized(train.images), 1), X_test = flatten(normalized(test.images), 1);
    const auto dog = [](const IntArray& labels) { return slice(one_hot(labels, 2), {all(), range(1, 2)}); };  // (N, 1)
    const Variable y = dog(train.labels), y_test = dog(test.labels);
    Parameter W = random::normal({X.shape(1), 1}, 0, start, random::generator());
    Parameter b = random::normal({1}, 0, start, random::generator());
    const Variable W_begin(W.array()), z_begin = matmul(X, W_begin);
    const auto model = [&](const Variable& x) { return sigmoid(matmul(x, W) + b); };
    optim::SGD descent({W, b}, rule);

    const auto cost_now = [&] { return nn::log_loss(model(X), y); };

    Result result;
    const auto step = [&](const Variable&) {
        Variable cost = cost_now();
        descent.step(grad(cost, W, b));
        return cost.item();
    };
    result.range = optim::range_test(descent, std::vector{X}, step, {/*lowest*/ 1e-5, /*highest*/ 100});
    result.history.period = "iteration";
    result.history.held_out = "test";
    for (Index i = 0; i < iterations; ++i) {
        Variable a = model(X), cost = nn::log_loss(a, y);
        descent.step(grad(cost, W, b));
        Variable a_test = model(X_test);
        result.history.add({cost.item(), nn::accuracy(a, y)},
                           {nn::log_loss(a_test, y_test).item(), nn::accuracy(a_test, y_test)}, rule.learning_rate);
    }
    std::cout << result.history.text();
    optim::BounceOptions bouncing;
    bouncing.noise = 1e-3;  // every cost is that of all images
    const std::string advice = optim::suggest_step(result.history.losses(), descent, cost_now, bouncing).text;
    if (!advice.empty()) fmt::print("{}\n", advice);
    const double cosine = (sum(W * W_begin) / sqrt(sum(W * W) * sum(W_begin * W_begin))).item();
    fmt::print("deviation of X W at the start: {:.3g}; cosine between W then and now: {:.3g}{}\n",
               xtape::std(z_begin).item(), cosine, cosine > 0.9 ? ": W is still the noise it began as" : "");
    const Variable a_test = model(X_test).detach();
    result.probability = concatenate({1 - a_test, a_test}, 1);
    result.W = W;
    return result;
}

/// Convolutions with batch normalisation; images mirrored, turned, enlarged and cropped at random.
inline Result cnn(const datasets::ImageSet& train, const datasets::ImageSet& test, Index epochs, std::uint64_t seed) {
    nn::Sequential net;
    Index channels = 1;
    for (Index filters : {16, 32, 64, 128}) {
        net.push_back(nn::Conv2d(channels, filters, 3, nn::same, /*with_bias*/ false));
        net.push_back(nn::BatchNorm2d(filters));
        net.push_back(relu);
        net.push_back(nn::MaxPool2d(2));
        channels = filters;
    }
    net.push_back(nn::Flatten());
    net.push_back(nn::Dropout(0.3));
    net.push_back(nn::Linear(channels * 3 * 3, 2));

    const auto standard = datasets::mean_std(train.images, Axes());
    const Pair crop = 56;
    datasets::Affine affine;
    affine.degrees = 10, affine.smallest = 0.9, affine.largest = 1.2;
    datasets::Loader batches(standard(train.images), train.labels, 50);
    batches.shuffle(seed).prefetch().transform(
        datasets::chain({datasets::random_flip(), datasets::random_affine(affine), datasets::random_crop(crop)}), seed);
    const double rate = 0.01;
    optim::AdamW adam(net.parameters(), {rate, /*weight_decay*/ 0.01});
    optim::OneCycleLR schedule(rate, epochs * batches.size());
    Index step = 0;

    Result result;
    optim::FitOptions fit;
    fit.epochs = epochs;
    fit.held_out = "test";
    fit.optimizer = &adam;
    fit.validate = [&] {
        net.eval();
        const Variable logits = net(datasets::center_crop(standard(test.images), crop));
        result.probability = softmax(logits);
        return optim::Score{nn::cross_entropy(logits, test.labels).item(), nn::accuracy(logits, test.labels)};
    };
    result.history = optim::fit(fit, batches, [&](const datasets::Batch& photos) {
        net.train();
        Variable logits = net(photos.x);
        Variable loss = nn::cross_entropy(logits, photos.labels, nn::Reduction::mean, /*label_smoothing*/ 0.1);
        adam.learning_rate(schedule(step++));
        adam.zero_grad();
        loss.backward();
        adam.step();
        return optim::Score{loss.item(), nn::accuracy(logits, photos.labels), photos.size()};
    });
    result.history.best = 0;  // the test chooses nothing: what counts is the last epoch
    return result;
}

}  // namespace catdog
