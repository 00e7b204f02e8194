#pragma once

#include <xtape/autograd/deferred.hpp>

/// A large matrix times a column, as in a perceptron, and the column's gradient read the matrix one after the other. So the
/// product waits, with all that is made of it element by element, until the gradient is read; then each block of rows is read
/// once, for both. The bits are those of two products.
namespace xtape::kernels {

/// Xᵀ d, which waits because d does, for a product with the same X.
class DeferredGradient final : public Deferred {
public:
    DeferredGradient(const Array& matrix, const Array& factor) : Deferred(matrix, factor) {}
    const Array& matrix() const { return operand(0); }
    const Array& factor() const { return operand(1); }

private:
    friend class DeferredPlan;
    void evaluate(Turn& turn) override;
};

/// x w for matrices of one dtype that fit, done when it is read; no array where that is of no use.
Array product_later(const Array& x, const Array& w);

/// xᵀ d, done when it is read, where d waits for a product with x; else no array.
Array gradient_later(const Array& x, const Array& d);

}  // namespace xtape::kernels
