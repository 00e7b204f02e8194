#pragma once

#include <xtape/autograd/kernels/runs.hpp>
#include <xtape/autograd/kernels/simd.hpp>
#include <xtape/autograd/kernels/vector.hpp>

/// Rows combined element by element by an Op (see reduction.hpp): what is left of a matrix without its first axis.
namespace xtape::kernels {

inline constexpr Index narrow = 64;  // elements: shorter rows are taken several abreast

/// Whether registers hold the sums of narrow rows and those of two pairs of them.
template <class T>
inline constexpr bool narrow_fits_registers = 3 * narrow / lanes<T> < vector_registers;

/// add_rows for rows of `narrow` elements: their sums stay in registers, and memory is read in order.
template <class Op, class T>
void add_narrow_rows(T* sums, const T* centre, const T* x, Index stride, Index rows) {
    constexpr Index batches = narrow / lanes<T>;
    Batch<T> sum[batches], c[batches], pair[2][batches];
    for (Index i = 0; i < batches; ++i) {
        sum[i] = Batch<T>::load_unaligned(sums + i * lanes<T>);
        c[i] = Batch<T>::load_unaligned(centre + i * lanes<T>);
    }
    const auto mapped = [&](Index row, Index i) {
        return Op::map(Batch<T>::load_unaligned(x + row * stride + i * lanes<T>), c[i]);
    };
    Index row = 0;
    for (; row + 4 <= rows; row += 4) {
#pragma GCC unroll 2
        for (Index k = 0; k < 2; ++k) {
#pragma GCC unroll 8
            for (Index i = 0; i < batches; ++i) pair[k][i] = mapped(row + 2 * k, i);
#pragma GCC unroll 8
            for (Index i = 0; i < batches; ++i) pair[k][i] = Op::combine(pair[k][i], mapped(row + 2 * k + 1, i));
        }
#pragma GCC unroll 8
        for (Index i = 0; i < batches; ++i) sum[i] = Op::combine(sum[i], Op::combine(pair[0][i], pair[1][i]));
    }
    for (; row < rows; ++row)
        for (Index i = 0; i < batches; ++i) sum[i] = Op::combine(sum[i], mapped(row, i));
    for (Index i = 0; i < batches; ++i) sum[i].store_unaligned(sums + i * lanes<T>);
}

/// sums[j] combined with x[row * stride + j] of every row; four rows at a time, so that sums is seldom touched.
template <class Op, class T>
void add_rows(T* sums, const T* centre, Index width, const T* x, Index stride, Index rows) {
    if constexpr (narrow_fits_registers<T>)
        if (width == narrow) return add_narrow_rows<Op>(sums, centre, x, stride, rows);
    const auto column = [&](auto load, auto store, Index j, Index row, bool four) {
        const auto c = load(centre + j);
        const auto mapped = [&](Index k) { return Op::map(load(x + (row + k) * stride + j), c); };
        const auto sum =
            four ? Op::combine(Op::combine(mapped(0), mapped(1)), Op::combine(mapped(2), mapped(3))) : mapped(0);
        store(sums + j, Op::combine(load(sums + j), sum));
    };
    const auto load_batch = [](const T* from) { return Batch<T>::load_unaligned(from); };
    const auto store_batch = [](T* to, const Batch<T>& value) { value.store_unaligned(to); };
    const auto load_one = [](const T* from) { return *from; };
    const auto store_one = [](T* to, T value) { *to = value; };
    for (Index row = 0; row < rows;) {
        const bool four = row + 4 <= rows;
        Index j = 0;
        for (; j + lanes<T> <= width; j += lanes<T>) column(load_batch, store_batch, j, row, four);
        for (; j < width; ++j) column(load_one, store_one, j, row, four);
        row += four ? 4 : 1;
    }
}

/// out[j] = the combination of x[row * run + j] over few rows, each row right after the last: a small network's bias gradient,
/// which is done before a Reduction is made ready.
template <class Op, class T>
void combine_few_rows(const T* x, const T* centre, Index run, Index rows, T* out) {
    each_batch<T>(run, [&](Index j, Index size) {
        const Batch<T> c = Op::centred ? load(centre + j, size) : Batch<T>(T{0}), nothing(Op::template identity<T>);
        Batch<T> sums[4] = {nothing, nothing, nothing, nothing};
        const auto add = [&](Index row, Index chain) {
            sums[chain] = Op::combine(sums[chain], Op::map(load(x + row * run + j, size), c));
        };
        Index row = 0;
        for (; row + 4 <= rows; row += 4) {
#pragma GCC unroll 4
            for (Index chain = 0; chain < 4; ++chain) add(row + chain, chain);
        }
        for (; row < rows; ++row) add(row, 0);
        store(out + j, Op::combine(Op::combine(sums[0], sums[1]), Op::combine(sums[2], sums[3])), size);
    });
}

}  // namespace xtape::kernels
