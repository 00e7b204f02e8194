#include <utility>

#include <xtape/autograd/kernels/convolution.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/ops/binary.hpp>
#include <xtape/autograd/ops/relu.hpp>
#include <xtape/autograd/ops/window_shape.hpp>
#include <xtape/autograd/tape.hpp>

namespace xtape {

namespace {

using kernels::Convolution;

// The three faces of one bilinear map; each is the others' rule, so that every order of gradient is again one of them.
// x: image, w: kernel, y: output, and what is shaped like them.
Variable output_face(const char* op, const Variable& x, const Variable& w, const Convolution& c, Where where);
Variable input_face(const char* op, const Variable& y, const Variable& w, const Convolution& c, Where where);
Variable kernel_face(const char* op, const Variable& x, const Variable& y, const Convolution& c, Where where);

constexpr const char* output_name = "correlate2d";
constexpr const char* input_name = "correlate2d_input";
constexpr const char* kernel_name = "correlate2d_kernel";

Variable output_face(const char* op, const Variable& x, const Variable& w, const Convolution& c, Where where) {
    auto dx = on(x, holding([w, c, where](const Variable& g) { return input_face(input_name, g, w, c, where); }, w),
                 w.requires_grad());
    auto dw = on(w, holding([x, c, where](const Variable& g) { return kernel_face(kernel_name, x, g, c, where); }, x),
                 x.requires_grad());
    return record(op, where, kernels::correlate(x.array(), w.array(), c), std::move(dx), std::move(dw));
}

Variable input_face(const char* op, const Variable& y, const Variable& w, const Convolution& c, Where where) {
    auto dy = on(y, holding([w, c, where](const Variable& g) { return output_face(output_name, g, w, c, where); }, w));
    auto dw = on(w, holding([y, c, where](const Variable& g) { return kernel_face(kernel_name, g, y, c, where); }, y));
    return record(op, where, kernels::correlate_input(y.array(), w.array(), c), std::move(dy), std::move(dw));
}

Variable kernel_face(const char* op, const Variable& x, const Variable& y, const Convolution& c, Where where) {
    auto dx = on(x, holding([y, c, where](const Variable& g) { return input_face(input_name, y, g, c, where); }, y));
    auto dy = on(y, holding([x, c, where](const Variable& g) { return output_face(output_name, x, g, c, where); }, x));
    return record(op, where, kernels::correlate_kernel(x.array(), y.array(), c), std::move(dx), std::move(dy));
}

/// relu is computed with the rest, but recorded as a node of its own, so that its rule is relu's.
Variable convolution(const char* op, Variable x, Variable w, Variable bias, const Convolution& c, bool with_relu,
                     Where where) {
    auto dx = on(x, holding([w, c, where](const Variable& g) { return input_face(input_name, g, w, c, where); }, w),
                 w.requires_grad());
    auto dw = on(w, holding([x, c, where](const Variable& g) { return kernel_face(kernel_name, x, g, c, where); }, x),
                 x.requires_grad());
    auto dbias = on(bias, [where](const Variable& g) { return sum(g, {0, 2, 3}, false, where); });
    Array out = kernels::correlate(x.array(), w.array(), c, {&bias.array(), with_relu});
    Variable y = record(op, where, std::move(out), std::move(dx), std::move(dw), std::move(dbias));
    return with_relu ? record_relu(std::move(y), where) : y;
}

}  // namespace

Variable correlate2d(Variable x, Variable w, Pair stride, Padding padding, Pair dilation, Index groups, Where where) {
    match_dtypes("correlate2d", x, w, where);
    const auto c = shapes::correlate2d("correlate2d", x.shape(), w.shape(), stride, padding, dilation, groups, where);
    return output_face(output_name, x, w, c, where);
}

Variable conv2d(Variable x, Variable w, Variable bias, Pair stride, Padding padding, Pair dilation, Index groups,
                Where where) {
    match_dtypes("conv2d", x, w, bias, where);
    const auto c =
        shapes::conv2d("conv2d", x.shape(), w.shape(), bias.shape(), stride, padding, dilation, groups, where);
    return convolution("conv2d", std::move(x), std::move(w), std::move(bias), c, false, where);
}

Variable conv2d_relu(Variable x, Variable w, Variable bias, Pair stride, Padding padding, Pair dilation, Index groups,
                     Where where) {
    // Whoever looks at the tape sees what goes into relu.
    if (KeepOutputs::active())
        return relu(conv2d(std::move(x), std::move(w), std::move(bias), stride, padding, dilation, groups, where),
                    where);
    match_dtypes("conv2d_relu", x, w, bias, where);
    const auto c =
        shapes::conv2d("conv2d_relu", x.shape(), w.shape(), bias.shape(), stride, padding, dilation, groups, where);
    return convolution("conv2d", std::move(x), std::move(w), std::move(bias), c, true, where);
}

Variable convolve2d(Variable x, Variable w, Pair stride, Padding padding, Pair dilation, Index groups, Where where) {
    match_dtypes("convolve2d", x, w, where);
    const auto c = shapes::correlate2d("convolve2d", x.shape(), w.shape(), stride, padding, dilation, groups, where);
    return output_face("convolve2d", x, flip(std::move(w), {2, 3}, where), c, where);
}

Variable conv_transpose2d(Variable x, Variable w, Pair stride, Padding padding, Pair output_padding, Pair dilation,
                          Index groups, Where where) {
    match_dtypes("conv_transpose2d", x, w, where);
    const auto c =
        shapes::conv_transpose2d(x.shape(), w.shape(), stride, padding, output_padding, dilation, groups, where);
    return input_face("conv_transpose2d", x, w, c, where);
}

}  // namespace xtape
