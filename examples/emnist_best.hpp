#pragma once

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include <xtape/xtape.hpp>

/// What cnn_emnist --best trains: the best reading of EMNIST to be had of half a million weights in half an hour of two cores.
namespace best {

using namespace xtape;

/// Two convolutions for each size of image, 28, 14 and 7, then means over what is left of it.
inline nn::Sequential member(Index classes) {
    const auto convolution = [](Index in, Index out) { return nn::Conv2d(in, out, 3, nn::same); };
    const auto means = [](Variable x) { return mean(std::move(x), {2, 3}); };
    // clang-format off
    return {convolution(1, 24), relu,
            convolution(24, 32), relu, nn::MaxPool2d(2), nn::BatchNorm2d(32),
            convolution(32, 48), relu, nn::BatchNorm2d(48),
            convolution(48, 64), relu, nn::MaxPool2d(2), nn::BatchNorm2d(64),
            convolution(64, 96), relu, nn::BatchNorm2d(96),
            convolution(96, 128), relu, nn::BatchNorm2d(128), means,
            nn::Dropout(0.3), nn::Linear(128, classes)};
    // clang-format on
}

/// Networks that learn the same independently and decide together.
struct Committee : nn::Module {
    std::vector<nn::Sequential> members;

    Committee(Index size, Index classes) {
        for (Index i = 0; i < size; ++i) members.push_back(member(classes));
    }
    void visit(nn::Visitor& v) override { v("members", members); }

    std::vector<Variable> each(const Variable& x) {
        std::vector<Variable> logits;
        for (nn::Sequential& net : members) logits.push_back(net(x));
        return logits;
    }
    /// The logarithms of the means of their probabilities.
    static Variable together(const std::vector<Variable>& logits) {
        return logsumexp(log_softmax(stack(logits), -1), 0) - std::log(static_cast<double>(logits.size()));
    }
    Variable operator()(const Variable& x) { return together(each(x)); }
};

/// Weights decay, biases and scales do not.
inline optim::AdamW adamw(nn::Module& net, double rate, double decay) {
    nn::ParameterList weights, others;
    for (const auto& [name, parameter] : net.named_parameters())
        (parameter.shape().rank() > 1 ? weights : others).push_back(parameter);
    optim::AdamW optimizer(weights, {rate, decay});
    optimizer.add_group(others, /*rate_factor*/ 1, /*weight_decay*/ 0);
    return optimizer;
}

/// Trains on slanted, turned, enlarged, moved and bent images; leaves the average of the weights in the net.
inline optim::History train(Committee& net, const datasets::ImageSet& set, optim::FitOptions fit, Index batch,
                            std::uint64_t seed) {
    constexpr double rate = 4e-3, decay = 0.05, smoothing = 0.1;
    const datasets::Elastic bounds{{/*degrees*/ 12, /*shift*/ 0.08, /*smallest*/ 0.85, /*largest*/ 1.15, /*shear*/ 12},
                                   0.8};
    auto batches = datasets::Loader(set.images, set.labels, batch).shuffle(seed).drop_last();
    batches.transform(datasets::random_elastic(bounds), seed).prefetch();
    optim::AdamW optimizer = adamw(net, rate, decay);
    optim::OneCycleLR schedule(rate, fit.epochs * batches.size(), /*rise*/ 0.2, /*divisor*/ 10);
    optim::WeightAverage average(net.parameters(), 0.998);
    Index step = 0;

    fit.optimizer = &optimizer;
    optim::History history = optim::fit(fit, batches, [&](const datasets::Batch& images) {
        net.train();
        const std::vector<Variable> logits = net.each(images.x);
        Variable loss = nn::cross_entropy(logits[0], images.labels, nn::Reduction::mean, smoothing);
        for (std::size_t i = 1; i < logits.size(); ++i)
            loss = loss + nn::cross_entropy(logits[i], images.labels, nn::Reduction::mean, smoothing);
        optimizer.learning_rate(schedule(step++));
        optimizer.zero_grad();
        loss.backward();
        optimizer.step();
        average.update();
        const NoGrad constant;
        return optim::Score{loss.item() / static_cast<double>(logits.size()),
                            nn::accuracy(Committee::together(logits), images.labels), images.size()};
    });

    average.apply();
    const NoGrad constant;
    net.train();  // the averages need statistics of their own
    for (auto& images : batches.epoch(fit.epochs)) net(images.x);
    if (fit.validate) fmt::print("with averaged weights: val accuracy {:.4f}\n", fit.validate().metric);
    return history;
}

}  // namespace best
