#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <xtape/autograd/kernels/normalization.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/ops/binary.hpp>
#include <xtape/autograd/ops/joint_node.hpp>

namespace xtape {

namespace {

/// weight and bias are there or not, and have the shape wanted. All three meet in one dtype.
void check_affine(const char* op, Variable& x, Variable& weight, Variable& bias, const Shape& wanted, Where where) {
    for (const auto& [name, parameter] : {std::pair("weight", &weight), std::pair("bias", &bias)})
        if (*parameter && parameter->shape() != wanted)
            throw ShapeError(fmt::format("{}: the {} must have the shape {} for x {}: {}", op, name, to_string(wanted),
                                         to_string(x.shape()), to_string(parameter->shape())),
                             where);
    for (Variable* parameter : {&weight, &bias, &weight})  // the bias may have cast x
        if (*parameter) match_dtypes(op, x, *parameter, where);
}

/// The gradients of a normalisation as expressions. Mean and variance are over `axes` of x; in the shape `meets` weight and
/// bias meet x.
///   x' = (x - mean) / deviation;  dx = (g w - mean(g w) - x' mean(g w x')) / deviation;  dw = sum(g x');  db = sum(g)
void expand_gradients(const Variable& g, const Variable& x, const Variable& weight, const Shape& axes,
                      const Shape& meets, double eps, Where where, const bool* wanted, Variable* out) {
    const auto mean_ = [&](const Variable& v) { return mean(v, axes, true, where); };
    const Variable centred = x - mean_(x);
    const Variable inverse = reciprocal(sqrt(mean_(square(centred, where)) + eps, where), where);
    const Variable normalized = centred * inverse;
    if (wanted[0]) {
        const Variable slope = weight ? g * reshape(weight, meets, where) : g;
        out[0] = inverse * (slope - mean_(slope) - normalized * mean_(slope * normalized));
    }
    if (wanted[1]) out[1] = reshape(sum_to(g * normalized, meets, where), weight.shape(), where);
    if (wanted[2]) out[2] = sum_to(g, meets, where);
}

/// From the kernel's single pass.
void take_wanted(kernels::NormGradients gradients, const bool* wanted, Variable* out) {
    if (wanted[0]) out[0] = Variable(std::move(gradients.x));
    if (wanted[1]) out[1] = Variable(std::move(gradients.weight));
    if (wanted[2]) out[2] = Variable(std::move(gradients.bias));
}

/// (x - centre) factor + summand, which broadcast to x.
Variable shifted_and_scaled(Variable x, const Variable& centre, const Variable& factor, const Variable& summand,
                            Where where) {
    auto dx = on(x, [factor](const Variable& g) { return g * factor; });
    auto dcentre =
        on(centre, [factor, shape = centre.shape()](const Variable& g) { return sum_to(-g * factor, shape); });
    auto dfactor =
        on(factor, [x, centre, shape = factor.shape()](const Variable& g) { return sum_to(g * (x - centre), shape); });
    auto dsummand = on(summand, [shape = summand.shape()](const Variable& g) { return sum_to(g, shape); });
    const Shape shape = x.shape();
    Array y = kernels::map_broadcast(
        shape, [](auto v, auto c, auto f, auto s) { return xsimd::fma(v - c, f, s); }, std::move(x).array(),
        centre.array(), factor.array(), summand.array());
    return record("batch_norm", where, std::move(y), std::move(dx), std::move(dcentre), std::move(dfactor),
                  std::move(dsummand));
}

/// (C,) in the shape in which it meets x (N, C, ...).
Shape channel_shape(const char* op, const Variable& x, Where where) {
    if (x.rank() < 2) throw ShapeError(fmt::format("{}: x must be (N, C, ...): {}", op, to_string(x.shape())), where);
    Shape shape{x.shape()[1]};
    for (Index axis = 2; axis < x.rank(); ++axis) shape.push_back(1);
    return shape;
}

}  // namespace

BatchNormalized batch_norm(Variable x, Variable weight, Variable bias, double eps, Where where) {
    const Shape meets = channel_shape("batch_norm", x, where);
    check_affine("batch_norm", x, weight, bias, {meets[0]}, where);
    auto [y, moments] =
        kernels::batch_norm(x.array(), weight ? weight.array() : Array(), bias ? bias.array() : Array(), eps);
    auto rule = [x, weight, moments = moments, meets, eps, where](Variable g, const bool* wanted, Variable* out) {
        if (!recording())
            return take_wanted(kernels::batch_norm_gradients(std::move(g).array(), x.array(), moments,
                                                             weight ? weight.array() : Array(), eps),
                               wanted, out);
        Shape axes{0};
        for (Index axis = 2; axis < x.rank(); ++axis) axes.push_back(axis);
        expand_gradients(g, x, weight, axes, meets, eps, where, wanted, out);
        if (wanted[2]) out[2] = reshape(out[2], {meets[0]}, where);
    };
    return {record_joint<3>("batch_norm", where, std::move(y), {x, weight, bias}, std::move(rule)),
            {Variable(moments.mean), Variable(moments.variance)}};
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

Variable layer_norm(Variable x, const Shape& shape, Variable weight, Variable bias, double eps, Where where) {
    const Index leading = x.rank() - shape.rank();
    if (shape.empty() || leading < 0 || !std::equal(shape.begin(), shape.end(), x.shape().begin() + leading))
        throw ShapeError(
            fmt::format("layer_norm: the last axes of x must be {}: {}", to_string(shape), to_string(x.shape())),
            where);
    check_affine("layer_norm", x, weight, bias, shape, where);
    auto [y, moments] =
        kernels::layer_norm(x.array(), leading, weight ? weight.array() : Array(), bias ? bias.array() : Array(), eps);
    auto rule = [x, weight, moments = moments, shape, leading, eps, where](Variable g, const bool* wanted,
                                                                           Variable* out) {
        if (!recording())
            return take_wanted(kernels::layer_norm_gradients(std::move(g).array(), x.array(), leading, moments,
                                                             weight ? weight.array() : Array(), eps),
                               wanted, out);
        Shape axes;
        for (Index axis = leading; axis < x.rank(); ++axis) axes.push_back(axis);
        expand_gradients(g, x, weight, axes, shape, eps, where, wanted, out);
    };
    return record_joint<3>("layer_norm", where, std::move(y), {x, weight, bias}, std::move(rule));
}

}  // namespace xtape
