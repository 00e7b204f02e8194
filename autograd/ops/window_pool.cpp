#include <memory>
#include <utility>

#include <xtape/autograd/kernels/pool.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/ops/window_shape.hpp>
#include <xtape/autograd/tape.hpp>

namespace xtape {

namespace {

using kernels::Windows;
using Codes = std::shared_ptr<const kernels::PoolCodes>;

Index outputs_of(const Variable& x, const Windows& windows) {
    return x.shape()[0] * x.shape()[1] * windows.output_size();
}

KeptPiece kept_codes(const Codes& codes, Index count) {
    return {codes.get(),
            static_cast<std::size_t>(count) * (codes->narrow() ? sizeof(std::uint8_t) : sizeof(std::int32_t))};
}

// Adjoints of each other: gradients to the places of the maxima, and values from there.
Variable scatter(const Variable& g, const Windows& windows, const Codes& codes, Where where);
Variable gather(const Variable& x, const Windows& windows, const Codes& codes, Where where);

Variable scatter(const Variable& g, const Windows& windows, const Codes& codes, Where where) {
    auto dg = on(
        g, holding([=](const Variable& h) { return gather(h, windows, codes, where); }, kept_codes(codes, g.size())));
    return record("max_pool2d_scatter", where, kernels::max_pool_scatter(g.array(), windows, *codes), std::move(dg));
}

Variable gather(const Variable& x, const Windows& windows, const Codes& codes, Where where) {
    auto dx = on(x, holding([=](const Variable& h) { return scatter(h, windows, codes, where); },
                            kept_codes(codes, outputs_of(x, windows))));
    return record("max_pool2d_gather", where, kernels::max_pool_gather(x.array(), windows, *codes), std::move(dx));
}

Variable average(const Variable& x, const Windows& windows, Where where);
Variable spread(const Variable& g, const Windows& windows, Where where);

Variable average(const Variable& x, const Windows& windows, Where where) {
    auto dx = on(x, [=](const Variable& g) { return spread(g, windows, where); });
    return record("avg_pool2d", where, kernels::average_pool(x.array(), windows), std::move(dx));
}

Variable spread(const Variable& g, const Windows& windows, Where where) {
    auto dg = on(g, [=](const Variable& h) { return average(h, windows, where); });
    return record("avg_pool2d_spread", where, kernels::average_pool_spread(g.array(), windows), std::move(dg));
}

}  // namespace

Variable max_pool2d(Variable x, Pair kernel, std::optional<Pair> stride, Padding padding, Where where) {
    const Windows windows = shapes::pool2d("max_pool2d", x.shape(), kernel, stride.value_or(kernel), padding, where);
    if (!x.requires_grad() || !recording()) return Variable(kernels::max_pool(x.array(), windows, nullptr));
    const auto codes = std::make_shared<kernels::PoolCodes>(outputs_of(x, windows), windows);
    auto dx = on(x, holding([=](const Variable& g) { return scatter(g, windows, codes, where); },
                            kept_codes(codes, outputs_of(x, windows))));
    return record("max_pool2d", where, kernels::max_pool(x.array(), windows, codes.get()), std::move(dx));
}

Variable avg_pool2d(Variable x, Pair kernel, std::optional<Pair> stride, Padding padding, Where where) {
    return average(x, shapes::pool2d("avg_pool2d", x.shape(), kernel, stride.value_or(kernel), padding, where), where);
}

}  // namespace xtape
