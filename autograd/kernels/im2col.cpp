#include <xtape/autograd/kernels/im2col.hpp>

#include <cstring>

#include <xtape/autograd/kernels/parallel.hpp>

namespace xtape::kernels {

namespace {

template <std::size_t bytes>
void copy_bytes(void* to, const void* from) {
    std::memcpy(to, from, bytes);
}

// Rows of images are short: whole vectors, the last one overlapping, beat a call of memcpy.
template <class T>
void copy_run(T* __restrict to, const T* __restrict from, Index n) {
    constexpr Index lanes = 32 / sizeof(T);
    if (n > 16 * lanes) {
        std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(T));
    } else if (n >= lanes) {
        for (Index i = 0; i + lanes < n; i += lanes) copy_bytes<32>(to + i, from + i);
        copy_bytes<32>(to + n - lanes, from + n - lanes);
    } else if (n >= lanes / 2) {
        copy_bytes<16>(to, from);
        copy_bytes<16>(to + n - lanes / 2, from + n - lanes / 2);
    } else {
        for (Index i = 0; i < n; ++i) to[i] = from[i];
    }
}

template <class T>
void gather_run(T* __restrict to, const T* __restrict from, Index n, Index stride) {
    if (stride == 1) {
        copy_run(to, from, n);
    } else if (stride == 2) {
        for (Index i = 0; i < n; ++i) to[i] = from[2 * i];
    } else {
        for (Index i = 0; i < n; ++i) to[i] = from[i * stride];
    }
}

template <class T>
void add_run(T* __restrict to, const T* __restrict from, Index n, Index stride) {
    if (stride == 1) {
        for (Index i = 0; i < n; ++i) to[i] += from[i];
    } else {
        for (Index i = 0; i < n; ++i) to[i * stride] += from[i];
    }
}

template <class T>
void clear_run(T* to, Index n) {
    for (Index i = 0; i < n; ++i) to[i] = T(0);
}

/// What one tap sees of an image: the outputs inside it, and where output (0, 0) looks.
struct Tap {
    Span rows;
    Span cols;
    Index row_offset;
    Index col_offset;

    Tap(const Windows& v, Span wanted, Index r, Index c)
        : rows(outputs_inside(v.image.rows, v.outputs.rows, v.stride.rows, r * v.dilation.rows - v.padding.rows)),
          cols(outputs_inside(v.image.cols, v.outputs.cols, v.stride.cols, c * v.dilation.cols - v.padding.cols)),
          row_offset(r * v.dilation.rows - v.padding.rows),
          col_offset(c * v.dilation.cols - v.padding.cols) {
        rows.first = std::max(rows.first, wanted.first);
        rows.last = std::min(rows.last, wanted.last);
    }

    bool empty() const { return rows.empty() || cols.empty(); }
};

// Where output and image rows are equally long, a tap sees the whole image shifted: one copy, then borders are cleared.
template <class T>
void copy_shifted(const T* image, Index width, const Tap& tap, T* out) {
    const Index right = width - tap.cols.last;
    const Index from = (tap.rows.first + tap.row_offset) * width + tap.cols.first + tap.col_offset;
    copy_run(out + tap.cols.first, image + from, tap.rows.size() * width - tap.cols.first - right);
    for (Index i = 0; i < tap.rows.size(); ++i) {
        clear_run(out + i * width, tap.cols.first);
        clear_run(out + (i + 1) * width - right, right);
    }
}

template <class T>
void copy_rows(const T* image, const Windows& v, const Tap& tap, T* out) {
    const Index width = v.outputs.cols;
    for (Index i = tap.rows.first; i < tap.rows.last; ++i, out += width) {
        const T* from = image + (i * v.stride.rows + tap.row_offset) * v.image.cols + tap.col_offset;
        clear_run(out, tap.cols.first);
        gather_run(out + tap.cols.first, from + tap.cols.first * v.stride.cols, tap.cols.size(), v.stride.cols);
        clear_run(out + tap.cols.last, width - tap.cols.last);
    }
}

}  // namespace

