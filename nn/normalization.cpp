#include <xtape/nn/normalization.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <xtape/autograd/checkpoint.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/nn/check.hpp>

namespace xtape::nn {

namespace {

Parameter constant_parameter(const Shape& shape, double value) { return Array::filled(shape, float32, value); }

void check_eps(const char* layer, double eps, Where where) {
    if (!(eps >= 0)) throw ValueError(fmt::format("{}: eps must be at least 0: {}", layer, eps), where);
}

/// running + momentum (batch - running), in running's dtype; not recorded.
Array moved(const Array& running, const Variable& batch, double momentum) {
    const NoGrad constant;
    return (Variable(running) * (1 - momentum) + astype(batch, running.dtype()) * momentum).array();
}

using BatchOperation = BatchNormalized (*)(Variable, Variable, Variable, double, Where);

/// A parameter that a layer may do without.
Variable value_of(const Parameter& parameter) { return parameter ? parameter.variable() : Variable(); }

}  // namespace

// ------------------------------------------------------------------------------------------------- batch normalisation

BatchNorm::BatchNorm(const char* name, Index features, double eps, double momentum, bool affine, Where where)
    : name_(name), eps_(eps), momentum_(momentum) {
    check::setting(name, "features", features, 1, where);
    check_eps(name, eps, where);
    if (!(momentum >= 0 && momentum <= 1))
        throw ValueError(fmt::format("{}: momentum must be in [0, 1]: {}", name, momentum), where);
    if (affine) {
        weight = constant_parameter({features}, 1);
        bias = constant_parameter({features}, 0);
    }
    running_mean = Array::filled({features}, float32, 0);
    running_var = Array::filled({features}, float32, 1);
}

Variable BatchNorm::normalized(Variable x, Where where, Then then) {
    check::size(*this, x, 1, features(), "channels (axis 1)", where);
    if (!training) {
        Variable y = batch_norm(std::move(x), {Variable(running_mean), Variable(running_var)}, value_of(weight),
                                value_of(bias), eps_, where);
        if (then != Then::nothing) y = relu(std::move(y), where);
        return then == Then::relu_max_pool ? max_pool2d(std::move(y), 2, {}, valid, where) : y;
    }

    const Index count = x.size() / features();
    if (count < 2)
        throw ShapeError(fmt::format("{}: training needs more than one value per channel: {} has {}", describe(),
                                     to_string(x.shape()), count),
                         where);
    const auto of_batch = then == Then::nothing ? static_cast<BatchOperation>(batch_norm)
                          : then == Then::relu  ? batch_norm_relu
                                                : batch_norm_relu_max_pool2d;
    auto [y, batch] = of_batch(std::move(x), value_of(weight), value_of(bias), eps_, where);
    if (recomputing()) return y;  // the statistics have this batch already
    const double unbiased = static_cast<double>(count) / static_cast<double>(count - 1);
    running_mean = moved(running_mean, batch.mean, momentum_);
    running_var = moved(running_var, batch.variance * unbiased, momentum_);
    return y;
}

void BatchNorm::visit(Visitor& v) {
    v("weight", weight);
    v("bias", bias);
    v("running_mean", running_mean);
    v("running_var", running_var);
    v("training", training);
}

std::string BatchNorm::describe() const {
    return fmt::format("{}({}{}{}{})", name_, features(), eps_ == 1e-5 ? "" : fmt::format(", eps={}", eps_),
                       momentum_ == 0.1 ? "" : fmt::format(", momentum={}", momentum_),
                       text::option("affine", static_cast<bool>(weight), true));
}

Variable BatchNorm1d::operator()(Variable x, Where where) {
    const auto scope = calling();
    check::value(*this, x, where);
    if (x.rank() != 2 && x.rank() != 3)
        throw ShapeError(fmt::format("{}: the input must be (N, C) or (N, C, L): {} has {} axes", describe(),
                                     to_string(x.shape()), x.rank()),
                         where);
    return called(normalized(std::move(x), where));
}

Variable BatchNorm2d::called_with(Variable x, Where where, Then then) {
    const auto scope = calling();
    check::rank(*this, x, 4, "(N, C, H, W)", where);
    return called(normalized(std::move(x), where, then));
}

Variable BatchNorm2d::operator()(Variable x, Where where) { return called_with(std::move(x), where, Then::nothing); }
Variable BatchNorm2d::with_relu(Variable x, Where where) { return called_with(std::move(x), where, Then::relu); }
Variable BatchNorm2d::with_relu_max_pool(Variable x, Where where) {
    return called_with(std::move(x), where, Then::relu_max_pool);
}

// ------------------------------------------------------------------------------------------------- layer normalisation

LayerNorm::LayerNorm(Index features, double eps, bool affine, Where where)
    : LayerNorm(Shape{features}, eps, affine, where) {}

LayerNorm::LayerNorm(const Shape& shape, double eps, bool affine, Where where) : shape_(shape), eps_(eps) {
    if (shape.empty() || *std::min_element(shape.begin(), shape.end()) < 1)
        throw ValueError(fmt::format("LayerNorm: the shape needs sizes of at least 1: {}", to_string(shape)), where);
    check_eps("LayerNorm", eps, where);
    if (affine) {
        weight = constant_parameter(shape, 1);
        bias = constant_parameter(shape, 0);
    }
}

Variable LayerNorm::operator()(Variable x, Where where) const {
    const auto scope = calling();
    check::value(*this, x, where);
    const Index first = x.rank() - shape_.rank();
    if (first < 0 || !std::equal(shape_.begin(), shape_.end(), x.shape().begin() + first))
        throw ShapeError(fmt::format("{}: the input's last axes must be {}: {}", describe(), to_string(shape_),
                                     to_string(x.shape())),
                         where);
    return called(layer_norm(std::move(x), shape_, value_of(weight), value_of(bias), eps_, where));
}

void LayerNorm::visit(Visitor& v) {
    v("weight", weight);
    v("bias", bias);
}

std::string LayerNorm::describe() const {
    return fmt::format("LayerNorm({}{}{})", shape_.rank() == 1 ? std::to_string(shape_[0]) : to_string(shape_),
                       eps_ == 1e-5 ? "" : fmt::format(", eps={}", eps_),
                       text::option("affine", static_cast<bool>(weight), true));
}

}  // namespace xtape::nn
