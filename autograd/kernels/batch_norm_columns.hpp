#pragma once

#include <xtape/autograd/kernels/normalization.hpp>

/// Batch normalisation of x (N, C, ...) with so few numbers a channel and sample that they do not fill a batch: whole samples
/// are taken as rows, whose columns are added up side by side.
namespace xtape::kernels {

Normalized batch_norm_columns(const Array& x, const Array& weight, const Array& bias, double eps);
NormGradients batch_norm_columns_gradients(Array g, const Array& x, const Moments& moments, const Array& weight,
                                           double eps);

}  // namespace xtape::kernels
