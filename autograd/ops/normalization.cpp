#include <xtape/autograd/ops/normalization.hpp>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/ops/joint_node.hpp>

namespace xtape {

void check_affine(const char* op, Variable& x, Variable& weight, Variable& bias, const Shape& wanted, Where where) {
    for (const auto& [name, parameter] : {std::pair("weight", &weight), std::pair("bias", &bias)})
        if (*parameter && parameter->shape() != wanted)
            throw ShapeError(fmt::format("{}: the {} must have the shape {} for x {}: {}", op, name, to_string(wanted),
                                         to_string(x.shape()), to_string(parameter->shape())),
                             where);
    for (Variable* parameter : {&weight, &bias, &weight})  // the bias may have cast x
        if (*parameter) match_dtypes(op, x, *parameter, where);
}

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

void take_wanted(kernels::NormGradients gradients, const bool* wanted, Variable* out) {
    if (wanted[0]) out[0] = Variable(std::move(gradients.x));
    if (wanted[1]) out[1] = Variable(std::move(gradients.weight));
    if (wanted[2]) out[2] = Variable(std::move(gradients.bias));
}

Shape channel_shape(const char* op, const Variable& x, Where where) {
    if (x.rank() < 2) throw ShapeError(fmt::format("{}: x must be (N, C, ...): {}", op, to_string(x.shape())), where);
    Shape shape{x.shape()[1]};
    for (Index axis = 2; axis < x.rank(); ++axis) shape.push_back(1);
    return shape;
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
    auto saying = holding(std::move(rule), x, weight, moments.mean, moments.variance);
    return record_joint<3>("layer_norm", where, std::move(y), {x, weight, bias}, std::move(saying));
}

}  // namespace xtape
