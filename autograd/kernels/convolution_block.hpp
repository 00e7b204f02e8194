#pragma once

#include <xtape/autograd/kernels/convolution.hpp>
#include <xtape/autograd/kernels/pool.hpp>

/// Convolution, bias, ReLU and the maxima of 2 x 2 windows with stride 2 in one: what the convolution gives exists for a few
/// samples at a time only, in cache, and so does its gradient.
namespace xtape::kernels {

struct ConvolutionBlock {
    Convolution convolution;
    Windows pool;  ///< 2 x 2, stride 2, over the convolution's outputs

    Shape output_shape(Index samples) const {
        return {samples, convolution.filters, pool.outputs.rows, pool.outputs.cols};
    }
};

/// max_pool(relu(x * w + bias)): (N, C, H, W), (K, C / groups, h, w) and (K) to (N, K, H', W'). Fills `codes` unless it is
/// null.
Array convolution_block(const Array& x, const Array& w, const Array& bias, const ConvolutionBlock& block,
                        const BlockCodes* codes);

/// What stands at the coded places of x * w, 0 where there is none: (N, K, H', W').
Array block_output(const Array& x, const Array& w, const ConvolutionBlock& block, const BlockCodes& codes);

/// Adjoint of block_output in x: g (N, K, H', W') and w to (N, C, H, W).
Array block_input(const Array& g, const Array& w, const ConvolutionBlock& block, const BlockCodes& codes);

/// Adjoint of block_output in w: x and g to (K, C / groups, h, w). Samples are summed in an order that depends on the
/// shapes alone.
Array block_kernel(const Array& x, const Array& g, const ConvolutionBlock& block, const BlockCodes& codes);

/// The sum of g (N, K, H', W') for each filter, where gradient passes: (K).
Array block_bias(const Array& g, const BlockCodes& codes);

/// Adjoint of block_bias: the number of each filter where gradient passes, else 0.
Array block_bias_spread(const Array& bias, const Shape& shape, const BlockCodes& codes);

}  // namespace xtape::kernels
