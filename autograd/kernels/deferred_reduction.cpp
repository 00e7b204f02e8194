#include <xtape/autograd/kernels/deferred_reduction.hpp>

#include <xtape/autograd/kernels/deferred_map.hpp>

namespace xtape::kernels {

namespace {

class DeferredReduction final : public Deferred {
public:
    DeferredReduction(ReductionFunction reduction, const Array& x, const Shape& axes)
        : Deferred(x), reduction_(reduction), axes_(axes) {}

private:
    void evaluate(Turn& turn) override {
        evaluate_alone(turn, [this] { return reduction_(operand(0), axes_, false); });
    }

    ReductionFunction reduction_;
    Shape axes_;
};

}  // namespace

Array reduce_later(ReductionFunction reduction, const Array& x, const Shape& axes, bool keepdims) {
    if (!DeferredMap::waits_for_product(x)) return {};
    const Shape shape = shapes::reduced(x.shape(), axes, keepdims);
    if (shape.count() == x.size()) return {};  // the same elements
    return Array::deferred(shape, x.dtype(), std::make_unique<DeferredReduction>(reduction, x, axes));
}

}  // namespace xtape::kernels
