#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <xtensor/xarray.hpp>

#include <xtape/autograd/slice.hpp>
#include <xtape/autograd/tape.hpp>
#include <xtape/autograd/variable.hpp>
#include <xtape/autograd/window.hpp>

/// Every public operation of xtape. Broadcasting is NumPy's; operands of different dtype are a DtypeError, scalars take the
/// other operand's dtype; shapes that do not fit are a ShapeError with the caller's line.
namespace xtape {

/// Labels, indices and results of argmax: integers, never differentiated. The allocator is spelt out because xtensor's
/// default depends on the flags of whoever includes it.
using IntArray = xt::xarray<std::int64_t, xt::layout_type::row_major, std::allocator<std::int64_t>>;

// ---------------------------------------------------------------------------------------------- element-wise, two operands

/// a + b.
Variable operator+(Operand a, Operand b);
/// a - b.
Variable operator-(Operand a, Operand b);
/// a * b.
Variable operator*(Operand a, Operand b);
/// a / b.
Variable operator/(Operand a, Operand b);
/// a to the power b; the gradient in b is 0 where a = 0.
Variable pow(Operand a, Operand b);
/// The larger of both; a tie shares the gradient in halves.
Variable maximum(Operand a, Operand b);
/// The smaller of both; a tie shares the gradient in halves.
Variable minimum(Operand a, Operand b);
/// a where condition is not 0, else b; the condition has no gradient.
Variable where(const Variable& condition, Operand a, Operand b);
/// x with `value` wherever mask is not 0; those places pass no gradient.
Variable masked_fill(Variable x, const Variable& mask, double value, Where where = Where::here());

/// 1 where a < b, else 0: a constant, as all comparisons.
Variable operator<(Operand a, Operand b);
/// 1 where a <= b, else 0.
Variable operator<=(Operand a, Operand b);
/// 1 where a > b, else 0.
Variable operator>(Operand a, Operand b);
/// 1 where a >= b, else 0.
Variable operator>=(Operand a, Operand b);
/// 1 where a = b, else 0. (== itself is left alone, so that Variables can stand in containers.)
Variable equal(Operand a, Operand b);
/// 1 where a != b, else 0.
Variable not_equal(Operand a, Operand b);

// ----------------------------------------------------------------------------------------------- element-wise, one operand

/// -x.
Variable operator-(Operand x);
/// -x by name.
Variable negative(Variable x, Where where = Where::here());
/// |x|, derivative sign(x): 0 at 0.
Variable abs(Variable x, Where where = Where::here());
/// -1, 0 or 1; derivative 0.
Variable sign(Variable x, Where where = Where::here());
/// x^2.
Variable square(Variable x, Where where = Where::here());
/// Square root.
Variable sqrt(Variable x, Where where = Where::here());
/// 1 / x.
Variable reciprocal(Variable x, Where where = Where::here());
/// e^x.
Variable exp(Variable x, Where where = Where::here());
/// e^x - 1, exact near 0.
Variable expm1(Variable x, Where where = Where::here());
/// Natural logarithm; of sigmoid, 1 - sigmoid, softmax and 1 + exp from their argument, exact: see docs/recognised.md.
Variable log(Variable x, Where where = Where::here());
/// log(1 + x), exact near 0.
Variable log1p(Variable x, Where where = Where::here());
/// Sine.
Variable sin(Variable x, Where where = Where::here());
/// Cosine.
Variable cos(Variable x, Where where = Where::here());
/// Hyperbolic tangent (F18).
Variable tanh(Variable x, Where where = Where::here());
/// 1 / (1 + e^-x), never overflows (F2).
Variable sigmoid(Variable x, Where where = Where::here());
/// log(sigmoid(x)) = -softplus(-x), finite for every finite x.
Variable log_sigmoid(Variable x, Where where = Where::here());
/// -(y log(sigmoid(z)) + (1 - y) log(1 - sigmoid(z))) for z and y of the same shape, finite for every finite z (F6).
Variable sigmoid_cross_entropy(Variable z, Variable y, Where where = Where::here());
/// (a - b)^2 / 2 where |a - b| <= delta, else delta (|a - b| - delta / 2), for a and b of the same shape (Huber 1964). Throws
/// ValueError unless delta > 0.
Variable huber_loss(Variable a, Variable b, double delta = 1, Where where = Where::here());
/// log(1 + e^x), finite for every finite x.
Variable softplus(Variable x, Where where = Where::here());
/// max(x, 0), derivative 0 at 0 (F2).
Variable relu(Variable x, Where where = Where::here());
/// x where x > 0, else slope x; derivative slope at 0.
Variable leaky_relu(Variable x, double slope = 0.01, Where where = Where::here());
/// x where x > 0, else alpha (e^x - 1).
Variable elu(Variable x, double alpha = 1, Where where = Where::here());
/// x Phi(x), exact, by erf (Hendrycks and Gimpel, arXiv:1606.08415).
Variable gelu(Variable x, Where where = Where::here());
/// Error function.
Variable erf(Variable x, Where where = Where::here());
/// 0 below 0, 1/2 at 0, 1 above; derivative 0 (F2).
Variable heaviside(Variable x, Where where = Where::here());
/// x limited to [low, high]; derivative 1 inside and on the bounds, 0 outside. Throws ValueError when low > high.
Variable clip(Variable x, double low, double high, Where where = Where::here());
/// The same values in another element type; the gradient is cast back.
Variable astype(Variable x, DType dtype, Where where = Where::here());

// --------------------------------------------------------------------------------------------------------------- reductions

/// Sum; of nothing 0.
Variable sum(Variable x, Axes axes = {}, bool keepdims = false, Where where = Where::here());
/// Mean; of nothing NaN.
Variable mean(Variable x, Axes axes = {}, bool keepdims = false, Where where = Where::here());
/// Product; the gradient is right with zeros in x too.
Variable prod(Variable x, Axes axes = {}, bool keepdims = false, Where where = Where::here());
/// Maximum; the gradient is shared evenly among ties. Throws ShapeError over an empty axis.
Variable max(Variable x, Axes axes = {}, bool keepdims = false, Where where = Where::here());
/// Minimum; the gradient is shared evenly among ties. Throws ShapeError over an empty axis.
Variable min(Variable x, Axes axes = {}, bool keepdims = false, Where where = Where::here());
/// Variance; divides by n - ddof.
Variable var(Variable x, Axes axes = {}, bool keepdims = false, Index ddof = 0, Where where = Where::here());
/// Standard deviation; the gradient is 0 where it is 0. Write xtape::std(x): a bare std is also the standard namespace.
Variable std(Variable x, Axes axes = {}, bool keepdims = false, Index ddof = 0, Where where = Where::here());
/// Euclidean norm; the gradient is 0 where it is 0.
Variable norm(Variable x, Axes axes = {}, bool keepdims = false, Where where = Where::here());
/// log(sum(e^x)), never overflows.
Variable logsumexp(Variable x, Axes axes = {}, bool keepdims = false, Where where = Where::here());
/// e^x / sum(e^x) along an axis, never overflows (F20).
Variable softmax(Variable x, Index axis = -1, Where where = Where::here());
/// log(softmax(x)), finite for every finite x.
Variable log_softmax(Variable x, Index axis = -1, Where where = Where::here());
/// -log(softmax(logits)[label]) for each row of logits (N, C) and its label in [0, C): (N,), finite for finite logits. With
/// label smoothing s the target is 1 - s at the label plus s / C everywhere. Throws ShapeError when shapes do not fit,
/// ValueError on a label out of range or unless 0 <= label_smoothing <= 1.
Variable softmax_cross_entropy(Variable logits, const IntArray& labels, double label_smoothing = 0,
                               Where where = Where::here());
/// Running sum along an axis.
Variable cumsum(Variable x, Index axis, Where where = Where::here());
/// Position of the first maximum along an axis. Throws ShapeError when it is empty.
IntArray argmax(const Variable& x, Index axis, Where where = Where::here());
/// Position of the first minimum along an axis. Throws ShapeError when it is empty.
IntArray argmin(const Variable& x, Index axis, Where where = Where::here());

// ----------------------------------------------------------------------------------------------------------------- movement

/// The same elements in another shape; one size may be -1.
Variable reshape(Variable x, const Shape& shape, Where where = Where::here());
/// Axes from `start_axis` on become one: flatten(x, 1) keeps the samples apart.
Variable flatten(Variable x, Index start_axis = 0, Where where = Where::here());
/// Axes in reverse order.
Variable transpose(Variable x, Where where = Where::here());
/// Axis i of the result is axis permutation[i] of x.
Variable permute(Variable x, const Shape& permutation, Where where = Where::here());
/// Drops axes of size 1; without a list all of them.
Variable squeeze(Variable x, Axes axes = {}, Where where = Where::here());
/// Puts an axis of size 1 at position `axis` of the result.
Variable expand_dims(Variable x, Index axis, Where where = Where::here());
/// Repeats x to a larger shape by NumPy's rule; adjoint of sum_to.
Variable broadcast_to(Variable x, const Shape& shape, Where where = Where::here());
/// Sums x down to a shape that broadcasts to it; adjoint of broadcast_to.
Variable sum_to(Variable x, const Shape& shape, Where where = Where::here());
/// x[...]: `slice(x, {range(1, 5, 2), all(), -1, newaxis()})`; a range is cut to the array as NumPy does, a position must exist.
Variable slice(Variable x, const Slices& slices, Where where = Where::here());
/// `value` around x: widths[i] = (before, after) for axis i. Throws ShapeError on negative widths.
Variable pad(Variable x, const std::vector<std::pair<Index, Index>>& widths, double value = 0,
             Where where = Where::here());
/// Arrays end to end along an axis they already have. Throws ShapeError on an empty list.
Variable concatenate(const std::vector<Variable>& xs, Index axis = 0, Where where = Where::here());
/// Arrays side by side along a new axis. Throws ShapeError on an empty list.
Variable stack(const std::vector<Variable>& xs, Index axis = 0, Where where = Where::here());
/// `parts` equal pieces along an axis. Throws ShapeError when it does not divide.
std::vector<Variable> split(const Variable& x, Index parts, Index axis = 0, Where where = Where::here());
/// Pieces of the given sizes along an axis. Throws ShapeError when they do not add up.
std::vector<Variable> split(const Variable& x, const Shape& sizes, Index axis = 0, Where where = Where::here());
/// Reverses axes; without a list all of them.
Variable flip(Variable x, Axes axes = {}, Where where = Where::here());
/// Each element `times` times in a row along an axis (numpy.repeat).
Variable repeat(Variable x, Index times, Index axis, Where where = Where::here());

// ----------------------------------------------------------------------------------------------------------- linear algebra

/// numpy.matmul, X @ W: 1-D, 2-D and batched operands, batch axes broadcast.
Variable matmul(Variable X, Variable W, Where where = Where::here());
/// X W + bias in one pass, from (..., in) with W (in, out) and bias (out,) to (..., out).
Variable linear(Variable X, Variable W, Variable bias, Where where = Where::here());
/// relu(X W + bias) in one pass.
Variable linear_relu(Variable X, Variable W, Variable bias, Where where = Where::here());
/// Inner product of two 1-D arrays of equal size.
Variable dot(Variable a, Variable b, Where where = Where::here());
/// (n,) and (m,) to (n, m).
Variable outer(Variable a, Variable b, Where where = Where::here());

// ----------------------------------------------------------------------------------------------------------------- indexing

/// x at `indices` along an axis (numpy.take): that axis is replaced by the shape of `indices`. Negative indices count from
/// the end. Throws ShapeError on an index out of range, as all below.
Variable take(Variable x, const IntArray& indices, Index axis = 0, Where where = Where::here());
/// numpy.take_along_axis: one index for each position, the other axes broadcast.
Variable take_along_axis(Variable x, const IntArray& indices, Index axis, Where where = Where::here());
/// out[i][j] = x[index[i][j]][j] for axis 0, and so on; index may be smaller than x on the other axes.
Variable gather(Variable x, Index axis, const IntArray& index, Where where = Where::here());
/// x with source added at the places `index` names; adjoint of gather. Repeated places add up.
Variable scatter_add(Variable x, Index axis, const IntArray& index, Variable source, Where where = Where::here());
/// A constant with a new last axis of size `classes`: 1 at the label, else 0.
Variable one_hot(const IntArray& labels, Index classes, DType dtype = float32, Where where = Where::here());

// ------------------------------------------------------------------------------------------------------------ normalisation

/// Mean and biased variance of each channel: (C,).
struct BatchStatistics {
    Variable mean, variance;
};

/// A batch normalised by its own statistics, which are float64 constants.
struct BatchNormalized {
    Variable y;
    BatchStatistics statistics;
};

/// Each channel, axis 1 of x (N, C, ...), brought to mean 0 and variance 1, then times weight plus bias, (C,) each: either may
/// have no value. eps is added to the variance (Ioffe and Szegedy, arXiv:1502.03167). Throws ShapeError.
BatchNormalized batch_norm(Variable x, Variable weight, Variable bias, double eps = 1e-5, Where where = Where::here());
/// relu(batch_norm(...)) in one pass.
BatchNormalized batch_norm_relu(Variable x, Variable weight, Variable bias, double eps = 1e-5,
                                Where where = Where::here());
/// max_pool2d(relu(batch_norm(...)), 2) of x (N, C, H, W) in one pass: what is normalised is nowhere stored as a whole.
BatchNormalized batch_norm_relu_max_pool2d(Variable x, Variable weight, Variable bias, double eps = 1e-5,
                                           Where where = Where::here());
/// batch_norm by given statistics, of any dtype.
Variable batch_norm(Variable x, const BatchStatistics& given, Variable weight, Variable bias, double eps = 1e-5,
                    Where where = Where::here());
/// The last axes of x, of sizes `shape`, brought to mean 0 and variance 1, then times weight plus bias of that shape: either
/// may have no value. eps is added to the variance (Ba, Kiros and Hinton, arXiv:1607.06450). Throws ShapeError.
Variable layer_norm(Variable x, const Shape& shape, Variable weight = {}, Variable bias = {}, double eps = 1e-5,
                    Where where = Where::here());

// ------------------------------------------------------------------------------------------------------------------ windows

/// Cross-correlation of x (N, C, H, W) with w (K, C / groups, h, w) to (N, K, H', W'): what deep learning calls convolution.
Variable correlate2d(Variable x, Variable w, Pair stride = 1, Padding padding = valid, Pair dilation = 1,
                     Index groups = 1, Where where = Where::here());
/// correlate2d plus bias (K,), in one pass.
Variable conv2d(Variable x, Variable w, Variable bias, Pair stride = 1, Padding padding = valid, Pair dilation = 1,
                Index groups = 1, Where where = Where::here());
/// relu(conv2d(...)) in one pass.
Variable conv2d_relu(Variable x, Variable w, Variable bias, Pair stride = 1, Padding padding = valid, Pair dilation = 1,
                     Index groups = 1, Where where = Where::here());
/// max_pool2d(conv2d_relu(...), 2) in one pass: what the convolution gives is nowhere stored as a whole.
Variable conv2d_relu_max_pool2d(Variable x, Variable w, Variable bias, Pair stride = 1, Padding padding = valid,
                                Pair dilation = 1, Index groups = 1, Where where = Where::here());
/// True convolution: correlate2d with the kernel turned by 180 degrees.
Variable convolve2d(Variable x, Variable w, Pair stride = 1, Padding padding = valid, Pair dilation = 1,
                    Index groups = 1, Where where = Where::here());
/// The adjoint of correlate2d in its input: x (N, K, H, W) with w (K, C / groups, h, w) to (N, C, H', W').
Variable conv_transpose2d(Variable x, Variable w, Pair stride = 1, Padding padding = valid, Pair output_padding = 0,
                          Pair dilation = 1, Index groups = 1, Where where = Where::here());
/// Maximum of each window; the gradient goes to the first maximum in row-major order (F16). Stride defaults to the kernel.
Variable max_pool2d(Variable x, Pair kernel, std::optional<Pair> stride = {}, Padding padding = valid,
                    Where where = Where::here());
/// Mean of each window, padding counted as zeros. Stride defaults to the kernel.
Variable avg_pool2d(Variable x, Pair kernel, std::optional<Pair> stride = {}, Padding padding = valid,
                    Where where = Where::here());
/// Windows as columns (im2col): (N, C, H, W) to (N, C h w, L); adjoint of fold.
Variable unfold(Variable x, Pair kernel, Pair stride = 1, Padding padding = valid, Pair dilation = 1,
                Where where = Where::here());
/// Columns added back into images of `size`: (N, C h w, L) to (N, C, H, W); adjoint of unfold.
Variable fold(Variable columns, Pair size, Pair kernel, Pair stride = 1, Padding padding = valid, Pair dilation = 1,
              Where where = Where::here());

}  // namespace xtape
