#pragma once

#include <xtape/autograd/kernels/winograd_filters.hpp>

/// 3 x 3 correlations in float32 with stride 1, no dilation and one group by Winograd's minimal filtering: any size, any
/// padding. What is here works on one thread, in pieces that stay in cache; convolution_winograd.hpp runs it over a batch.
/// A NaN or infinity in an image spreads to all outputs of the tiles that see it, not only to those that do.
namespace xtape::kernels::winograd {

/// Correlations of images with one set of filters, which is transformed once.
class Correlation {
public:
    /// y = x * w. Transforms w in parallel; does not keep it.
    static Correlation of(const float* w, const Convolution& convolution, Tiling tiling);
    /// The same with filters that were transformed as KernelMatrix::of(convolution); borrows them.
    static Correlation of(Transformed w, const Convolution& convolution, Tiling tiling);
    /// dx from g: the adjoint of that.
    static Correlation adjoint_of(const float* w, const Convolution& convolution, Tiling tiling);

    /// Rows of tiles in each sample.
    Index tile_rows() const { return transforms_.tiles().rows; }
    /// Rows of tiles that are best worked on at once, in a batch of `samples`: part of a sample or several whole ones.
    Index group_rows(Index samples) const;
    /// Floats of working memory for `run` on so many rows of tiles.
    Index scratch_size(Index rows) const;

    /// The outputs of some rows of tiles, which are counted through all samples of x and y. Each output has the same bits
    /// however rows are grouped.
    void run(const float* x, float* y, Span tile_rows, const Finish<float>& finish, float* scratch) const;

private:
    template <class W>
    Correlation(W w, const KernelMatrix& kernels, const Windows& windows, Tiling tiling);

    Index channels_, filters_;
    Index image_size_, output_size_;
    Transforms transforms_;
    Filters filters_by_position_;
};

/// The kernel's gradient, summed up in its transformed form.
class KernelGradient {
public:
    /// For some channels and some filters of the kernel.
    KernelGradient(const Convolution& convolution, Span channels, Span filters, Tiling tiling);

    /// Rows of tiles in each sample.
    Index tile_rows() const { return transforms_.tiles().rows; }
    /// Rows of tiles that are best added at once.
    Index group_rows() const;
    /// Floats of a transformed sum.
    Index sum_size() const { return transforms_.positions() * sum_stride_; }
    /// Floats of working memory for `add` of so many rows of tiles.
    Index scratch_size(Index rows) const;

    /// Adds what some rows of tiles, counted through all samples of x and g, contribute; the `first` call writes the sum.
    void add(const float* x, const float* g, Span tile_rows, bool first, float* sum, float* scratch) const;

    /// Writes these channels and filters of dw (K, C, 3, 3) from the sum.
    void finish(const float* sum, float* dw) const;

private:
    Convolution convolution_;
    Span channels_, filters_;
    Tiling tiling_;
    Transforms transforms_;
    Panels panels_;
    Index sum_stride_;
};

}  // namespace xtape::kernels::winograd
