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
/// through the same instructions as in a pass by itself: its bits are the same.
namespace xtape::kernels {

/// A pass that waits.
class DeferredMap final : public Deferred {
public:
    static constexpr std::size_t most_operands = 3;
    static constexpr Index most_waiting = 32;  ///< for one result

    /// Whether a pass with so large a result gains by waiting: else the arrays of a chain stay in a core's own caches anyway.
    static bool is_worthwhile(Index size, DType dtype) { return size * static_cast<Index>(size_of(dtype)) >= 1 << 18; }

    /// f of operands that have `size` elements or one.
    template <class F, class... Arrays>
    DeferredMap(Index size, const F& f, Arrays... operands)
        : size_(size), count_(sizeof...(Arrays)), operands_{std::move(operands)...}, dtype_(operands_[0].dtype()) {
        static_assert(sizeof...(Arrays) <= most_operands && sizeof(F) <= sizeof function_);
        static_assert(std::is_trivially_copyable_v<F>, "it is copied, and outlives whoever calls");
        new (function_) F(f);
        pass_ =
            dispatch(dtype_, [](auto tag) { return pass_of<decltype(tag), F>(std::index_sequence_for<Arrays...>()); });
    }

    static void* operator new(std::size_t bytes);
    static void operator delete(void* memory, std::size_t bytes) noexcept;

private:
    struct Step;
    class Plan;
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

    void prepare(Turn& turn) override;
    void evaluate(Turn& turn) override;
    bool reads(const void* elements) const override;

    /// The operand, where it waits itself; else null.
    DeferredMap* waiting(std::size_t operand) const;
    void pass(const Step& step, Index offset, std::byte* memory, Index n) const;

    Index size_;
    std::size_t count_;
    Array operands_[most_operands];
    DType dtype_;
    Pass pass_;
    alignas(std::max_align_t) std::byte function_[32];
    Index passes_ = 1;      ///< what waits for this array and this itself, repetitions counted
    Step* step_ = nullptr;  ///< its place while a plan is made
};

/// f over operands of one dtype that have all elements of `shape` or one, when the result is read. f is copied and must refer to
/// nothing that will not last.
template <class F, class... Arrays>
[[gnu::noinline]] Array map_later(const Shape& shape, const F& f, Arrays... operands) {
    const DType dtype = (operands.dtype(), ...);
    return Array::deferred(shape, dtype, std::make_unique<DeferredMap>(shape.count(), f, std::move(operands)...));
}

}  // namespace xtape::kernels
