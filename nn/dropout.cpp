#include <xtape/nn/dropout.hpp>

#include <fmt/format.h>

#include <xtape/autograd/ops.hpp>
#include <xtape/nn/check.hpp>

namespace xtape::nn {

Dropout::Dropout(double p, Generator& seeds, Where where) : p_(p) {
    if (!(p >= 0 && p < 1)) throw ValueError(fmt::format("Dropout: p must be in [0, 1): {}", p), where);
    const std::uint64_t high = seeds.bits();
    generator_ = Generator(high << 32 | seeds.bits());
}

Variable Dropout::operator()(Variable x, Where where) {
    const auto scope = calling();
    check::value(*this, x, where);
    if (!training || p_ == 0) return called(std::move(x));
    Variable kept(random::bernoulli(x.shape(), 1 - p_, generator_, x.dtype()));
    Variable factor = Operand(std::move(kept), where) * (1 / (1 - p_));
    return called(Operand(std::move(x), where) * Operand(std::move(factor), where));
}

void Dropout::visit(Visitor& v) { v("training", training); }

std::string Dropout::describe() const { return fmt::format("Dropout({})", p_); }

}  // namespace xtape::nn
