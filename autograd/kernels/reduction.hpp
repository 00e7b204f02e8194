#pragma once

#include <algorithm>

#include <xtape/autograd/array.hpp>
#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/autograd/kernels/reduction_plan.hpp>
#include <xtape/autograd/kernels/reduction_rows.hpp>
#include <xtape/autograd/kernels/reduction_runs.hpp>
#include <xtape/autograd/kernels/scratch.hpp>
#include <xtape/autograd/kernels/simd.hpp>

/// The loops behind every reduction. An Op says how an element is mapped before it is combined (with the centre of its
/// output, if Op::centred), how two values combine, and what may pad a row so that it changes nothing.
namespace xtape::kernels {

/// One reduction over memory: which part of the work makes which partial result.
template <class Op, class T>
class Reduction {
public:
    Reduction(const ReductionPlan& plan, const T* x, const T* centre)
        : plan_(plan),
          x_(x),
          centre_(centre),
          elements_(plan.outputs * plan.outer * plan.rows * plan.run),
          in_turn_(exceeds_near_caches<T>(elements_) && gains_by_turns()) {
        if (plan.inner_reduced) {
            pieces_per_run_ = std::max<Index>(1, plan.run / chunk);  // the last takes what is left over
            runs_per_chunk_ = std::max<Index>(1, chunk / plan.run);
            chunks_ = pieces_per_run_ > 1 ? plan.outer * pieces_per_run_ : divide_up(plan.outer, runs_per_chunk_);
            // Outputs side by side in memory go together, so that it is read in order, but leave some tasks to share out.
            if (pieces_per_run_ == 1 && plan.outer > 1)
                abreast_ = std::clamp(plan.outputs * chunks_ / 16 / lanes<T> * lanes<T>, lanes<T>, most_abreast);
            else if (pieces_per_run_ == 1)
                abreast_ = lanes<T>;
            tasks_ = chunks_ * divide_up(plan.outputs, abreast_);
        } else {
            column_blocks_ = divide_up(plan.run, widest);
            const bool enough_outputs = plan.outputs * column_blocks_ >= 16;
            rows_per_chunk_ = std::max<Index>(enough_outputs ? 512 : 64, chunk / std::min(plan.run, widest));
            chunks_ = divide_up(plan.outer * plan.rows, rows_per_chunk_);
            if (plan.run < narrow && plan.rows > 1)
                abreast_ = std::min(plan.rows, lanes<T> * std::max<Index>(1, narrow / (lanes<T> * plan.run)));
            tasks_ = plan.outputs * chunks_ * column_blocks_;
        }
    }

    /// Partial results of one output run; more than one are to be combined in order.
    Index chunks() const { return chunks_; }
    Index tasks() const { return tasks_; }

    Order order() const { return exceeds_caches<T>(elements_) ? Order::forward : Order::to_and_fro; }
    /// Tasks that together are worth a piece of parallel work.
    Index grain() const { return std::max<Index>(1, 2 * chunk / std::max<Index>(1, elements_ / tasks_)); }

    /// Does tasks [begin, end) into partials[output][chunk][column].
    void run(Index begin, Index end, T* partials) const {
        if (!plan_.inner_reduced) {
            for (Index task = begin; task < end; ++task) {
                const Index block = task % column_blocks_, part = task / column_blocks_;
                combine_rows(part / chunks_, part % chunks_, block, partials + part * plan_.run);
            }
        } else if (pieces_per_run_ > 1) {
            for (Index task = begin; task < end; ++task) partials[task] = reduce_piece(task / chunks_, task % chunks_);
        } else {
            const RunReducer<Op, T> reducer(plan_.run, x_ + elements_, in_turn_);
            const Index groups = tasks_ / chunks_;
            if constexpr (!Op::centred)
                if (plan_.outer == 1) begin = reduce_adjacent(reducer, begin, end, partials);
            Strips(end - begin, in_turn_).each([&](Index item, Index) {
                const Index task = begin + item;
                reduce_runs(reducer, task % groups * abreast_, task / groups, partials);
            });
        }
    }

private:
    static constexpr Index chunk = 1 << 14;   // elements one task adds up: bounds the rounding error of a long sum
    static constexpr Index widest = 1 << 12;  // columns whose sums stay in the first-level cache
    static constexpr Index most_abreast = 16 * lanes<T>;

    static Index divide_up(Index n, Index d) { return (n + d - 1) / d; }

    /// A piece of one long run.
    T reduce_piece(Index output, Index piece) const {
        const Index number = piece % pieces_per_run_, begin = number * chunk;
        const Index end = number + 1 == pieces_per_run_ ? plan_.run : begin + chunk;
        const T* x = x_ + plan_.output_offset(output) + plan_.block_offset(piece / pieces_per_run_);
        const RunReducer<Op, T> reducer(end - begin, x_ + elements_, in_turn_);
        return Fold<Op, T>::one(reducer.one(x + begin, Batch<T>(Op::centred ? centre_[output] : T{0})));
    }

    /// Of the tasks [begin, end), batches of runs right after one another, as many as can be done so; returns the next.
    Index reduce_adjacent(const RunReducer<Op, T>& reducer, Index begin, Index end, T* partials) const {
        const Index first = begin * abreast_, runs = std::min(end * abreast_, plan_.outputs) - first;
        const Index batches = reducer.adjacent_batches(x_ + first * plan_.run, runs);
        reducer.adjacent(x_ + first * plan_.run, batches, partials + first);
        return begin + batches;
    }

