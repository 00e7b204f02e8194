#include <type_traits>

#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/autograd/kernels/pool.hpp>

namespace xtape::kernels {

namespace {

Index planes_of(const Array& x) { return x.shape(0) * x.shape(1); }

Index planes_per_piece(const Windows& v) { return std::max<Index>(1, 32'768 / std::max<Index>(1, v.image_size())); }

template <class T>
void add_row(T* __restrict to, const T* __restrict from, Index n) {
    for (Index i = 0; i < n; ++i) to[i] += from[i];
}

template <class T, class Step>
void gather_steps(T* __restrict to, const T* __restrict from, Index n, Step step) {
    for (Index j = 0; j < n; ++j) to[j] += from[j * step];
}

template <class T, class Step>
void scatter_steps(T* __restrict to, const T* __restrict from, Index n, Step step, T scale) {
    for (Index j = 0; j < n; ++j) to[j * step] += scale * from[j];
}

// Steps known to the compiler become vector loads.
template <class F>
void with_step(Index stride, F f) {
    if (stride == 1)
        f(std::integral_constant<Index, 1>());
    else if (stride == 2)
        f(std::integral_constant<Index, 2>());
    else
        f(stride);
}

/// Mean over windows, first down the columns, then along the row; and the way back.
template <class T>
class AverageRows {
public:
    explicit AverageRows(const Windows& windows)
        : v_(windows),
          width_((windows.outputs.cols - 1) * windows.stride.cols + windows.kernel.cols),
          seen_(std::min(windows.image.cols, width_ - windows.padding.cols)),
          scale_(T(1) / static_cast<T>(windows.taps())),
          padded_(width_),
          sums_(windows.outputs.cols) {}

    void plane(const T* x, T* y) const {
        T* const padded = padded_.data();
        for (Index i = 0; i < v_.outputs.rows; ++i, y += v_.outputs.cols) {
            const Index origin = i * v_.stride.rows - v_.padding.rows;
            const Span rows = taps_inside(v_.image.rows, v_.kernel.rows, origin);
            std::fill_n(padded, width_, T(0));
            for (Index r = rows.first; r < rows.last; ++r)
                add_row(padded + v_.padding.cols, x + (origin + r) * v_.image.cols, seen_);
            along(padded, y);
        }
    }

    void spread_plane(const T* g, T* dx) const {
        T* const padded = padded_.data();
        Span before{0, 0};
        for (Index h = 0; h < v_.image.rows; ++h, dx += v_.image.cols) {
            const Span outputs = outputs_that_see(h);
            if (h > 0 && outputs.first == before.first && outputs.last == before.last) {
                std::copy_n(dx - v_.image.cols, v_.image.cols, dx);
                continue;
            }
            before = outputs;
            std::fill_n(sums_.data(), v_.outputs.cols, T(0));
            for (Index i = outputs.first; i < outputs.last; ++i)
                add_row(sums_.data(), g + i * v_.outputs.cols, v_.outputs.cols);
            std::fill_n(padded, width_, T(0));
            back_along(padded);
            std::copy_n(padded + v_.padding.cols, seen_, dx);
            std::fill(dx + seen_, dx + v_.image.cols, T(0));
        }
    }

private:
    void along(const T* padded, T* y) const {
        const Index n = v_.outputs.cols;
        std::fill_n(y, n, T(0));
        with_step(v_.stride.cols, [&](auto step) {
            for (Index c = 0; c < v_.kernel.cols; ++c) gather_steps(y, padded + c, n, step);
        });
        for (Index j = 0; j < n; ++j) y[j] *= scale_;
    }

    void back_along(T* padded) const {
        with_step(v_.stride.cols, [&](auto step) {
            for (Index c = 0; c < v_.kernel.cols; ++c)
                scatter_steps(padded + c, sums_.data(), v_.outputs.cols, step, scale_);
        });
    }

    Span outputs_that_see(Index row) const {
        const Index last = (row + v_.padding.rows) / v_.stride.rows + 1;
        const Index before = row + v_.padding.rows - v_.kernel.rows;
        const Index first = before < 0 ? 0 : before / v_.stride.rows + 1;
        return {first, std::min(last, v_.outputs.rows)};
    }

    const Windows& v_;
    Index width_;  ///< of a row with its padding, as far as windows reach
    Index seen_;   ///< image columns that windows reach
    T scale_;
    Scratch<T> padded_;
    Scratch<T> sums_;
};

}  // namespace

Array average_pool(const Array& x, const Windows& v) {
    Array y = Array::uninitialized({x.shape(0), x.shape(1), v.outputs.rows, v.outputs.cols}, x.dtype());
    if (y.size() == 0) return y;
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T* const from = x.data<T>();
        T* const to = y.mutable_data<T>();
        parallel_for(planes_of(x), planes_per_piece(v), [&](Index begin, Index end) {
            const AverageRows<T> rows(v);
            for (Index p = begin; p < end; ++p) rows.plane(from + p * v.image_size(), to + p * v.output_size());
        });
    });
    return y;
}

Array average_pool_spread(const Array& g, const Windows& v) {
    Array dx = Array::uninitialized({g.shape(0), g.shape(1), v.image.rows, v.image.cols}, g.dtype());
    if (dx.size() == 0) return dx;
    dispatch(g.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T* const from = g.data<T>();
        T* const to = dx.mutable_data<T>();
        parallel_for(planes_of(g), planes_per_piece(v), [&](Index begin, Index end) {
            const AverageRows<T> rows(v);
            for (Index p = begin; p < end; ++p) rows.spread_plane(from + p * v.output_size(), to + p * v.image_size());
        });
    });
    return dx;
}

}  // namespace xtape::kernels
