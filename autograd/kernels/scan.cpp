#include <xtape/autograd/kernels/scan.hpp>

#include <algorithm>
#include <utility>

#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/autograd/kernels/scratch.hpp>

namespace xtape::kernels {
namespace {

constexpr Index chunk = 1 << 15;  // elements worth a piece of parallel work
constexpr Index widest = 1 << 9;  // columns carried at a time

/// x as (outer, length, inner).
struct Rows {
    Index outer = 1, length, inner = 1;

    Rows(const Shape& shape, Index axis) : length(shape[axis]) {
        for (Index i = 0; i < axis; ++i) outer *= shape[i];
        for (Index i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
    }
};

/// Rows of contiguous elements. A long one is cut into chunks, of which first the sums are taken.
template <class T>
void cumsum_rows(const T* x, T* y, const Rows& rows, bool reversed) {
    const Index pieces = (rows.length + chunk - 1) / chunk;
    const Scratch<double> carries(rows.outer * pieces);
    double* const carry = carries.data();
    // Elements and chunks are counted in the direction of the sum.
    const auto each = [&](Index task, auto&& f) {
        const Index first = task % pieces * chunk, last = std::min(rows.length, first + chunk);
        const Index row = task / pieces * rows.length;
        for (Index i = first; i < last; ++i) f(row + (reversed ? rows.length - 1 - i : i));
    };
    const Index grain = std::max<Index>(1, chunk / rows.length);
    std::fill_n(carry, rows.outer * pieces, 0.0);
    if (pieces > 1) {
        parallel_for(rows.outer * pieces, grain, [&](Index begin, Index end) {
            for (Index task = begin; task < end; ++task) {
                double sum = 0;
                each(task, [&](Index i) { sum += x[i]; });
                carry[task] = sum;
            }
        });
        for (Index row = 0; row < rows.outer; ++row) {
            double before = 0;
            for (Index piece = 0; piece < pieces; ++piece) before += std::exchange(carry[row * pieces + piece], before);
        }
    }
    parallel_for(rows.outer * pieces, grain, [&](Index begin, Index end) {
        for (Index task = begin; task < end; ++task) {
            double sum = carry[task];
            each(task, [&](Index i) { y[i] = static_cast<T>(sum += x[i]); });
        }
    });
}

template <class T>
void cumsum_columns(const T* x, T* y, const Rows& rows, bool reversed) {
    const Index blocks = (rows.inner + widest - 1) / widest;
    const Index grain = std::max<Index>(1, chunk / (rows.length * std::min(rows.inner, widest)));
    parallel_for(rows.outer * blocks, grain, [&](Index begin, Index end) {
        for (Index task = begin; task < end; ++task) {
            const Index first = task % blocks * widest, columns = std::min(widest, rows.inner - first);
            double sums[widest];
            std::fill_n(sums, columns, 0.0);
            for (Index i = 0; i < rows.length; ++i) {
                const Index row = reversed ? rows.length - 1 - i : i;
                const Index offset = (task / blocks * rows.length + row) * rows.inner + first;
                for (Index j = 0; j < columns; ++j) y[offset + j] = static_cast<T>(sums[j] += x[offset + j]);
            }
        }
    });
}

template <class T>
void find_in_columns(const T* x, const T* wanted, const Rows& rows, Index group, Index first, Index columns,
                     std::int64_t* places) {
    constexpr std::int64_t none = -1;
    std::fill_n(places, columns, none);
    Index missing = columns;
    for (Index i = 0; i < rows.length && missing > 0; ++i) {
        const T* row = x + (group * rows.length + i) * rows.inner + first;
        for (Index j = 0; j < columns; ++j) {
            const bool found = row[j] == wanted[j] || row[j] != row[j];
            if (found && places[j] == none) {
                places[j] = i;
                --missing;
            }
        }
    }
}

}  // namespace

Array cumsum(const Array& x, Index axis, bool reversed) {
    Array y = Array::uninitialized(x.shape(), x.dtype());
    if (x.size() == 0) return y;
    const Rows rows(x.shape(), axis);
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        if (rows.inner == 1)
            cumsum_rows(x.data<T>(), y.mutable_data<T>(), rows, reversed);
        else
            cumsum_columns(x.data<T>(), y.mutable_data<T>(), rows, reversed);
    });
    return y;
}

void find_first(const Array& x, const Array& wanted, Index axis, std::int64_t* places) {
    const Rows rows(x.shape(), axis);
    const Index blocks = (rows.inner + widest - 1) / widest;
    const Index grain = std::max<Index>(1, chunk / std::max<Index>(1, rows.length * std::min(rows.inner, widest)));
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        parallel_for(rows.outer * blocks, grain, [&](Index begin, Index end) {
            for (Index task = begin; task < end; ++task) {
                const Index group = task / blocks, first = task % blocks * widest;
                const Index columns = std::min(widest, rows.inner - first), place = group * rows.inner + first;
                find_in_columns(x.data<T>(), wanted.data<T>() + place, rows, group, first, columns, places + place);
            }
        });
    });
}

}  // namespace xtape::kernels
