#pragma once

#include <memory>
#include <optional>

#include <xtape/autograd/kernels/convolution_path.hpp>
#include <xtape/autograd/kernels/scratch.hpp>

/// Faces of a convolution for a few samples at a time, on the calling thread: for operations that do more with their images
/// while these are in cache. Nothing is empty here: the callers see to it.
namespace xtape::kernels {

/// The outputs or the gradient in the images, with the kernel made ready once.
template <class T>
class SampleCorrelation {
public:
    /// Face::output or Face::input; `samples` is how many there are in all. Keeps w.
    SampleCorrelation(Face face, const T* w, Index samples, const Convolution& convolution);

    /// Samples that are best done at once.
    Index at_once() const { return at_once_; }
    /// Elements of working memory for `run` on so many.
    Index scratch_size() const;

    /// From x to y, which is finished, or from g to dx; for at most `at_once` samples.
    void run(const T* from, T* to, Index samples, const Finish<T>& finish, T* scratch) const;

private:
    Convolution convolution_;
    const T* w_;
    bool adjoint_ = false;                             ///< whether columns of dx are computed and added up
    std::optional<Scratch<T>> turned_;                 ///< the turned kernel
    std::unique_ptr<winograd::Correlation> winograd_;  ///< the transformed one
    Index tile_rows_ = 0;                              ///< for Winograd's way, done at once
    Index at_once_;
};

/// The gradient in the kernel, as a sum over samples in any number of parts.
template <class T>
class SampleKernelGradient {
public:
    SampleKernelGradient(Index samples, const Convolution& convolution);

    /// Independent slices of the kernel.
    Index slices() const { return slices_ ? slices_->count() : 1; }
    /// The filters that a slice is about: no other part of g is read.
    Span filters(Index slice) const { return slices_ ? slices_->filters(slice) : Span{0, convolution_.filters}; }
    Index at_once() const { return at_once_; }

    /// One slice of one part.
    class Sum {
    public:
        Sum(const SampleKernelGradient& all, Index slice);
        /// What at most `at_once` samples of x and g contribute.
        void add(const T* x, const T* g, Index samples);
        /// Writes the slice of dw (K, C / groups, h, w).
        void finish(T* dw) const;

    private:
        const SampleKernelGradient& all_;
        std::optional<winograd::KernelGradient> winograd_;
        Index tile_rows_ = 0;
        Scratch<T> sum_, scratch_;
        bool first_ = true;
    };

private:
    Convolution convolution_;
    std::optional<winograd::KernelSlices> slices_;  ///< for Winograd's way
    Index at_once_;
};

}  // namespace xtape::kernels
