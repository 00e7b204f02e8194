#pragma once

#include <cstdint>

#include <xtape/autograd/kernels/convolution_finish.hpp>

/// Convolutions of few input channels, straight from the definition: outputs in vector lanes, some filters and some vectors of
/// outputs at a time in registers. float32 only; in parallel, cut at places that follow from the shapes alone. Nothing is empty
/// here: the callers see to it.
namespace xtape::kernels::direct {

/// Whether the convolution is one that these kernels take: up to 4 channels in one group, stride 1, no dilation, kernels 3, 5 or 7
/// wide and at most 7 high, outputs at least half a vector wide.
bool takes(const Convolution& convolution);

/// y = x * w, finished.
void correlate(const float* x, const float* w, float* y, Index samples, const Convolution& convolution,
               const Finish<float>& finish);

/// Maxima of relu(x * w + bias) over windows of 2 x 2 with stride 2, (N, K, H' / 2, W' / 2) rounded down, without the full-size
/// result ever being stored. `bias` may be null. Unless null, `codes` gets the place of each first maximum in its window, row-major, or
/// 4 where relu lets nothing through.
void correlate_pooled(const float* x, const float* w, const float* bias, float* y, std::uint8_t* codes, Index samples,
                      const Convolution& convolution);

/// dw from x and g (N, K, H', W').
void correlate_kernel(const float* x, const float* g, float* dw, Index samples, const Convolution& convolution);

/// dw from x and the gradient g of correlate_pooled's result: a quarter of the work, for all other outputs have gradient 0.
void correlate_kernel_pooled(const float* x, const float* g, const std::uint8_t* codes, float* dw, Index samples,
                             const Convolution& convolution);

}  // namespace xtape::kernels::direct
