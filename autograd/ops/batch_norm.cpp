#include <memory>
#include <utility>

#include <fmt/format.h>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/ops/joint_node.hpp>
#include <xtape/autograd/ops/normalization.hpp>
#include <xtape/autograd/ops/slopes.hpp>
#include <xtape/autograd/ops/window_shape.hpp>

/// Batch normalisation by itself and with what follows in the same pass.
namespace xtape {

namespace {

/// (x - centre) factor + summand, which broadcast to x.
Variable shifted_and_scaled(Variable x, const Variable& centre, const Variable& factor, const Variable& summand,
                            Where where) {
    auto dx = on(x, holding([factor](const Variable& g) { return g * factor; }, factor));
    auto dcentre =
        on(centre,
           holding([factor, shape = centre.shape()](const Variable& g) { return sum_to(-g * factor, shape); }, factor));
    auto dfactor =
        on(factor,
           holding([x, centre, shape = factor.shape()](const Variable& g) { return sum_to(g * (x - centre), shape); },
                   x, centre));
    auto dsummand = on(summand, [shape = summand.shape()](const Variable& g) { return sum_to(g, shape); });
    const Shape shape = x.shape();
    Array y = kernels::map_broadcast(
        shape, [](auto v, auto c, auto f, auto s) { return xsimd::fma(v - c, f, s); }, std::move(x).array(),
        centre.array(), factor.array(), summand.array());
    return record("batch_norm", where, std::move(y), std::move(dx), std::move(dcentre), std::move(dfactor),
                  std::move(dsummand));
}

using kernels::Moments;
using Codes = std::shared_ptr<const kernels::BlockCodes>;

/// One byte for each output.
KeptPiece kept_codes(const Codes& codes, Index outputs) {
    return codes ? KeptPiece{codes->data(), static_cast<std::size_t>(outputs)} : KeptPiece{};
}

/// A batch normalised by its own statistics. `pull(g, moments)` are the gradients from one pass, `reaching(g)` is the gradient
/// of the normalised numbers as an expression, for when it is recorded.
template <class Pull, class Reaching>
BatchNormalized record_batch(const char* op, kernels::Normalized normalized, const Variable& x, const Variable& weight,
                             const Variable& bias, double eps, Where where, Pull pull, Reaching reaching,
                             const Variable& gated_by = {}, const Codes& codes = {}) {
    auto rule = [x, weight, moments = normalized.moments, eps, where, pull = std::move(pull),
                 reaching = std::move(reaching)](Variable g, const bool* wanted, Variable* out) {
        if (!recording()) return take_wanted(pull(std::move(g).array(), moments), wanted, out);
        Shape axes{0};
        for (Index axis = 2; axis < x.rank(); ++axis) axes.push_back(axis);
        const Shape meets = channel_shape("batch_norm", x, where);
        expand_gradients(reaching(g), x, weight, axes, meets, eps, where, wanted, out);
        if (wanted[2]) out[2] = reshape(out[2], {meets[0]}, where);
    };
    const Moments& moments = normalized.moments;
    auto saying = holding(std::move(rule), x, weight, moments.mean, moments.variance, gated_by,
                          kept_codes(codes, normalized.y.size()));
    return {record_joint<3>(op, where, std::move(normalized.y), {x, weight, bias}, std::move(saying)),
            {Variable(moments.mean), Variable(moments.variance)}};
}

void check_batch(const char* op, Variable& x, Variable& weight, Variable& bias, Where where) {
    check_affine(op, x, weight, bias, {channel_shape(op, x, where)[0]}, where);
}

// Adjoints of each other: gradients to the coded places, and values from there.
Variable block_scatter(const Variable& g, const kernels::Windows& windows, const Codes& codes, Where where);
Variable block_gather(const Variable& x, const kernels::Windows& windows, const Codes& codes, Where where);

Variable block_scatter(const Variable& g, const kernels::Windows& windows, const Codes& codes, Where where) {
    auto dg = on(g, holding([=](const Variable& h) { return block_gather(h, windows, codes, where); },
                            kept_codes(codes, g.size())));
    return record("relu_max_pool2d_scatter", where, kernels::block_scatter(g.array(), windows, *codes), std::move(dg));
}

Variable block_gather(const Variable& x, const kernels::Windows& windows, const Codes& codes, Where where) {
    auto dx = on(x, holding([=](const Variable& h) { return block_scatter(h, windows, codes, where); },
                            kept_codes(codes, x.shape()[0] * x.shape()[1] * windows.output_size())));
    return record("relu_max_pool2d_gather", where, kernels::block_gather(x.array(), windows, *codes), std::move(dx));
}

}  // namespace

BatchNormalized batch_norm(Variable x, Variable weight, Variable bias, double eps, Where where) {
    check_batch("batch_norm", x, weight, bias, where);
    const auto pull = [x, weight, eps](Array g, const Moments& moments) {
        return kernels::batch_norm_gradients(std::move(g), x.array(), moments, array_or_none(weight), {}, eps);
    };
    return record_batch("batch_norm", kernels::batch_norm(x.array(), array_or_none(weight), array_or_none(bias), eps),
                        x, weight, bias, eps, where, pull, [](const Variable& g) { return g; });
}

BatchNormalized batch_norm_relu(Variable x, Variable weight, Variable bias, double eps, Where where) {
    constexpr const char* name = "batch_norm_relu";
    check_batch(name, x, weight, bias, where);
    if (KeepOutputs::active() || !kernels::takes_tails(x.shape())) {
        auto [y, statistics] = batch_norm(std::move(x), std::move(weight), std::move(bias), eps, where);
        return {relu(std::move(y), where), std::move(statistics)};
    }
    kernels::Normalized normalized =
        kernels::batch_norm(x.array(), array_or_none(weight), array_or_none(bias), eps, true);
    const auto pull = [x, weight, bias, eps](Array g, const Moments& moments) {
        return kernels::batch_norm_gradients(std::move(g), x.array(), moments, array_or_none(weight),
                                             array_or_none(bias), eps, true);
    };
    const auto reaching = [x, weight, bias, eps](const Variable& g) {
        return gate(g, Variable(kernels::batch_norm(x.array(), array_or_none(weight), array_or_none(bias), eps).y));
    };
    return record_batch(name, std::move(normalized), x, weight, bias, eps, where, pull, reaching, bias);
}

BatchNormalized batch_norm_relu_max_pool2d(Variable x, Variable weight, Variable bias, double eps, Where where) {
    constexpr const char* name = "batch_norm_relu_max_pool2d";
    check_batch(name, x, weight, bias, where);
    const kernels::Windows windows = shapes::pool2d(name, x.shape(), 2, 2, valid, where);
    if (KeepOutputs::active() || !kernels::takes_tails(x.shape())) {
        auto [y, statistics] = batch_norm(std::move(x), std::move(weight), std::move(bias), eps, where);
        return {max_pool2d(relu(std::move(y), where), 2, {}, valid, where), std::move(statistics)};
    }
    const bool recorded = recording() && (x.requires_grad() || weight.requires_grad() || bias.requires_grad());
    const Index outputs = x.shape()[0] * x.shape()[1] * windows.output_size();
    const Codes codes = recorded ? std::make_shared<const kernels::BlockCodes>(outputs) : nullptr;
    kernels::Normalized normalized = kernels::batch_norm_relu_max_pool(x.array(), array_or_none(weight),
                                                                       array_or_none(bias), eps, windows, codes.get());
    const auto pull = [x, weight, bias, eps, windows, codes](const Array& g, const Moments& moments) {
        return kernels::batch_norm_relu_max_pool_gradients(g, x.array(), moments, array_or_none(weight),
                                                           array_or_none(bias), eps, windows, *codes);
    };
    const auto reaching = [windows, codes, where](const Variable& g) {
        return block_scatter(g, windows, codes, where);
    };
    return record_batch(name, std::move(normalized), x, weight, bias, eps, where, pull, reaching, bias, codes);
}

Variable batch_norm(Variable x, const BatchStatistics& given, Variable weight, Variable bias, double eps, Where where) {
    const Shape meets = channel_shape("batch_norm", x, where), channels{meets[0]};
    for (const Variable* statistic : {&given.mean, &given.variance})
        if (statistic->shape() != channels)
            throw ShapeError(fmt::format("batch_norm: mean and variance must have the shape {} for x {}: {}",
                                         to_string(channels), to_string(x.shape()), to_string(statistic->shape())),
                             where);
    check_affine("batch_norm", x, weight, bias, channels, where);
    const auto cast = [&](const Variable& v) { return astype(v, x.dtype(), where); };
    Variable factor = reciprocal(sqrt(cast(given.variance) + eps, where), where);
    if (weight) factor = factor * weight;
    if (!bias) bias = Variable(Array::filled(channels, x.dtype(), 0));
    const auto meeting = [&](const Variable& v) { return reshape(v, meets, where); };
    const Variable centre = meeting(cast(given.mean));
    return shifted_and_scaled(std::move(x), centre, meeting(factor), meeting(bias), where);
}

}  // namespace xtape
