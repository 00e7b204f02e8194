#include <xtape/nn/linear.hpp>

#include <fmt/format.h>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/ops/recognise.hpp>
#include <xtape/nn/check.hpp>
#include <xtape/nn/init.hpp>

namespace xtape::nn {

Linear::Linear(Index in, Index out, bool with_bias, Generator& generator, Where where) {
    check::setting("Linear", "in", in, 1, where);
    check::setting("Linear", "out", out, 1, where);
    weight = init::layer_default({in, out}, static_cast<double>(in), generator);
    if (with_bias) bias = init::layer_default({out}, static_cast<double>(in), generator);
}

Variable Linear::operator()(Variable x, Where where) const {
    const auto scope = calling();
    check_input(x, where);
    return called(bias ? linear(std::move(x), weight, bias, where) : matmul(std::move(x), weight, where));
}

Variable Linear::with_relu(Variable x, Where where) const {
    const auto scope = calling();
    check_input(x, where);
    return called(bias ? linear_relu(std::move(x), weight, bias, where)
                       : relu(matmul(std::move(x), weight, where), where));
}

Variable Linear::with_sigmoid(Variable x, Where where) const {
    const auto scope = calling();
    check_input(x, where);
    return called(bias ? linear_sigmoid(std::move(x), weight, bias, where)
                       : sigmoid_in_place(matmul(std::move(x), weight, where), where));
}

void Linear::check_input(const Variable& x, Where where) const {
    check::value(*this, x, where);
    const Index in = weight.array().shape(0);
    if (x.rank() == 0)
        throw ShapeError(fmt::format("{}: the input must have at least one axis, of {}: it has rank 0", describe(), in),
                         where);
    check::size(*this, x, -1, in, "last axis", where);
}

void Linear::visit(Visitor& v) {
    v("weight", weight);
    v("bias", bias);
}

std::string Linear::describe() const {
    return fmt::format("Linear({}, {}{})", weight.array().shape(0), weight.array().shape(1),
                       text::option("bias", static_cast<bool>(bias), true));
}

}  // namespace xtape::nn
