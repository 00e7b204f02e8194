#pragma once

#include <xtape/autograd/array.hpp>

/// What a small dense layer with a sigmoid does beside its products, each in one pass: setting up several would take longer
/// than they do. The results' bits are those of the operations one by one.
namespace xtape::kernels {

/// Whether a layer's result is so small that the passes below are for it.
bool is_small_layer(Index rows, Index columns);

/// y = sigmoid(y + bias), the bias added to every row.
void add_and_sigmoid(Array& y, const Array& bias);

/// From g, the gradient of s = sigmoid(z), makes that of z, in g's buffer when nobody else holds it; returns its sum over the
/// rows.
Array sigmoid_layer_gradient(Array& g, const Array& s);

}  // namespace xtape::kernels
