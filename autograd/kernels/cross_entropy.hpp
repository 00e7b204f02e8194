#pragma once

#include <cstdint>

#include <xtape/autograd/array.hpp>

/// Cross-entropy of rows of logits z (N, C) against a label each, which must be in [0, C). The target of a row is 1 - s at its
/// label plus s / C everywhere, s being the label smoothing.
namespace xtape::kernels {

struct CrossEntropy {
    Array losses;        ///< (N,)
    Array maxima;        ///< (N,): of each row
    Array exponentials;  ///< (N,): sum of e^(z - maximum), over each row
};

CrossEntropy cross_entropy(const Array& z, const std::int64_t* labels, double smoothing);

/// g (softmax(z) - target), where g (N,) is the gradient of the losses.
Array cross_entropy_gradient(const Array& g, const Array& z, const CrossEntropy& y, const std::int64_t* labels,
                             double smoothing);

}  // namespace xtape::kernels
