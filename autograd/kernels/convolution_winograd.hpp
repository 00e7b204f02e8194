#pragma once

#include <xtape/autograd/kernels/winograd.hpp>

/// The three faces of a float32 convolution by Winograd's minimal filtering (winograd.hpp), over whole batches in parallel. Work is
/// cut at places that follow from the shapes alone. Nothing is empty here: the callers see to it.
namespace xtape::kernels::winograd {

/// Whether the convolution is one that can be computed so: 3 x 3, stride 1, no dilation, one group.
bool takes(const Convolution& convolution);

/// Tiles of one sample.
Index tile_count(Pair outputs, Tiling tiling);

/// The tiling that needs fewer products for so many outputs.
Tiling tiling_of(Pair outputs);

/// Products for each output and each pair of channels; the definition has 9.
double products_per_output(Pair outputs, Tiling tiling);

/// A kernel's gradient cut into slices of its channels and filters, so that the sum of a slice stays in cache.
class KernelSlices {
public:
    KernelSlices(const Convolution& convolution, Tiling tiling);

    Index count() const { return channel_slices_ * filter_slices_; }
    Span filters(Index slice) const;
    KernelGradient gradient(Index slice) const;

private:
    Convolution convolution_;
    Tiling tiling_;
    Index channel_slices_, filter_slices_;
};

/// Keeps w's transform with w where there are only a few tiles, so that one sample after another is soon done.
void correlate(const float* x, const Array& w, float* y, Index samples, const Convolution& convolution,
               const Finish<float>& finish, Tiling tiling);

/// dx from g.
void correlate_input(const float* g, const float* w, float* dx, Index samples, const Convolution& convolution,
                     Tiling tiling);

void correlate_kernel(const float* x, const float* g, float* dw, Index samples, const Convolution& convolution,
                      Tiling tiling);

}  // namespace xtape::kernels::winograd
