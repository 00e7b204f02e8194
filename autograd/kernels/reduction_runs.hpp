#pragma once

#include <algorithm>
#include <type_traits>

#include <xtape/autograd/kernels/fold.hpp>
#include <xtape/autograd/kernels/simd.hpp>
#include <xtape/autograd/kernels/streaming.hpp>

/// Contiguous runs combined by an Op (see reduction.hpp), each to one batch of partial results.
namespace xtape::kernels {

/// Combines runs of one length, as many at once as a batch has lanes. Where a run ends within a batch, its last lanes are
/// padded; lanes beyond a run shorter than a batch are read only up to `end`, where the array ends.
template <class Op, class T>
class RunReducer {
public:
    RunReducer(Index length, const T* end, bool in_turn)
        : length_(length), end_(end), in_turn_(in_turn), ahead_(ahead_of_runs<T>(is_unrolled())) {
        T numbers[N];
        for (Index i = 0; i < N; ++i) numbers[i] = static_cast<T>(i);
        const auto number = Batch<T>::load_unaligned(numbers);
        left_ = length % N;
        if (length < N)
            padded_ = number >= Batch<T>(static_cast<T>(length));
        else
            padded_ =
                number < Batch<T>(static_cast<T>(N - left_));  // of the last whole batch: what was counted already
    }

    /// results[i] for the run at x + offsets[i], which ascend, and the i-th centre.
    void many(const T* x, const Index* offsets, const T* centres, Batch<T>* results) const {
        const auto centre = [&](Index i) { return Batch<T>(Op::centred ? centres[i] : T{0}); };
        const auto each = [&](const auto& result) {
            for (Index i = 0; i < N; ++i) results[i] = result(x + offsets[i], i);
        };
        const auto in_turn = [&](const auto& result) {
            Strips(N, in_turn_).each([&](Index i, Index) { results[i] = result(x + offsets[i], i); });
        };
        if (length_ < N && x + offsets[N - 1] + N <= end_) {
            each([&](const T* run, Index i) { return padded(load_ahead(run), centre(i)); });
        } else if (length_ < N) {
            each([&](const T* run, Index i) { return padded(load_partial(run, length_), centre(i)); });
        } else if (is_unrolled()) {
            unrolled<most_unrolled>(each, centre);
        } else {
            in_turn([&](const T* run, Index i) { return one(run, centre(i)); });
        }
    }

    /// How many batches of runs `adjacent` does where so many runs lie one right after the last: none of long ones, to which
    /// what goes on around a run is nothing.
    Index adjacent_batches(const T* x, Index runs) const {
        if (length_ >= strip_elements<T> || end_ - x < N) return 0;
        const Index before_end = length_ < N ? (end_ - x - N) / length_ + 1 : runs;  // may be read as whole batches
        return std::min(runs, before_end) / N;
    }

    /// results[i] for run i of so many batches of runs without centres, each right after the last; the same bits as by `many`. Runs are asked
    /// for as a whole some time before.
    void adjacent(const T* x, Index batches, T* results) const {
        if (is_unrolled()) return adjacent_unrolled<most_unrolled>(x, batches, results);
        fold_adjacent(x, batches, results, [this](const T* run, Batch<T>* sums) {
            for (Index i = 0; i < N; ++i, run += length_) {
                ask_for(run, adjacent_ahead<T>, length_);
                sums[i] = one(run, Batch<T>(T{0}));
            }
        });
    }

    /// A run of at least a batch. A long one goes by strips, so that rounding grows with the length of one of their parts
    /// and with their number only.
    Batch<T> one(const T* x, const Batch<T>& centre) const {
        constexpr Index part = strip_elements<T>;
        const Index strip = length_ / Strips::most / part * part;
        if (strip < part) return finished(x, length_, centre);
        const auto turn = [&](Index i) {
            Four sum = of_block(x + i, part, centre);
            for (Index k = 1; k < Strips::most; ++k) sum.combine(of_block(x + k * strip + i, part, centre));
            return sum;
        };
        Four whole = turn(0);
        for (Index i = part; i < strip; i += part) whole.combine(turn(i));
        const Index done = Strips::most * strip;
        if (length_ == done) return whole.joined();
        return Op::combine(whole.joined(), rest(x + done, length_ - done, centre));
    }

private:
    static constexpr Index N = lanes<T>;
    static constexpr Index most_unrolled = 8;

    /// Whether runs are of so few batches that there is no loop over these.
    bool is_unrolled() const { return length_ < (most_unrolled + 1) * N; }

    /// Asks for what will be read next too: where the instructions to a line are many, a core looks no further by itself, and
    /// memory stands idle.
    Batch<T> load_ahead(const T* x) const {
        ask_for(x, ahead_);
        return Batch<T>::load_unaligned(x);
    }

