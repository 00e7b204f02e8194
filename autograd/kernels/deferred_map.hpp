#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include <xtape/autograd/deferred.hpp>
#include <xtape/autograd/kernels/map.hpp>

/// Element-wise passes over large arrays wait until their result is read. Then all of them that it needs are done together, a
/// few KB of each after the other, and what only they need of one another never leaves the first caches. An element goes
/// through the same instructions as in a pass by itself: its bits are the same. A chain may begin with a product
/// (deferred_product.hpp).
namespace xtape::kernels {

/// A function of a few instructions: what it gives need not be kept where few arrays make it again.
template <class F>
struct Cheap : F {
    using F::operator();
};
template <class F>
Cheap(F) -> Cheap<F>;

template <class F>
inline constexpr bool is_cheap = false;
template <class F>
inline constexpr bool is_cheap<Cheap<F>> = true;

/// A pass that waits.
class DeferredMap final : public Deferred {
public:
    /// Whether a pass with so large a result gains by waiting: else the arrays of a chain stay in a core's own caches anyway.
    static bool is_worthwhile(Index size, DType dtype) { return size * static_cast<Index>(size_of(dtype)) >= 1 << 18; }

    /// f of operands that have `size` elements or one.
    template <class F, class... Arrays>
    DeferredMap(Index size, const F& f, Arrays... operands)
        : Deferred(std::move(operands)...), size_(size), dtype_(operand(0).dtype()), cheap_(is_cheap<F>) {
        static_assert(sizeof(F) <= sizeof function_);
        static_assert(std::is_trivially_copyable_v<F>, "it is copied, and outlives whoever calls");
        new (function_) F(f);
        pass_ =
            dispatch(dtype_, [](auto tag) { return pass_of<decltype(tag), F>(std::index_sequence_for<Arrays...>()); });
    }
    /// x w for a matrix x and a column w: an element for each row of x.
    DeferredMap(const Array& x, const Array& w);

    /// How the array will be computed, where that is by a pass of this size; else null.
    static DeferredMap* of(const Array& array, Index size);
    /// Whether the array waits, element by element, for a product with a column; of this matrix if one is given.
    static bool waits_for_product(const Array& array, const Array* matrix = nullptr);
    /// Computes the oldest of products that wait, as long as there are so many that they hold too many matrices.
    static void limit_products();

private:
    friend class DeferredPlan;
    class Burden;

    /// out = f(in...), for n elements of each.
    using Pass = void (*)(const void* f, void* out, const void* const* in, Index n, detail::Manner manner);

    template <class T, class F, std::size_t... I>
    static Pass pass_of(std::index_sequence<I...>) {
        return [](const void* f, void* out, const void* const* in, Index n, detail::Manner manner) {
            detail::map_run(static_cast<T*>(out), n, manner, *static_cast<const F*>(f),
                            detail::Row<T>{static_cast<const T*>(in[I])}...);
        };
    }

    void evaluate(Turn& turn) override;
    bool holds_too_much() const override;
    bool has_product(const Array* matrix, Seen& seen) const;

    Index size_;
    DType dtype_;
    bool cheap_ = false;
    int times_repeated_ = 0;  ///< that it was computed for others and not kept
    Index row_ = 0;           ///< of a product: elements of x in a row
    Pass pass_;
    alignas(std::max_align_t) std::byte function_[32];
};

/// f over operands of one dtype that have all elements of `shape` or one, when the result is read. f is copied and must refer to
/// nothing that will not last.
template <class F, class... Arrays>
[[gnu::noinline]] Array map_later(const Shape& shape, const F& f, Arrays... operands) {
    const DType dtype = (operands.dtype(), ...);
    return Array::deferred(shape, dtype, std::make_unique<DeferredMap>(shape.count(), f, std::move(operands)...));
}

}  // namespace xtape::kernels
