#pragma once

#include <algorithm>
#include <utility>

#include <xtape/autograd/kernels/simd.hpp>
#include <xtape/autograd/kernels/streaming.hpp>

/// Contiguous runs combined by an Op (see reduction.hpp), each to one batch of partial results, and batches to numbers.
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
        if (length_ / N < batches) {
            if constexpr (batches > 1) unrolled<batches - 1>(each, centre);
        } else if (left_ == 0) {
            each([&](const T* run, Index i) { return whole<0, batches>(run, centre(i)); });
        } else {
            each([&](const T* run, Index i) {
                const Batch<T> c = centre(i), sum = whole<0, batches>(run, c);
                return Op::combine(sum, padded(load_ahead(run + length_ - N), c));
            });
        }
    }

    /// Batches [begin, end) of a run, in pairs of pairs.
    template <Index begin, Index end>
    Batch<T> whole(const T* x, const Batch<T>& c) const {
        if constexpr (end - begin == 1)
            return Op::map(load_ahead(x + begin * N), c);
        else
            return Op::combine(whole<begin, (begin + end) / 2>(x, c), whole<(begin + end) / 2, end>(x, c));
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

/// The lanes of batches folded to numbers: each half onto the other until one is left, alone or as many batches at once as
/// there are lanes, to the same bits.
template <class Op, class T>
class Fold {
public:
    static constexpr Index N = lanes<T>;

    static T one(const Batch<T>& batch) {
        alignas(64) T lane[N];
        batch.store_aligned(lane);
        for (Index half = N / 2; half > 0; half /= 2)
            for (Index i = 0; i < half; ++i) lane[i] = Op::combine(lane[i], lane[i + half]);
        return lane[0];
    }

    /// Lane i of the result is one(batches[i]).
    static Batch<T> many(Batch<T>* batches) { return halves<N / 2>(batches); }

private:
    using Lanes = std::make_integer_sequence<int, static_cast<int>(N)>;

    template <Index half>
    static Batch<T> halves(Batch<T>* batches) {
        if constexpr (half == 0) {
            return batches[0];
        } else {
#pragma GCC unroll 16
            for (Index i = 0; i < half; ++i)
                batches[i] = folded<half>(as_vector(batches[i]), as_vector(batches[i + half]), Lanes());
            return halves<half / 2>(batches);
        }
    }

    /// Halves of `half` lanes folded onto one another, of x in the first of each two and of y in the second.
    template <Index half, int... lane>
    static Batch<T> folded(const Vector<T>& x, const Vector<T>& y, std::integer_sequence<int, lane...>) {
        constexpr int h = static_cast<int>(half), n = static_cast<int>(N);
        const Vector<T> first = __builtin_shufflevector(x, y, ((lane & h) ? n + lane - h : lane)...);
        const Vector<T> second = __builtin_shufflevector(x, y, ((lane & h) ? n + lane : lane + h)...);
        return Op::combine(as_batch<T>(first), as_batch<T>(second));
    }
};

}  // namespace xtape::kernels
