#include <xtape/autograd/kernels/deferred_product.hpp>

#include <xtape/autograd/kernels/deferred_map.hpp>
#include <xtape/autograd/kernels/gemm.hpp>

namespace xtape::kernels {

void DeferredGradient::evaluate(Turn& turn) {
    // Evaluating the factor does this too, if both can be done together.
    evaluate_alone(turn, [this] { return matmul(matrix(), true, factor(), false); });
}

Array product_later(const Array& x, const Array& w) {
    if (x.rank() != 2 || w.rank() != 2 || w.shape()[1] != 1) return {};
    const Index rows = x.shape()[0], columns = x.shape()[1];
    const bool is_far = dispatch(x.dtype(), [&](auto tag) { return exceeds_near_caches<decltype(tag)>(x.size()); });
    if (!is_far || rows_of_piece(rows, columns) == 0) return {};
    DeferredMap::limit_products();
    return Array::deferred({rows, 1}, x.dtype(), std::make_unique<DeferredMap>(x, w));
}

Array gradient_later(const Array& x, const Array& d) {
    if (x.rank() != 2 || d.rank() != 2 || d.shape()[1] != 1) return {};
    if (!DeferredMap::waits_for_product(d, &x)) return {};
    return Array::deferred({x.shape()[1], 1}, x.dtype(), std::make_unique<DeferredGradient>(x, d));
}

}  // namespace xtape::kernels