template <class T>
void im2col(const T* images, Index channels, const Windows& v, Span rows, T* columns) {
    const Index width = v.outputs.cols;
    const bool shifted = v.stride == Pair(1) && width == v.image.cols;
    for (Index r = 0; r < v.kernel.rows; ++r) {
        for (Index c = 0; c < v.kernel.cols; ++c) {
            const Tap tap(v, rows, r, c);
            for (Index channel = 0; channel < channels; ++channel) {
                T* out = columns + ((channel * v.kernel.rows + r) * v.kernel.cols + c) * rows.size() * width;
                if (tap.empty()) {
                    clear_run(out, rows.size() * width);
                    continue;
                }
                const T* image = images + channel * v.image_size();
                clear_run(out, (tap.rows.first - rows.first) * width);
                if (shifted)
                    copy_shifted(image, width, tap, out + (tap.rows.first - rows.first) * width);
                else
                    copy_rows(image, v, tap, out + (tap.rows.first - rows.first) * width);
                clear_run(out + (tap.rows.last - rows.first) * width, (rows.last - tap.rows.last) * width);
            }
        }
    }
}

template <class T>
void col2im(const T* columns, Index channels, const Windows& v, Span rows, T* images) {
    const Index width = v.outputs.cols;
    for (Index channel = 0; channel < channels; ++channel) {
        for (Index r = 0; r < v.kernel.rows; ++r) {
            for (Index c = 0; c < v.kernel.cols; ++c, columns += rows.size() * width) {
                const Tap tap(v, rows, r, c);
                if (tap.empty()) continue;
                for (Index i = tap.rows.first; i < tap.rows.last; ++i) {
                    T* to = images + (i * v.stride.rows + tap.row_offset) * v.image.cols + tap.col_offset;
                    add_run(to + tap.cols.first * v.stride.cols, columns + (i - rows.first) * width + tap.cols.first,
                            tap.cols.size(), v.stride.cols);
                }
            }
        }
        images += v.image_size();
    }
}

template void im2col(const float*, Index, const Windows&, Span, float*);
template void im2col(const double*, Index, const Windows&, Span, double*);
template void col2im(const float*, Index, const Windows&, Span, float*);
template void col2im(const double*, Index, const Windows&, Span, double*);

namespace {

// Images whose columns are some 64 K elements.
Index images_per_piece(const Windows& v) {
    return std::max<Index>(1, 65536 / std::max<Index>(1, v.taps() * v.output_size()));
}

}  // namespace

Array unfold(const Array& x, const Windows& v) {
    const Index images = x.shape(0) * x.shape(1), column_size = v.taps() * v.output_size();
    Array columns = Array::uninitialized({x.shape(0), x.shape(1) * v.taps(), v.output_size()}, x.dtype());
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T* from = x.data<T>();
        T* to = columns.mutable_data<T>();
        parallel_for(images, images_per_piece(v), [&](Index begin, Index end) {
            for (Index i = begin; i < end; ++i)
                im2col(from + i * v.image_size(), 1, v, {0, v.outputs.rows}, to + i * column_size);
        });
    });
    return columns;
}

Array fold(const Array& columns, const Windows& v) {
    const Index channels = columns.shape(1) / v.taps(), column_size = v.taps() * v.output_size();
    Array x = Array::uninitialized({columns.shape(0), channels, v.image.rows, v.image.cols}, columns.dtype());
    dispatch(columns.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T* from = columns.data<T>();
        T* to = x.mutable_data<T>();
        parallel_for(columns.shape(0) * channels, images_per_piece(v), [&](Index begin, Index end) {
            std::fill(to + begin * v.image_size(), to + end * v.image_size(), T(0));
            for (Index i = begin; i < end; ++i)
                col2im(from + i * column_size, 1, v, {0, v.outputs.rows}, to + i * v.image_size());
        });
    });
    return x;
}

}  // namespace xtape::kernels
