#pragma once

#include <xtape/autograd/array.hpp>
#include <xtape/autograd/kernels/pool.hpp>

/// Batch and layer normalisation: groups of numbers are brought to mean 0 and variance 1, then scaled by a weight and shifted
/// by a bias, either of which may be an empty Array.
namespace xtape::kernels {

/// Mean and (biased) variance of each group, in float64 whatever the numbers are. They are found by chunks, each around a
/// mean of its own, so that a mean far from 0 costs no digits.
struct Moments {
    Array mean;
    Array variance;
};

struct Normalized {
    /// Room for a result and the moments of so many groups.
    Normalized(const Shape& shape, DType dtype, Index groups)
        : y(Array::uninitialized(shape, dtype)),
          moments{Array::uninitialized({groups}, float64), Array::uninitialized({groups}, float64)} {}

    Array y;
    Moments moments;
};

/// What the gradient of y is for x, weight and bias; those of an empty weight or bias are of no use.
struct NormGradients {
    Array x;
    Array weight;
    Array bias;
};

/// x (N, C, ...): a group is a channel, weight and bias are (C,). With `relu` what is <= 0 becomes 0.
Normalized batch_norm(const Array& x, const Array& weight, const Array& bias, double eps, bool relu = false);
/// Works in g's buffer when nobody else holds it.
NormGradients batch_norm_gradients(Array g, const Array& x, const Moments& moments, const Array& weight,
                                   const Array& bias, double eps, bool relu = false);

/// Whether batch_norm of such an x can do what follows in its own pass: `relu` above, and what is below.
bool takes_tails(const Shape& x);

/// The maxima of 2 x 2 windows of batch_norm with `relu`: (N, C, H, W) to (N, C, H', W'). Fills `codes` unless it is null.
Normalized batch_norm_relu_max_pool(const Array& x, const Array& weight, const Array& bias, double eps,
                                    const Windows& windows, const BlockCodes* codes);
NormGradients batch_norm_relu_max_pool_gradients(const Array& g, const Array& x, const Moments& moments,
                                                 const Array& weight, const Array& bias, double eps,
                                                 const Windows& windows, const BlockCodes& codes);

/// x: a group is what the first `leading` axes name one of; weight and bias have the shape of the other axes.
Normalized layer_norm(const Array& x, Index leading, const Array& weight, const Array& bias, double eps);
/// Works in g's buffer when nobody else holds it.
NormGradients layer_norm_gradients(Array g, const Array& x, Index leading, const Moments& moments, const Array& weight,
                                   double eps);

}  // namespace xtape::kernels
