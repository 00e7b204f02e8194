#pragma once

#include <xtape/autograd/kernels/convolution.hpp>
#include <xtape/autograd/kernels/convolution_finish.hpp>

/// Convolution as matrix products with im2col, for every stride, dilation, group and element type. Work is cut into
/// blocks whose bounds follow from the shapes alone. Nothing is empty here: the callers see to it.
namespace xtape::kernels::columns {

template <class T>
void correlate(const T* x, const T* w, T* y, Index samples, const Convolution& convolution,
               const Finish<T>& finish = {});

/// dx from g.
template <class T>
void correlate_input(const T* g, const T* w, T* dx, Index samples, const Convolution& convolution);

template <class T>
void correlate_kernel(const T* x, const T* g, T* dw, Index samples, const Convolution& convolution);

/// With stride 1 dx is also a correlation of g with the turned kernel: this one.
Convolution turned(const Convolution& convolution);

/// Its kernel: taps in reverse order, channels and filters of each group exchanged.
template <class T>
void turn_kernel(const T* w, T* turned_w, const Convolution& convolution);

}  // namespace xtape::kernels::columns
