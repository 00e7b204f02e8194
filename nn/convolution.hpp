#pragma once

#include <xtape/autograd/random.hpp>
#include <xtape/autograd/window.hpp>
#include <xtape/nn/module.hpp>

namespace xtape::nn {

using xtape::same;
using xtape::valid;

/// Cross-correlation with trained kernels, from (N, in, H, W) to (N, out, H', W'). Arguments in PyTorch's order.
///
/// Weights and bias start uniform in +-1/sqrt(in / groups * rows * columns of the kernel), as PyTorch's do. Throws
/// ValueError on sizes below 1, negative padding or groups that do not divide in and out.
class Conv2d : public Module {
public:
    Conv2d(Index in, Index out, Pair kernel, Pair stride = 1, Padding padding = valid, Pair dilation = 1,
           Index groups = 1, bool with_bias = true, Generator& generator = random::generator(),
           Where where = Where::here());
    /// Stride 1: `Conv2d(1, 128, 5, nn::same)` keeps the image's size.
    Conv2d(Index in, Index out, Pair kernel, Same, bool with_bias = true, Generator& generator = random::generator(),
           Where where = Where::here());
    Conv2d(Index in, Index out, Pair kernel, Valid, bool with_bias = true, Generator& generator = random::generator(),
           Where where = Where::here());

    Variable operator()(Variable x, Where where = Where::here()) const;
    /// relu of that, in one pass.
    Variable with_relu(Variable x, Where where = Where::here()) const;
    /// max_pool2d of that in turn, with windows of 2 x 2 side by side, still in one pass.
    Variable with_relu_max_pool(Variable x, Where where = Where::here()) const;

    void visit(Visitor& v) override;
    std::string describe() const override;

    Parameter weight;  ///< (out, in / groups, rows, columns)
    Parameter bias;    ///< (out,); without a value when there is none

private:
    void check_input(const Variable& x, Where where) const;
    Pair kernel() const { return {weight.array().shape(2), weight.array().shape(3)}; }

    Pair stride_;
    Padding padding_;
    Pair dilation_;
    Index groups_;
};

/// The adjoint of a Conv2d, which enlarges: from (N, in, H, W) to (N, out, H', W') with
/// H' = (H - 1) stride - padding + dilation (rows - 1) + 1 + output_padding. Arguments in PyTorch's order.
///
/// Weights and bias start uniform in +-1/sqrt(out / groups * rows * columns of the kernel), as PyTorch's do. Throws
/// ValueError as Conv2d does, and unless output_padding is smaller than stride or dilation.
class ConvTranspose2d : public Module {
public:
    ConvTranspose2d(Index in, Index out, Pair kernel, Pair stride = 1, Padding padding = valid, Pair output_padding = 0,
                    Index groups = 1, bool with_bias = true, Pair dilation = 1,
                    Generator& generator = random::generator(), Where where = Where::here());

    Variable operator()(Variable x, Where where = Where::here()) const;

    void visit(Visitor& v) override;
    std::string describe() const override;

    Parameter weight;  ///< (in, out / groups, rows, columns)
    Parameter bias;    ///< (out,); without a value when there is none

private:
    Index out() const { return weight.array().shape(1) * groups_; }

    Pair stride_;
    Padding padding_;
    Pair output_padding_;
    Pair dilation_;
    Index groups_;
};

}  // namespace xtape::nn
