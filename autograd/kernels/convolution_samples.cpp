#include <xtape/autograd/kernels/convolution_samples.hpp>

#include <type_traits>

#include <xtape/autograd/kernels/convolution_columns.hpp>

namespace xtape::kernels {

namespace {

// Samples of so many elements that stay in cache.
Index samples_in_cache(Index elements) { return std::max<Index>(1, 65'536 / elements); }

}  // namespace

template <class T>
SampleCorrelation<T>::SampleCorrelation(Face face, const T* w, Index samples, const Convolution& c)
    : convolution_(c), w_(w), at_once_(samples_in_cache(c.filters * c.windows.output_size())) {
    const auto [path, tiling] = choose_path(face, samples, std::is_same_v<T, float> ? float32 : float64, c);
    if constexpr (std::is_same_v<T, float>) {
        if (path == Path::winograd) {
            winograd_.reset(new winograd::Correlation(face == Face::output
                                                          ? winograd::Correlation::of(w, c, tiling)
                                                          : winograd::Correlation::adjoint_of(w, c, tiling)));
            const Index rows = winograd_->group_rows(samples), in_sample = winograd_->tile_rows();
            at_once_ = std::max<Index>(1, rows / in_sample);
            tile_rows_ = rows >= in_sample ? at_once_ * in_sample : rows;
        }
    }
    if (path == Path::turned) {
        turned_.emplace(c.kernel_shape().count());
        columns::turn_kernel(w, turned_->data(), c);
        convolution_ = columns::turned(c);
        w_ = turned_->data();
    } else {
        adjoint_ = face == Face::input;
    }
}

template <class T>
Index SampleCorrelation<T>::scratch_size() const {
    return winograd_ ? winograd_->scratch_size(tile_rows_) : 0;
}

template <class T>
void SampleCorrelation<T>::run(const T* from, T* to, Index samples, const Finish<T>& finish, T* scratch) const {
    if constexpr (std::is_same_v<T, float>) {
        if (winograd_) {
            const Index last = samples * winograd_->tile_rows();
            for (Index row = 0; row < last; row += tile_rows_)
                winograd_->run(from, to, {row, std::min(row + tile_rows_, last)}, finish, scratch);
            return;
        }
    }
    if (adjoint_)
        columns::correlate_input(from, w_, to, samples, convolution_);
    else
        columns::correlate(from, w_, to, samples, convolution_, finish);
}

template <class T>
SampleKernelGradient<T>::SampleKernelGradient(Index samples, const Convolution& c) : convolution_(c) {
    const auto [path, tiling] = choose_path(Face::kernel, samples, std::is_same_v<T, float> ? float32 : float64, c);
    const Index size = c.filters * c.windows.output_size();
    if (path == Path::winograd) {
        slices_.emplace(c, tiling);
        const auto gradient = slices_->gradient(0);
        at_once_ = std::max<Index>(1, gradient.group_rows() / gradient.tile_rows());
    } else {
        at_once_ = 4 * samples_in_cache(size);  // each time all of dw is added
    }
}

template <class T>
SampleKernelGradient<T>::Sum::Sum(const SampleKernelGradient& all, Index slice)
    : all_(all),
      winograd_(all.slices_ ? std::optional(all.slices_->gradient(slice)) : std::nullopt),
      tile_rows_(winograd_ ? std::min(winograd_->group_rows(), all.at_once() * winograd_->tile_rows()) : 0),
      sum_(winograd_ ? winograd_->sum_size() : all.convolution_.kernel_shape().count()),
      scratch_(winograd_ ? winograd_->scratch_size(tile_rows_) : all.convolution_.kernel_shape().count()) {}

template <class T>
void SampleKernelGradient<T>::Sum::add(const T* x, const T* g, Index samples) {
    if constexpr (std::is_same_v<T, float>) {
        if (winograd_) {
            const Index last = samples * winograd_->tile_rows();
            for (Index row = 0; row < last; row += tile_rows_, first_ = false)
                winograd_->add(x, g, {row, std::min(row + tile_rows_, last)}, first_, sum_.data(), scratch_.data());
            return;
        }
    }
    T* const to = first_ ? sum_.data() : scratch_.data();
    columns::correlate_kernel(x, g, to, samples, all_.convolution_);
    const Index size = all_.convolution_.kernel_shape().count();
    for (Index i = 0; i < size && !first_; ++i) sum_.data()[i] += to[i];
    first_ = false;
}

template <class T>
void SampleKernelGradient<T>::Sum::finish(T* dw) const {
    if constexpr (std::is_same_v<T, float>) {
        if (winograd_) return winograd_->finish(sum_.data(), dw);
    }
    std::copy_n(sum_.data(), all_.convolution_.kernel_shape().count(), dw);
}

template class SampleCorrelation<float>;
template class SampleCorrelation<double>;
template class SampleKernelGradient<float>;
template class SampleKernelGradient<double>;

}  // namespace xtape::kernels
