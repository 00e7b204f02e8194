#pragma once

#include <xtape/autograd/array.hpp>

/// Softmax and its logarithm along one axis, each value shifted by its row's maximum first so that nothing overflows.
/// They work in the first argument's own buffer when nobody else holds it.
namespace xtape::kernels {

/// e^x / sum(e^x).
Array softmax(Array x, Index axis);
/// What g, the gradient of y = softmax(x), is for x: y (g - sum(g y)).
Array softmax_gradient(Array g, const Array& y, Index axis);

/// x - log(sum(e^x)).
Array log_softmax(Array x, Index axis);
/// The same for y = log_softmax(x): g - e^y sum(g).
Array log_softmax_gradient(Array g, const Array& y, Index axis);

}  // namespace xtape::kernels
