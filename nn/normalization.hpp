#pragma once

#include <xtape/nn/module.hpp>

namespace xtape::nn {

/// What the batch normalisations share (Ioffe and Szegedy, arXiv:1502.03167): each channel, axis 1, is brought to mean
/// 0 and variance 1, then scaled and shifted by trained numbers.
///
/// While training, mean and (biased) variance are the batch's, and the running statistics move towards the batch's mean
/// and unbiased variance by `momentum`, as PyTorch's do; in eval mode the running statistics are used.
class BatchNorm : public Module {
public:
    void visit(Visitor& v) override;
    std::string describe() const override;

    Parameter weight;    ///< (features,), ones at first; without a value when not affine
    Parameter bias;      ///< (features,), zeros at first; without a value when not affine
    Array running_mean;  ///< (features,), zeros at first
    Array running_var;   ///< (features,), ones at first
    bool training = true;

protected:
    BatchNorm(const char* name, Index features, double eps, double momentum, bool affine, Where where);

    /// What comes after the normalisation, in the same pass while training.
    enum class Then { nothing, relu, relu_max_pool };

    /// Throws ShapeError while training when there is no more than one value per channel.
    Variable normalized(Variable x, Where where, Then then = Then::nothing);
    Index features() const { return running_mean.size(); }

private:
    const char* name_;
    double eps_;
    double momentum_;
};

/// Batch normalisation of (N, features) or (N, features, L).
class BatchNorm1d : public BatchNorm {
public:
    /// Throws ValueError unless features >= 1, eps >= 0 and momentum in [0, 1].
    explicit BatchNorm1d(Index features, double eps = 1e-5, double momentum = 0.1, bool affine = true,
                         Where where = Where::here())
        : BatchNorm("BatchNorm1d", features, eps, momentum, affine, where) {}
    Variable operator()(Variable x, Where where = Where::here());
};

/// Batch normalisation of (N, features, H, W).
class BatchNorm2d : public BatchNorm {
public:
    /// Throws ValueError unless features >= 1, eps >= 0 and momentum in [0, 1].
    explicit BatchNorm2d(Index features, double eps = 1e-5, double momentum = 0.1, bool affine = true,
                         Where where = Where::here())
        : BatchNorm("BatchNorm2d", features, eps, momentum, affine, where) {}
    Variable operator()(Variable x, Where where = Where::here());
    /// relu of that; while training in one pass.
    Variable with_relu(Variable x, Where where = Where::here());
    /// max_pool2d of that in turn, with windows of 2 x 2 side by side; while training in one pass.
    Variable with_relu_max_pool(Variable x, Where where = Where::here());

private:
    Variable called_with(Variable x, Where where, Then then);
};

/// Brings the last axes of each sample to mean 0 and (biased) variance 1, then scales and shifts each number (Ba, Kiros
/// and Hinton, arXiv:1607.06450). The same while training and in eval mode.
class LayerNorm : public Module {
public:
    /// Over the last axis, of size `features`.
    explicit LayerNorm(Index features, double eps = 1e-5, bool affine = true, Where where = Where::here());
    /// Over the last axes, of sizes `shape`: `LayerNorm(Shape{2, 3})`. Throws ValueError on an empty shape, sizes below
    /// 1 or eps < 0.
    explicit LayerNorm(const Shape& shape, double eps = 1e-5, bool affine = true, Where where = Where::here());
    Variable operator()(Variable x, Where where = Where::here()) const;

    void visit(Visitor& v) override;
    std::string describe() const override;

    Parameter weight;  ///< `shape`, ones at first; without a value when not affine
    Parameter bias;    ///< `shape`, zeros at first; without a value when not affine

private:
    Shape shape_;
    double eps_;
};

}  // namespace xtape::nn
