#include <array>
#include <limits>
#include <vector>

#include <xtape/autograd/kernels/max_pool_2x2.hpp>
#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/autograd/kernels/pool.hpp>

namespace xtape::kernels {

namespace {

Index planes_of(const Array& x) { return x.shape(0) * x.shape(1); }

// Planes of some 32 K elements.
Index planes_per_piece(const Windows& v) { return std::max<Index>(1, 32'768 / std::max<Index>(1, v.image_size())); }

template <class T>
using Place = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;

// `n` is a multiple of the vector length: short remainders would cost more than the vectors.
template <bool coded, class T>
void take_row(const T* __restrict x, Index n, Place<T> place, T* __restrict best, Place<T>* __restrict places) {
    for (Index j = 0; j < n; ++j) {
        const bool wins = beats(x[j], best[j]);
        best[j] = wins ? x[j] : best[j];
        if constexpr (coded) places[j] = wins ? place : places[j];
    }
}

/// Maxima of any windows, one row of outputs at a time.
template <class T>
class MaxRows {
public:
    explicit MaxRows(const Windows& windows)
        : v_(windows),
          outputs_((windows.outputs.cols + 15) / 16 * 16),
          phase_(outputs_ + (windows.kernel.cols - 1) / windows.stride.cols),
          phases_(std::min(windows.stride.cols, windows.kernel.cols)),
          row_(phases_ * phase_),
          first_(outputs_),
          best_(outputs_),
          places_(outputs_) {
        std::fill_n(row_.data(), phases_ * phase_, lowest);
        std::fill_n(first_.data(), outputs_, Place<T>(0));
        for (Index j = 0; j < v_.outputs.cols; ++j) {
            const Index origin = j * v_.stride.cols - v_.padding.cols;
            first_.data()[j] = static_cast<Place<T>>(taps_inside(v_.image.cols, v_.kernel.cols, origin).first);
        }
    }

    template <bool coded, class Code>
    void plane(const T* x, T* y, Code* codes) const {
        for (Index i = 0; i < v_.outputs.rows; ++i, y += v_.outputs.cols) {
            output_row<coded>(x, i);
            std::copy_n(best_.data(), v_.outputs.cols, y);
            if constexpr (coded)
                for (Index j = 0; j < v_.outputs.cols; ++j)
                    codes[i * v_.outputs.cols + j] = static_cast<Code>(places_.data()[j]);
        }
    }

private:
    static constexpr T lowest = -std::numeric_limits<T>::infinity();

    template <bool coded>
    void output_row(const T* x, Index i) const {
        const Index origin = i * v_.stride.rows - v_.padding.rows;
        const Span rows = taps_inside(v_.image.rows, v_.kernel.rows, origin);
        // The first place inside stands until something beats it: where all are -inf it is the first maximum.
        std::fill_n(best_.data(), outputs_, lowest);
        if constexpr (coded)
            for (Index j = 0; j < outputs_; ++j)
                places_.data()[j] = first_.data()[j] + static_cast<Place<T>>(rows.first * v_.kernel.cols);
        for (Index r = rows.first; r < rows.last; ++r) {
            take_apart(x + (origin + r) * v_.image.cols);
            for (Index c = 0; c < v_.kernel.cols; ++c)
                take_row<coded>(row_.data() + c % v_.stride.cols * phase_ + c / v_.stride.cols, outputs_,
                                static_cast<Place<T>>(r * v_.kernel.cols + c), best_.data(), places_.data());
        }
    }

    // Every stride-th element of an image row side by side, so that what outputs see under one tap is contiguous. The
    // padding lies in the same places for every row; they keep what the constructor put there.
    void take_apart(const T* image_row) const {
        for (Index phase = 0; phase < phases_; ++phase) {
            const Index offset = phase - v_.padding.cols, stride = v_.stride.cols;
            const Span inside = outputs_inside(v_.image.cols, phase_, stride, offset);
            if (inside.empty()) continue;
            T* const to = row_.data() + phase * phase_;
            if (stride == 1)
                std::copy_n(image_row + inside.first + offset, inside.size(), to + inside.first);
            else if (stride == 2)
                for (Index j = inside.first; j < inside.last; ++j) to[j] = image_row[2 * j + offset];
            else
                for (Index j = inside.first; j < inside.last; ++j) to[j] = image_row[j * stride + offset];
        }
    }

    const Windows& v_;
    Index outputs_;  ///< of a row, rounded up to whole vectors
    Index phase_;    ///< elements of a phase: those that lie a multiple of the stride apart
    Index phases_;
    Scratch<T> row_;
    Scratch<Place<T>> first_;   ///< for each output of a row, its first tap in the image
    Scratch<T> best_;           ///< maxima so far
    Scratch<Place<T>> places_;  ///< and where they are
};

/// Calls f(output, place) for each output of some planes: `place` is where in the image its maximum is.
template <class Code, class F>
void each_place(const Windows& v, const Code* codes, Index begin, Index end, F f) {
    std::array<Index, 256> offsets;  // for one-byte codes
    if constexpr (sizeof(Code) == 1)
        for (Index tap = 0; tap < v.taps(); ++tap)
            offsets[static_cast<std::size_t>(tap)] = tap / v.kernel.cols * v.image.cols + tap % v.kernel.cols;
    const auto offset = [&](Code code) {
        if constexpr (sizeof(Code) == 1)
            return offsets[code];
        else
            return code / v.kernel.cols * v.image.cols + code % v.kernel.cols;
    };
    Index output = begin * v.output_size();
    for (Index plane = begin; plane < end; ++plane) {
        for (Index i = 0; i < v.outputs.rows; ++i) {
            const Index row = plane * v.image_size() + (i * v.stride.rows - v.padding.rows) * v.image.cols;
            for (Index j = 0; j < v.outputs.cols; ++j, ++output)
                f(output, row + j * v.stride.cols - v.padding.cols + offset(codes[output]));
        }
    }
}

template <class F>
void each_place(const Windows& v, const PoolCodes& codes, Index begin, Index end, F f) {
    if (codes.narrow())
        each_place(v, codes.bytes(), begin, end, f);
    else
        each_place(v, codes.words(), begin, end, f);
}

/// Calls f(elements of x, elements of y, plane) for every plane.
template <class F>
void each_2x2(const Array& x, Array& y, const Windows& v, const F& f) {
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T* const from = x.data<T>();
        T* const to = y.mutable_data<T>();
        parallel_for(planes_of(x), planes_per_piece(v), [&](Index begin, Index end) {
            for (Index p = begin; p < end; ++p) f(from, to, p);
        });
    });
}

}  // namespace

Array max_pool(const Array& x, const Windows& v, PoolCodes* codes) {
    Array y = Array::uninitialized({x.shape(0), x.shape(1), v.outputs.rows, v.outputs.cols}, x.dtype());
    if (y.size() == 0) return y;
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T* const from = x.data<T>();
        T* const to = y.mutable_data<T>();
        const Index outputs = v.output_size();
        parallel_for(planes_of(x), planes_per_piece(v), [&](Index begin, Index end) {
            if (is_2x2(v)) {
                for (Index p = begin; p < end; ++p)
                    max_plane_2x2<false>(from + p * v.image_size(), v, to + p * outputs,
                                         codes ? codes->bytes() + p * outputs : nullptr);
                return;
            }
            const MaxRows<T> rows(v);
            for (Index p = begin; p < end; ++p) {
                const T* plane = from + p * v.image_size();
                if (!codes)
                    rows.template plane<false>(plane, to + p * outputs, static_cast<std::uint8_t*>(nullptr));
                else if (codes->narrow())
                    rows.template plane<true>(plane, to + p * outputs, codes->bytes() + p * outputs);
                else
                    rows.template plane<true>(plane, to + p * outputs, codes->words() + p * outputs);
            }
        });
    });
    return y;
}

