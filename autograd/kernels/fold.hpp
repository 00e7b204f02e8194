#pragma once

#include <utility>

#include <xtape/autograd/kernels/simd.hpp>

/// Batches combined by an Op (see reduction.hpp) to numbers.
namespace xtape::kernels {

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

    /// Lane i of the result is one(batches[i]). Inlined, so that the batches may stay in registers.
    [[gnu::always_inline]] static Batch<T> many(Batch<T>* batches) { return halves<N / 2>(batches); }

private:
    using Lanes = std::make_integer_sequence<int, static_cast<int>(N)>;

    template <Index half>
    [[gnu::always_inline]] static Batch<T> halves(Batch<T>* batches) {
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
    [[gnu::always_inline]] static Batch<T> folded(const Vector<T>& x, const Vector<T>& y,
                                                  std::integer_sequence<int, lane...>) {
        constexpr int h = static_cast<int>(half), n = static_cast<int>(N);
        const Vector<T> first = __builtin_shufflevector(x, y, ((lane & h) ? n + lane - h : lane)...);
        const Vector<T> second = __builtin_shufflevector(x, y, ((lane & h) ? n + lane : lane + h)...);
        return Op::combine(as_batch<T>(first), as_batch<T>(second));
    }
};

}  // namespace xtape::kernels
