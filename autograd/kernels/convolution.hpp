#pragma once

#include <xtape/autograd/array.hpp>
#include <xtape/autograd/kernels/epilogue.hpp>
#include <xtape/autograd/kernels/windows.hpp>

/// Grouped cross-correlation of images (N, C, H, W) with a kernel (K, C / groups, h, w), and its two adjoints.
namespace xtape::kernels {

/// Everything but the number of samples and the element type. Sizes are consistent: groups divide channels and filters.
struct Convolution {
    Index channels;
    Index filters;
    Index groups;
    Windows windows;

    Index group_channels() const { return channels / groups; }
    Index group_filters() const { return filters / groups; }
    /// Kernel elements of one filter: the depth of the matrix product.
    Index depth() const { return group_channels() * windows.taps(); }
    Shape kernel_shape() const { return {filters, group_channels(), windows.kernel.rows, windows.kernel.cols}; }
    Shape image_shape(Index samples) const { return {samples, channels, windows.image.rows, windows.image.cols}; }
    Shape output_shape(Index samples) const { return {samples, filters, windows.outputs.rows, windows.outputs.cols}; }
};

/// y = x * w: (N, C, H, W) and (K, C / groups, h, w) to (N, K, H', W').
Array correlate(const Array& x, const Array& w, const Convolution& convolution, const Epilogue& epilogue = {});

/// Adjoint in x: g (N, K, H', W') and w to (N, C, H, W).
Array correlate_input(const Array& g, const Array& w, const Convolution& convolution);

/// Adjoint in w: x and g to (K, C / groups, h, w). Samples are summed in an order that depends on the shapes alone.
Array correlate_kernel(const Array& x, const Array& g, const Convolution& convolution);

}  // namespace xtape::kernels
