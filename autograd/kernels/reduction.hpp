#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include <xtape/autograd/array.hpp>
#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/autograd/kernels/scratch.hpp>
#include <xtape/autograd/kernels/simd.hpp>

/// The loops behind every reduction. An Op says how an element is mapped before it is combined (with the centre of its
/// output, if Op::centred), how two values combine, and what may pad a row so that it changes nothing.
namespace xtape::kernels {

/// A reduction after merging adjacent axes of the same kind. Either the innermost run is reduced, to one value per
/// output; or it is kept, and `rows` consecutive runs are added up, `outer` times.
struct ReductionPlan {
    ReductionPlan(const Shape& x, const Shape& axes);

    bool inner_reduced = false;
    Index run = 1;      ///< elements of the innermost run
    Index rows = 1;     ///< runs in a row that go into the same output run; 1 when the run itself is reduced
    Index outputs = 1;  ///< output runs; single values when the run is reduced
    Index outer = 1;    ///< how many blocks of `rows` runs go into one output run
    Shape kept_sizes, kept_strides, reduced_sizes, reduced_strides;

    Index output_width() const { return inner_reduced ? 1 : run; }
    Index output_offset(Index i) const { return offset(kept_sizes, kept_strides, i); }
    Index block_offset(Index i) const { return offset(reduced_sizes, reduced_strides, i); }

private:
    static Index offset(const Shape& sizes, const Shape& strides, Index i) {
        Index elements = 0, axis = sizes.rank() - 1;
        for (; axis > 0; --axis) {
            elements += i % sizes[axis] * strides[axis];
            i /= sizes[axis];
        }
        return axis == 0 ? elements + i * strides[0] : 0;
    }
};

/// Combines elements of contiguous runs in four independent batches.
template <class Op, class T>
class RunAccumulator {
public:
    /// n >= lanes<T>. A long run goes by blocks with sums of their own, so that rounding grows with their number only.
    void add(const T* x, Index n, T centre) {
        constexpr Index block = 128 * lanes<T>;
        for (; n >= 2 * block; x += block, n -= block) {
            RunAccumulator part;
            part.add_block(x, block, centre);
            join(part);
        }
        add_block(x, n, centre);
    }

    T total() const {
        alignas(64) T lane[lanes<T>];
        Op::combine(Op::combine(first_, second_), Op::combine(third_, fourth_)).store_aligned(lane);
        return fold<lanes<T>>(lane);
    }

private:
    void add_block(const T* x, Index n, T centre) {
        constexpr Index N = lanes<T>;
        const Batch<T> c(centre);
        const auto mapped = [&](Index i) { return Op::map(Batch<T>::load_unaligned(x + i), c); };
        Index i = 0;
        for (; i + 4 * N <= n; i += 4 * N) {
            first_ = Op::combine(first_, mapped(i));
            second_ = Op::combine(second_, mapped(i + N));
            third_ = Op::combine(third_, mapped(i + 2 * N));
            fourth_ = Op::combine(fourth_, mapped(i + 3 * N));
        }
        if (i + N <= n) first_ = Op::combine(first_, mapped(i));
        if (i + 2 * N <= n) second_ = Op::combine(second_, mapped(i + N));
        if (i + 3 * N <= n) third_ = Op::combine(third_, mapped(i + 2 * N));
        if (const Index left = n % N; left > 0) {  // the last whole batch once more, without the lanes already counted
            const auto counted = Batch<T>::load_unaligned(lane_numbers.data()) < Batch<T>(static_cast<T>(N - left));
            const Batch<T> last = Batch<T>::load_unaligned(x + n - N);
            fourth_ = Op::combine(fourth_, Op::map(xsimd::select(counted, Op::padding(c), last), c));
        }
    }

    void join(const RunAccumulator& part) {
        first_ = Op::combine(first_, part.first_);
        second_ = Op::combine(second_, part.second_);
        third_ = Op::combine(third_, part.third_);
        fourth_ = Op::combine(fourth_, part.fourth_);
    }

    template <Index n>
    static T fold(const T* lane) {
        if constexpr (n == 1)
            return *lane;
        else
            return Op::combine(fold<n / 2>(lane), fold<n / 2>(lane + n / 2));
    }

