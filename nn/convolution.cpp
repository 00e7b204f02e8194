#include <xtape/nn/convolution.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <xtape/autograd/ops.hpp>
#include <xtape/nn/check.hpp>
#include <xtape/nn/init.hpp>

namespace xtape::nn {

namespace {

void check_settings(const char* layer, Index in, Index out, Pair kernel, Pair stride, const Padding& padding,
                    Pair dilation, Index groups, Where where) {
    check::setting(layer, "in", in, 1, where);
    check::setting(layer, "out", out, 1, where);
    check::setting(layer, "kernel", kernel, 1, where);
    check::setting(layer, "stride", stride, 1, where);
    check::setting(layer, "dilation", dilation, 1, where);
    check::setting(layer, "groups", groups, 1, where);
    check::padding(layer, padding, where);
    if (in % groups != 0 || out % groups != 0)
        throw ValueError(
            fmt::format("{}: groups must divide in and out: {} channels in, {} out, {} groups", layer, in, out, groups),
            where);
}

/// Numbers of the input that make one of the output.
double fan(Index channels, Pair kernel) {
    return static_cast<double>(channels) * static_cast<double>(kernel.rows) * static_cast<double>(kernel.cols);
}

}  // namespace

Conv2d::Conv2d(Index in, Index out, Pair kernel, Pair stride, Padding padding, Pair dilation, Index groups,
               bool with_bias, Generator& generator, Where where)
    : stride_(stride), padding_(padding), dilation_(dilation), groups_(groups) {
    check_settings("Conv2d", in, out, kernel, stride, padding, dilation, groups, where);
    const double fan_in = fan(in / groups, kernel);
    weight = init::layer_default({out, in / groups, kernel.rows, kernel.cols}, fan_in, generator);
    if (with_bias) bias = init::layer_default({out}, fan_in, generator);
}

Conv2d::Conv2d(Index in, Index out, Pair kernel, Same, bool with_bias, Generator& generator, Where where)
    : Conv2d(in, out, kernel, 1, same, 1, 1, with_bias, generator, where) {}

Conv2d::Conv2d(Index in, Index out, Pair kernel, Valid, bool with_bias, Generator& generator, Where where)
    : Conv2d(in, out, kernel, 1, valid, 1, 1, with_bias, generator, where) {}

void Conv2d::check_input(const Variable& x, Where where) const {
    check::rank(*this, x, 4, "(N, C, H, W)", where);
    check::size(*this, x, 1, weight.array().shape(1) * groups_, "channels (axis 1)", where);
    check::window(*this, x, kernel(), dilation_, padding_, where);
}

Variable Conv2d::operator()(Variable x, Where where) const {
    const auto scope = calling();
    check_input(x, where);
    return called(bias ? conv2d(std::move(x), weight, bias, stride_, padding_, dilation_, groups_, where)
                       : correlate2d(std::move(x), weight, stride_, padding_, dilation_, groups_, where));
}

Variable Conv2d::with_relu(Variable x, Where where) const {
    const auto scope = calling();
    if (!bias) return relu((*this)(std::move(x), where), where);
    check_input(x, where);
    return called(conv2d_relu(std::move(x), weight, bias, stride_, padding_, dilation_, groups_, where));
}

Variable Conv2d::with_relu_max_pool(Variable x, Where where) const {
    const auto scope = calling();
    if (!bias) return max_pool2d(with_relu(std::move(x), where), 2, {}, valid, where);
    check_input(x, where);
    return called(conv2d_relu_max_pool2d(std::move(x), weight, bias, stride_, padding_, dilation_, groups_, where));
}

void Conv2d::visit(Visitor& v) {
    v("weight", weight);
    v("bias", bias);
}

std::string Conv2d::describe() const {
    const Shape& shape = weight.array().shape();
    return fmt::format("Conv2d({}, {}, {}{}{}{}{}{})", shape[1] * groups_, shape[0], text::of(kernel()),
                       text::option("stride", stride_, 1), text::option("padding", padding_),
                       text::option("dilation", dilation_, 1), text::option("groups", groups_, 1),
                       text::option("bias", static_cast<bool>(bias), true));
}

ConvTranspose2d::ConvTranspose2d(Index in, Index out, Pair kernel, Pair stride, Padding padding, Pair output_padding,
                                 Index groups, bool with_bias, Pair dilation, Generator& generator, Where where)
    : stride_(stride), padding_(padding), output_padding_(output_padding), dilation_(dilation), groups_(groups) {
    check_settings("ConvTranspose2d", in, out, kernel, stride, padding, dilation, groups, where);
    check::setting("ConvTranspose2d", "output_padding", output_padding, 0, where);
    if (output_padding.rows >= std::max(stride.rows, dilation.rows) ||
        output_padding.cols >= std::max(stride.cols, dilation.cols))
        throw ValueError(
            fmt::format("ConvTranspose2d: output_padding must be smaller than stride or dilation: {}, stride {}, "
                        "dilation {}",
                        text::of(output_padding), text::of(stride), text::of(dilation)),
            where);
    const double fan_in = fan(out / groups, kernel);
    weight = init::layer_default({in, out / groups, kernel.rows, kernel.cols}, fan_in, generator);
    if (with_bias) bias = init::layer_default({out}, fan_in, generator);
}

Variable ConvTranspose2d::operator()(Variable x, Where where) const {
    const auto scope = calling();
    check::rank(*this, x, 4, "(N, C, H, W)", where);
    check::size(*this, x, 1, weight.array().shape(0), "channels (axis 1)", where);
    Variable y = conv_transpose2d(std::move(x), weight, stride_, padding_, output_padding_, dilation_, groups_, where);
    if (bias) y = Operand(std::move(y), where) + Operand(reshape(bias, {bias.size(), 1, 1}, where), where);
    return called(std::move(y));
}

void ConvTranspose2d::visit(Visitor& v) {
    v("weight", weight);
    v("bias", bias);
}

std::string ConvTranspose2d::describe() const {
    const Shape& shape = weight.array().shape();
    return fmt::format("ConvTranspose2d({}, {}, {}{}{}{}{}{}{})", shape[0], out(), text::of(Pair(shape[2], shape[3])),
                       text::option("stride", stride_, 1), text::option("padding", padding_),
                       text::option("output_padding", output_padding_, 0), text::option("groups", groups_, 1),
                       text::option("bias", static_cast<bool>(bias), true), text::option("dilation", dilation_, 1));
}

}  // namespace xtape::nn