    /// Whole runs of up to `abreast_` outputs: the runs of a block lie side by side, so that memory is read in order. The
    /// last output stands in for those missing in the last batch.
    void reduce_runs(const RunReducer<Op, T>& reducer, Index first_output, Index piece, T* partials) const {
        constexpr Index N = lanes<T>;
        const Index outputs = std::min(abreast_, plan_.outputs - first_output);
        const Index first_run = piece * runs_per_chunk_, last_run = std::min(plan_.outer, first_run + runs_per_chunk_);
        Index offsets[most_abreast];
        T centres[Op::centred ? most_abreast : 1];
        Batch<T> sums[most_abreast];
        plan_.output_offsets(first_output, outputs, offsets);
        if constexpr (Op::centred) std::copy_n(centre_ + first_output, outputs, centres);
        for (Index i = outputs; i % N != 0; ++i) {
            offsets[i] = offsets[outputs - 1];
            if constexpr (Op::centred) centres[i] = centres[outputs - 1];
        }
        for (Index i = 0; i < outputs; i += N)
            reducer.many(x_ + plan_.block_offset(first_run), offsets + i, Op::centred ? centres + i : centres,
                         sums + i);
        for (Index run = first_run + 1; run < last_run; ++run) {
            const T* x = x_ + plan_.block_offset(run);
            for (Index i = 0; i < outputs; i += N) {
                Batch<T> results[N];
                reducer.many(x, offsets + i, Op::centred ? centres + i : centres, results);
                for (Index k = 0; k < N; ++k) sums[i + k] = Op::combine(sums[i + k], results[k]);
            }
        }
        T* const to = partials + first_output * chunks_ + piece;
        for (Index i = 0; i < outputs; i += N) {
            const Batch<T> results = Fold<Op, T>::many(sums + i);
            const Index count = std::min(N, outputs - i);
            if (count == N && chunks_ == 1) {
                results.store_unaligned(to + i);
            } else {
                alignas(64) T lane[N];
                results.store_aligned(lane);
                for (Index k = 0; k < count; ++k) to[(i + k) * chunks_] = lane[k];
            }
        }
    }

    void combine_rows(Index output, Index piece, Index block, T* partial) const {
        const Index first_column = block * widest, columns = std::min(widest, plan_.run - first_column);
        const T* x = x_ + plan_.output_offset(output);
        // Short runs are taken several abreast: `width` sums, of which every run-th belongs to the same column.
        const Index width = columns * abreast_;
        alignas(64) T sums[widest];
        alignas(64) T centres[Op::centred ? widest : 1];
        std::fill_n(sums, width, Op::template identity<T>);
        if (Op::centred)
            for (Index i = 0; i < abreast_; ++i)
                std::copy_n(centre_ + output * plan_.run + first_column, columns, centres + i * columns);
        const T* centre = Op::centred ? centres : sums;

        Index row = piece * rows_per_chunk_;
        const Index last = std::min(plan_.outer * plan_.rows, row + rows_per_chunk_);
        while (row < last) {
            const Index within = row % plan_.rows, count = std::min(plan_.rows - within, last - row);
            const T* from = x + plan_.block_offset(row / plan_.rows) + within * plan_.run + first_column;
            const Index abreast = count / abreast_, left = count % abreast_;
            add_rows<Op>(sums, centre, width, from, abreast_ * plan_.run, abreast);
            if (left > 0) add_rows<Op>(sums, centre, left * columns, from + abreast * width, 0, 1);
            row += count;
        }
        for (Index i = 1; i < abreast_; ++i)
            for (Index j = 0; j < columns; ++j) sums[j] = Op::combine(sums[j], sums[i * columns + j]);
        std::copy_n(sums, columns, partial + first_column);
    }

    const ReductionPlan& plan_;
    const T* x_;
    const T* centre_;
    Index elements_;
    bool in_turn_;
    Index chunks_ = 1, tasks_ = 1;
    Index abreast_ = 1;                              // runs that are worked on together
    Index pieces_per_run_ = 1, runs_per_chunk_ = 1;  // when the run is reduced
    Index rows_per_chunk_ = 1, column_blocks_ = 1;   // when it is kept
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
        const T* const centres = Op::centred ? centre.data<T>() : nullptr;
        if (plan.is_few_rows()) return combine_few_rows<Op>(x.data<T>(), centres, plan.run, plan.rows, out);
        if (plan.is_one_run() && plan.run >= lanes<T>) {  // a small loss: not as many runs at once as a batch has lanes
            const RunReducer<Op, T> reducer(plan.run, x.data<T>() + plan.run, /*far*/ false);
            *out = Fold<Op, T>::one(reducer.one(x.data<T>(), Batch<T>(Op::centred ? *centres : T{0})));
            return;
        }
        const Reduction<Op, T> reduction(plan, x.data<T>(), centres);
        const Index chunks = reduction.chunks(), width = plan.output_width();
        if (chunks == 1) {
            parallel_for(
                reduction.tasks(), reduction.grain(), [&](Index begin, Index end) { reduction.run(begin, end, out); },
                reduction.order());
            return;
        }
        const Scratch<T> partial(plan.outputs * chunks * width);
        T* const partials = partial.data();
        parallel_for(
            reduction.tasks(), reduction.grain(), [&](Index begin, Index end) { reduction.run(begin, end, partials); },
            reduction.order());
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