    /// Runs of a few whole batches and a rest without a branch between one load and the next: what the memory needs to be
    /// read in order as fast as can be.
    template <Index batches, class Each, class Centre>
    void unrolled(const Each& each, const Centre& centre) const {
        const auto load = [this](const T* from) { return load_ahead(from); };
        if (length_ / N < batches) {
            if constexpr (batches > 1) unrolled<batches - 1>(each, centre);
        } else if (left_ == 0) {
            each([&](const T* run, Index i) { return short_run<batches, false>(run, centre(i), load); });
        } else {
            each([&](const T* run, Index i) { return short_run<batches, true>(run, centre(i), load); });
        }
    }

    /// Runs of at most so many whole batches, and a rest: `adjacent` without a loop over batches.
    template <Index batches>
    void adjacent_unrolled(const T* x, Index count, T* results) const {
        const auto fold = [&](auto ragged) {
            fold_adjacent(x, count, results, [this](const T* run, Batch<T>* sums) {
                const auto load = [](const T* from) { return Batch<T>::load_unaligned(from); };
                ask_for(run, adjacent_ahead<T>, N * length_);
#pragma GCC unroll 16
                for (Index i = 0; i < N; ++i)
                    sums[i] = short_run<batches, decltype(ragged)::value>(run + i * length_, Batch<T>(T{0}), load);
            });
        };
        if constexpr (batches > 0) {
            if (length_ / N < batches) return adjacent_unrolled<batches - 1>(x, count, results);
            if (left_ == 0) return fold(std::false_type());
        }
        fold(std::true_type());
    }

    /// combine(first run, sums) for every batch of runs, and what that makes folded.
    template <class Combine>
    void fold_adjacent(const T* x, Index count, T* results, const Combine& combine) const {
        Strips(count, in_turn_).each([&](Index item, Index) {
            Batch<T> sums[N];
            combine(x + item * N * length_, sums);
            Fold<Op, T>::many(sums).store_unaligned(results + item * N);
        });
    }

    /// A run of so many whole batches, and a rest if it is ragged.
    template <Index batches, bool ragged, class Load>
    Batch<T> short_run(const T* x, const Batch<T>& centre, const Load& load) const {
        if constexpr (batches == 0) {
            return padded(load(x), centre);
        } else {
            const Batch<T> sum = whole<0, batches>(x, centre, load);
            return ragged ? Op::combine(sum, padded(load(x + length_ - N), centre)) : sum;
        }
    }

    /// Batches [begin, end) of a run, in pairs of pairs.
    template <Index begin, Index end, class Load>
    Batch<T> whole(const T* x, const Batch<T>& c, const Load& load) const {
        if constexpr (end - begin == 1)
            return Op::map(load(x + begin * N), c);
        else
            return Op::combine(whole<begin, (begin + end) / 2>(x, c, load), whole<(begin + end) / 2, end>(x, c, load));
    }

    /// Four independent results, so that one addition need not wait for the last.
    struct Four {
        Batch<T> a, b, c, d;

        void combine(const Four& x) {
            a = Op::combine(a, x.a);
            b = Op::combine(b, x.b);
            c = Op::combine(c, x.c);
            d = Op::combine(d, x.d);
        }
        Batch<T> joined() const { return Op::combine(Op::combine(a, b), Op::combine(c, d)); }
    };

    Batch<T> mapped(const T* x, const Batch<T>& centre) const {
        return Op::map(ahead_ > 0 ? load_ahead(x) : Batch<T>::load_unaligned(x), centre);
    }

    Four four(const T* x, const Batch<T>& c) const {
        return {mapped(x, c), mapped(x + N, c), mapped(x + 2 * N, c), mapped(x + 3 * N, c)};
    }

    /// n a multiple of 4 N.
    Four of_block(const T* x, Index n, const Batch<T>& c) const {
        Four sum = four(x, c);
        for (Index i = 4 * N; i < n; i += 4 * N) sum.combine(four(x + i, c));
        return sum;
    }

    /// The last n elements of a run, which is at least a batch long.
    Batch<T> rest(const T* x, Index n, const Batch<T>& c) const {
        return n < N ? padded(Batch<T>::load_unaligned(x + n - N), c) : finished(x, n, c);
    }

    /// n >= N elements, the last ones of the run.
    Batch<T> finished(const T* x, Index n, const Batch<T>& c) const {
        const Index blocks = n / (4 * N) * (4 * N);
        Index i = std::max(blocks, N);
        Batch<T> sum = blocks > 0 ? of_block(x, blocks, c).joined() : mapped(x, c);
        for (; i + N <= n; i += N) sum = Op::combine(sum, mapped(x + i, c));
        if (left_ == 0) return sum;
        return Op::combine(sum, padded(Batch<T>::load_unaligned(x + n - N), c));
    }

    /// Without the lanes that are not the run's or were counted already.
    Batch<T> padded(const Batch<T>& x, const Batch<T>& c) const {
        return Op::map(xsimd::select(padded_, Op::padding(c), x), c);
    }

    Index length_, left_ = 0;
    const T* end_;
    bool in_turn_;
    Index ahead_;
    xsimd::batch_bool<T> padded_;
};

}  // namespace xtape::kernels
