#include <xtape/autograd/kernels/deferred_map.hpp>

#include <xtape/autograd/kernels/deferred_plan.hpp>
#include <xtape/autograd/kernels/gemm.hpp>

namespace xtape::kernels {

DeferredMap::DeferredMap(const Array& x, const Array& w)
    : Deferred(x, w), size_(x.shape()[0]), dtype_(x.dtype()), row_(x.shape()[1]) {
    new (function_) Index(row_);
    pass_ = dispatch(dtype_, [](auto tag) -> Pass {
        using T = decltype(tag);
        return [](const void* f, void* out, const void* const* in, Index n, detail::Manner) {
            const Index row = *static_cast<const Index*>(f);
            gemm<T>(n, 1, row, {static_cast<const T*>(in[0]), row}, {static_cast<const T*>(in[1]), 1},
                    static_cast<T*>(out), 1, false);
        };
    });
}

DeferredMap* DeferredMap::of(const Array& array, Index size) {
    auto* const map = dynamic_cast<DeferredMap*>(Deferred::of(array));
    return map && map->size_ == size ? map : nullptr;
}

bool DeferredMap::waits_for_product(const Array& array, const Array* matrix) {
    if (!array.waits()) return false;
    const Turn turn;
    const DeferredMap* const how = of(array, array.size());
    Seen seen;
    return how && how->has_product(matrix, seen);
}

void DeferredMap::limit_products() {
    constexpr int most = 4;
    for (;;) {
        Turn turn;
        Deferred* oldest = nullptr;
        int count = 0;
        for (Deferred* each = newest(); each; each = each->older())
            if (const auto* const map = dynamic_cast<DeferredMap*>(each); map && map->row_ > 0) {
                oldest = each;
                ++count;
            }
        if (count < most) return;
        oldest->evaluate(turn);
    }
}

bool DeferredMap::has_product(const Array* matrix, Seen& seen) const {
    if (!seen.add(*this)) return false;
    if (row_ > 0) return !matrix || operand(0).identity() == matrix->identity();
    for (std::size_t k = 0; k < operand_count(); ++k)
        if (const DeferredMap* const before = of(operand(k), size_))
            if (before->has_product(matrix, seen)) return true;
    return false;
}

/// What doing all passes would give back: arrays that nobody holds but those that wait.
class DeferredMap::Burden {
public:
    static constexpr Index most = 450;  ///< a sum of many arrays, of gradients say, holds a few of them at a time

    /// In hundredths of an array. One that others hold too counts for the part of it that those that wait hold.
    static Index of(const DeferredMap& map) { return Burden().with(map); }

private:
    Index with(const DeferredMap& map) {
        for (std::size_t k = 0; k < map.operand_count(); ++k) {
            if (const DeferredMap* const operand = DeferredMap::of(map.operand(k), map.size_)) {
                if (seen_.add(*operand)) with(*operand);
            } else if (map.operand(k).size() == map.size_) {
                hundredths_ += 100 / static_cast<Index>(map.operand(k).holders());
            }
        }
        return hundredths_;
    }

    Seen seen_;
    Index hundredths_ = 0;
};

/// Beside the matrix of a product all this is little.
bool DeferredMap::holds_too_much() const {
    Seen seen;
    return Burden::of(*this) > Burden::most && !has_product(nullptr, seen);
}

void DeferredMap::evaluate(Turn& turn) {
    Deferred* before;
    {
        DeferredPlan plan(*this);
        before = plan.before();
        if (!before && !plan.is_busy()) return plan.carry_out(turn);
    }
    before ? before->evaluate(turn) : turn.wait();
}

}  // namespace xtape::kernels