Array max_pool_scatter(const Array& g, const Windows& v, const PoolCodes& codes) {
    Array dx = Array::uninitialized({g.shape(0), g.shape(1), v.image.rows, v.image.cols}, g.dtype());
    if (dx.size() == 0) return dx;
    dispatch(g.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T* const from = g.data<T>();
        T* const to = dx.mutable_data<T>();
        parallel_for(planes_of(g), planes_per_piece(v), [&](Index begin, Index end) {
            if (is_2x2(v)) {
                for (Index p = begin; p < end; ++p)
                    spread_plane_2x2(from + p * v.output_size(), codes.bytes() + p * v.output_size(), v,
                                     to + p * v.image_size());
                return;
            }
            std::fill(to + begin * v.image_size(), to + end * v.image_size(), T(0));
            each_place(v, codes, begin, end, [&](Index output, Index place) { to[place] += from[output]; });
        });
    });
    return dx;
}

Array max_pool_gather(const Array& x, const Windows& v, const PoolCodes& codes) {
    Array y = Array::uninitialized({x.shape(0), x.shape(1), v.outputs.rows, v.outputs.cols}, x.dtype());
    if (y.size() == 0) return y;
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T* const from = x.data<T>();
        T* const to = y.mutable_data<T>();
        parallel_for(planes_of(x), planes_per_piece(v), [&](Index begin, Index end) {
            each_place(v, codes, begin, end, [&](Index output, Index place) { to[output] = from[place]; });
        });
    });
    return y;
}

Array block_scatter(const Array& g, const Windows& v, const BlockCodes& codes) {
    Array dx = Array::uninitialized({g.shape(0), g.shape(1), v.image.rows, v.image.cols}, g.dtype());
    each_2x2(g, dx, v, [&](const auto* from, auto* to, Index p) {
        const Index pooled = p * v.output_size();
        spread_plane_2x2(from + pooled, codes.data() + pooled, v, to + p * v.image_size());
    });
    return dx;
}

Array block_gather(const Array& x, const Windows& v, const BlockCodes& codes) {
    Array y = Array::uninitialized({x.shape(0), x.shape(1), v.outputs.rows, v.outputs.cols}, x.dtype());
    each_2x2(x, y, v, [&](const auto* from, auto* to, Index p) {
        const Index pooled = p * v.output_size();
        take_plane_2x2(from + p * v.image_size(), codes.data() + pooled, v, to + pooled);
    });
    return y;
}

}  // namespace xtape::kernels
