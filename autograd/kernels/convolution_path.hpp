#pragma once

#include <xtape/autograd/kernels/convolution_winograd.hpp>

namespace xtape::kernels {

/// The three faces of a convolution: its outputs, its gradient in the images, its gradient in the kernel.
enum class Face { output, input, kernel };

/// The ways to compute a face.
enum class Path {
    nothing,   ///< an operand is empty: zeros
    columns,   ///< im2col and matrix products; takes everything
    turned,    ///< input gradient only: a correlation with the turned kernel
    winograd,  ///< minimal filtering
    direct,    ///< few channels, from the definition; not for the gradient in the images
};

struct PathChoice {
    Path path;
    winograd::Tiling tiling = winograd::Tiling::four;
};

/// The one place where a path is chosen; it may look at shapes, element type and StrictConvolution only.
PathChoice choose_path(Face face, Index samples, DType dtype, const Convolution& convolution);

}  // namespace xtape::kernels
