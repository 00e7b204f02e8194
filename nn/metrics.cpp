#include <xtape/nn/metrics.hpp>

#include <fmt/format.h>

namespace xtape::nn {

double accuracy(const Variable& probability, const Variable& target, double threshold, Where where) {
    if (!probability || !target) throw ValueError("accuracy: an argument has no value", where);
    if (probability.shape() != target.shape())
        throw ShapeError(fmt::format("accuracy: prediction and target must have the same shape: {} != {}",
                                     to_string(probability.shape()), to_string(target.shape())),
                         where);
    const Array &a = probability.array(), &y = target.array();
    Index right = 0;
    for (Index i = 0; i < a.size(); ++i) right += (a.at(i) >= threshold ? 1.0 : 0.0) == y.at(i);
    return static_cast<double>(right) / static_cast<double>(a.size());
}

double accuracy(const Variable& scores, const IntArray& labels, Where where) {
    if (!scores) throw ValueError("accuracy: the prediction has no value", where);
    const Shape shape(labels.shape().begin(), labels.shape().end());
    if (scores.rank() != 2 || shape != Shape{scores.shape()[0]})
        throw ShapeError(fmt::format("accuracy: scores must be (N, C) with labels (N,): {} and {}",
                                     to_string(scores.shape()), to_string(shape)),
                         where);
    const IntArray best = argmax(scores, 1, where);
    Index right = 0;
    for (std::size_t i = 0; i < labels.size(); ++i) right += best.data()[i] == labels.data()[i];
    return static_cast<double>(right) / static_cast<double>(labels.size());
}

}  // namespace xtape::nn
