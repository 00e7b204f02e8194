#include <memory>
#include <utility>

#include <xtape/autograd/kernels/convolution_block.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/ops/binary.hpp>
#include <xtape/autograd/ops/window_shape.hpp>
#include <xtape/autograd/tape.hpp>

/// Convolution, bias, ReLU and 2 x 2 maxima as one operation.
namespace xtape {

namespace {

using kernels::ConvolutionBlock;
using Codes = std::shared_ptr<const kernels::BlockCodes>;

/// Once the codes are fixed the block is trilinear in x, w and the gradient of its output; as for a convolution (see
/// window_convolution.cpp) each face is the others' rule. The codes are constants, as the places of maxima are.
struct Block : ConvolutionBlock {
    Codes codes;
    Index samples;
    Where where;

    Block(const ConvolutionBlock& block, Codes codes_, Index samples_, Where where_)
        : ConvolutionBlock(block), codes(std::move(codes_)), samples(samples_), where(where_) {}

    /// One byte for each output.
    KeptPiece kept() const { return {codes->data(), static_cast<std::size_t>(output_shape(samples).count())}; }
};

Variable output_face(const Variable& x, const Variable& w, const Block& b);
Variable input_face(const Variable& g, const Variable& w, const Block& b);
Variable kernel_face(const Variable& x, const Variable& g, const Block& b);

Variable output_face(const Variable& x, const Variable& w, const Block& b) {
    auto dx = on(x, holding([w, b](const Variable& g) { return input_face(g, w, b); }, w, b.kept()));
    auto dw = on(w, holding([x, b](const Variable& g) { return kernel_face(x, g, b); }, x, b.kept()));
    return record("conv2d_relu_max_pool2d_output", b.where, kernels::block_output(x.array(), w.array(), b, *b.codes),
                  std::move(dx), std::move(dw));
}

Variable input_face(const Variable& g, const Variable& w, const Block& b) {
    auto dg = on(g, holding([w, b](const Variable& h) { return output_face(h, w, b); }, w, b.kept()));
    auto dw = on(w, holding([g, b](const Variable& h) { return kernel_face(h, g, b); }, g, b.kept()));
    return record("conv2d_relu_max_pool2d_input", b.where, kernels::block_input(g.array(), w.array(), b, *b.codes),
                  std::move(dg), std::move(dw));
}

Variable kernel_face(const Variable& x, const Variable& g, const Block& b) {
    auto dx = on(x, holding([g, b](const Variable& h) { return input_face(g, h, b); }, g, b.kept()));
    auto dg = on(g, holding([x, b](const Variable& h) { return output_face(x, h, b); }, x, b.kept()));
    return record("conv2d_relu_max_pool2d_kernel", b.where, kernels::block_kernel(x.array(), g.array(), b, *b.codes),
                  std::move(dx), std::move(dg));
}

// Adjoints of each other: what is alive of g summed up for each filter, and numbers of filters put where is life.
Variable bias_face(const Variable& g, const Block& b);
Variable bias_spread(const Variable& bias, const Shape& shape, const Block& b);

Variable bias_face(const Variable& g, const Block& b) {
    auto dg = on(g, holding([shape = g.shape(), b](const Variable& h) { return bias_spread(h, shape, b); }, b.kept()));
    return record("conv2d_relu_max_pool2d_bias", b.where, kernels::block_bias(g.array(), *b.codes), std::move(dg));
}

Variable bias_spread(const Variable& bias, const Shape& shape, const Block& b) {
    auto dbias = on(bias, holding([b](const Variable& h) { return bias_face(h, b); }, b.kept()));
    return record("conv2d_relu_max_pool2d_bias_spread", b.where,
                  kernels::block_bias_spread(bias.array(), shape, *b.codes), std::move(dbias));
}

}  // namespace

Variable conv2d_relu_max_pool2d(Variable x, Variable w, Variable bias, Pair stride, Padding padding, Pair dilation,
                                Index groups, Where where) {
    constexpr const char* name = "conv2d_relu_max_pool2d";
    // Whoever looks at the tape sees what goes into relu and max_pool2d.
    if (KeepOutputs::active())
        return max_pool2d(
            conv2d_relu(std::move(x), std::move(w), std::move(bias), stride, padding, dilation, groups, where), 2, {},
            valid, where);
    match_dtypes(name, x, w, bias, where);
    const auto convolution =
        shapes::conv2d(name, x.shape(), w.shape(), bias.shape(), stride, padding, dilation, groups, where);
    const Shape full = convolution.output_shape(x.shape()[0]);
    const ConvolutionBlock block{convolution, shapes::pool2d(name, full, 2, 2, valid, where)};

    const bool recorded = recording() && (x.requires_grad() || w.requires_grad() || bias.requires_grad());
    if (!recorded) return Variable(kernels::convolution_block(x.array(), w.array(), bias.array(), block, nullptr));
    const auto codes = std::make_shared<kernels::BlockCodes>(block.output_shape(x.shape()[0]).count());
    const Block b(block, codes, x.shape()[0], where);
    auto dx = on(x, holding([w, b](const Variable& g) { return input_face(g, w, b); }, w, b.kept()), w.requires_grad());
    auto dw =
        on(w, holding([x, b](const Variable& g) { return kernel_face(x, g, b); }, x, b.kept()), x.requires_grad());
    auto dbias = on(bias, holding([b](const Variable& g) { return bias_face(g, b); }, b.kept()));
    return record(name, where, kernels::convolution_block(x.array(), w.array(), bias.array(), block, codes.get()),
                  std::move(dx), std::move(dw), std::move(dbias));
}

}  // namespace xtape