    static constexpr std::array<T, static_cast<std::size_t>(lanes<T>)> count_lanes() {
        std::array<T, static_cast<std::size_t>(lanes<T>)> numbers{};
        for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<T>(i);
        return numbers;
    }
    static constexpr std::array<T, static_cast<std::size_t>(lanes<T>)> lane_numbers = count_lanes();

    Batch<T> first_ = Batch<T>(Op::template identity<T>), second_ = first_, third_ = first_, fourth_ = first_;
};

/// sums[j] combined with x[row * stride + j] of every row; four rows at a time, so that sums is seldom touched.
template <class Op, class T>
void add_rows(T* sums, const T* centre, Index width, const T* x, Index stride, Index rows) {
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

/// One reduction over memory: which part of the work makes which partial result.
template <class Op, class T>
class Reduction {
public:
    Reduction(const ReductionPlan& plan, const T* x, const T* centre) : plan_(plan), x_(x), centre_(centre) {
        if (plan.inner_reduced) {
            pieces_per_run_ = std::max<Index>(1, plan.run / chunk);  // the last takes what is left over
            runs_per_chunk_ = std::max<Index>(1, chunk / plan.run);
            chunks_ = pieces_per_run_ > 1 ? plan.outer * pieces_per_run_ : divide_up(plan.outer, runs_per_chunk_);
        } else {
            column_blocks_ = divide_up(plan.run, widest);
            const bool enough_outputs = plan.outputs * column_blocks_ >= 16;
            rows_per_chunk_ = std::max<Index>(enough_outputs ? 512 : 64, chunk / std::min(plan.run, widest));
            chunks_ = divide_up(plan.outer * plan.rows, rows_per_chunk_);
            if (plan.run < 64 && plan.rows > 1)
                runs_abreast_ = std::min(plan.rows, lanes<T> * std::max<Index>(1, 64 / (lanes<T> * plan.run)));
        }
    }

    /// Partial results of one output run; more than one are to be combined in order.
    Index chunks() const { return chunks_; }
    Index tasks() const { return plan_.outputs * chunks_ * column_blocks_; }

    /// Tasks that together are worth a piece of parallel work.
    Index grain() const {
        const Index elements = plan_.outputs * plan_.outer * plan_.rows * plan_.run;
        return std::max<Index>(1, 2 * chunk / std::max<Index>(1, elements / tasks()));
    }

    /// Does tasks [begin, end) into partials[output][chunk][column].
    void run(Index begin, Index end, T* partials) const {
        if (plan_.inner_reduced && chunks_ == 1) {
            for (Index output = begin; output < end; ++output) partials[output] = reduce_runs(output, 0);
            return;
        }
        for (Index task = begin; task < end; ++task) {
            const Index block = task % column_blocks_, part = task / column_blocks_;
            const Index output = part / chunks_, piece = part % chunks_;
            if (plan_.inner_reduced)
                partials[part] = reduce_runs(output, piece);
            else
                combine_rows(output, piece, block, partials + part * plan_.run);
        }
    }

private:
    static constexpr Index chunk = 1 << 14;   // elements one task adds up: bounds the rounding error of a long sum
    static constexpr Index widest = 1 << 12;  // columns whose sums stay in the first-level cache

    static Index divide_up(Index n, Index d) { return (n + d - 1) / d; }

    T reduce_runs(Index output, Index piece) const {
        const T* x = x_ + plan_.output_offset(output);
        const T centre = Op::centred ? centre_[output] : T{0};
        const Index first_run = pieces_per_run_ > 1 ? piece / pieces_per_run_ : piece * runs_per_chunk_;
        const Index last_run = std::min(plan_.outer, first_run + runs_per_chunk_);
        if (plan_.run < lanes<T>) {
            T sum = Op::template identity<T>;
            for (Index i = first_run; i < last_run; ++i) {
                const T* from = x + plan_.block_offset(i);
                for (Index j = 0; j < plan_.run; ++j) sum = Op::combine(sum, Op::map(from[j], centre));
            }
            return sum;
        }
        RunAccumulator<Op, T> sum;
        if (pieces_per_run_ > 1) {
            const Index number = piece % pieces_per_run_, begin = number * chunk;
            const Index end = number + 1 == pieces_per_run_ ? plan_.run : begin + chunk;
            sum.add(x + plan_.block_offset(first_run) + begin, end - begin, centre);
        } else {
            for (Index i = first_run; i < last_run; ++i) sum.add(x + plan_.block_offset(i), plan_.run, centre);
        }
        return sum.total();
    }

    void combine_rows(Index output, Index piece, Index block, T* partial) const {
        const Index first_column = block * widest, columns = std::min(widest, plan_.run - first_column);
        const T* x = x_ + plan_.output_offset(output);
        // Short runs are taken several abreast: `width` sums, of which every run-th belongs to the same column.
        const Index width = columns * runs_abreast_;
        alignas(64) T sums[widest];
        alignas(64) T centres[Op::centred ? widest : 1];
        std::fill_n(sums, width, Op::template identity<T>);
        if (Op::centred)
            for (Index i = 0; i < runs_abreast_; ++i)
                std::copy_n(centre_ + output * plan_.run + first_column, columns, centres + i * columns);
        const T* centre = Op::centred ? centres : sums;

        Index row = piece * rows_per_chunk_;
        const Index last = std::min(plan_.outer * plan_.rows, row + rows_per_chunk_);
        while (row < last) {
            const Index within = row % plan_.rows, count = std::min(plan_.rows - within, last - row);
            const T* from = x + plan_.block_offset(row / plan_.rows) + within * plan_.run + first_column;
            const Index abreast = count / runs_abreast_, left = count % runs_abreast_;
            add_rows<Op>(sums, centre, width, from, runs_abreast_ * plan_.run, abreast);
            if (left > 0) add_rows<Op>(sums, centre, left * columns, from + abreast * width, 0, 1);
            row += count;
        }
        for (Index i = 1; i < runs_abreast_; ++i)
            for (Index j = 0; j < columns; ++j) sums[j] = Op::combine(sums[j], sums[i * columns + j]);
        std::copy_n(sums, columns, partial + first_column);
    }

    const ReductionPlan& plan_;
    const T* x_;
    const T* centre_;
    Index chunks_ = 1, column_blocks_ = 1;
    Index pieces_per_run_ = 1, runs_per_chunk_ = 1;  // when the run is reduced
    Index rows_per_chunk_ = 1, runs_abreast_ = 1;    // when it is kept
};

/// x reduced over normalised axes by Op.
template <class Op>
Array reduce(const Array& x, const Array& centre, const Shape& axes, bool keepdims) {
    Array y = Array::uninitialized(shapes::reduced(x.shape(), axes, keepdims), x.dtype());
    if (y.size() == 0) return y;
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        T* const out = y.mutable_data<T>();
        if (x.size() == 0) {
            std::fill_n(out, y.size(), Op::template identity<T>);
            return;
        }
        const ReductionPlan plan(x.shape(), axes);
        const Reduction<Op, T> reduction(plan, x.data<T>(), Op::centred ? centre.data<T>() : nullptr);
        const Index chunks = reduction.chunks(), width = plan.output_width();
        if (chunks == 1) {
            parallel_for(reduction.tasks(), reduction.grain(),
                         [&](Index begin, Index end) { reduction.run(begin, end, out); });
            return;
        }
        const Scratch<T> partial(plan.outputs * chunks * width);
        T* const partials = partial.data();
        parallel_for(reduction.tasks(), reduction.grain(),
                     [&](Index begin, Index end) { reduction.run(begin, end, partials); });
        parallel_for(plan.outputs, std::max<Index>(1, (1 << 15) / (chunks * width)), [&](Index begin, Index end) {
            for (Index output = begin; output < end; ++output) {
                T* const first = partials + output * chunks * width;
                for (Index step = 1; step < chunks; step *= 2)  // in pairs of pairs: rounding grows with log(chunks)
                    for (Index i = 0; i + step < chunks; i += 2 * step)
                        for (Index j = 0; j < width; ++j)
                            first[i * width + j] = Op::combine(first[i * width + j], first[(i + step) * width + j]);
                std::copy_n(first, width, out + output * width);
            }
        });
    });
    return y;
}

}  // namespace xtape::kernels
