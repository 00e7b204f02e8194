#pragma once

#include <xtape/autograd/kernels/convolution.hpp>

namespace xtape::kernels {

/// An Epilogue once the element type is known.
template <class T>
struct Finish {
    const T* bias = nullptr;  ///< of each filter; null adds nothing
    bool relu = false;

    Finish() = default;
    Finish(const T* bias_, bool relu_) : bias(bias_), relu(relu_) {}
    explicit Finish(const Epilogue& e) : bias(e.bias ? e.bias->data<T>() : nullptr), relu(e.relu) {}

    /// In place on `n` outputs of one filter.
    void apply(T* y, Index n, Index filter) const {
        if (bias) {
            const T b = bias[filter];
            for (Index i = 0; i < n; ++i) y[i] += b;
        }
        if (relu) {
            for (Index i = 0; i < n; ++i) y[i] = y[i] <= T(0) ? T(0) : y[i];
        }
    }

    /// A vector of outputs of one filter, finished.
    template <class V>
    V applied(V y, Index filter) const {
        const V zero{};
        if (bias) y += bias[filter];
        if (relu) y = y <= zero ? zero : y;
        return y;
    }
};

}  // namespace xtape::kernels
