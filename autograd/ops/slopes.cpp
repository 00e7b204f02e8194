#include <xtape/autograd/ops/slopes.hpp>

#include <utility>

#include <xtape/autograd/kernels/exponential.hpp>
#include <xtape/autograd/ops/binary.hpp>

namespace xtape {

using kernels::Cheap;
using kernels::like;

namespace {

/// f of all elements, in the first operand's shape, which the others broadcast to.
template <class F, class... Others>
Array in_one_pass(const F& f, Variable first, Others... others) {
    const Shape& shape = first.shape();  // lives in the operand's block
    return result_of(shape, f, std::move(first).array(), std::move(others).array()...);
}

/// v limited to [-bound, bound]; NaN stays.
template <class B>
B limited(const B& v, double bound) {
    const B above = xsimd::select(v < like(v, -bound), like(v, -bound), v);
    return xsimd::select(above > like(v, bound), like(v, bound), above);
}

}  // namespace

Variable scaled_product(Variable a, Variable b, double factor) {
    auto da = on(a, holding([b, factor](Variable h) { return scaled_product(std::move(h), b, factor); }, b));
    auto db = on(b, holding([a, factor](Variable h) { return scaled_product(std::move(h), a, factor); }, a));
    Array y =
        in_one_pass(Cheap{[factor](auto u, auto v) { return like(u, factor) * u * v; }}, std::move(a), std::move(b));
    return record("scaled_product", Where::here(), std::move(y), std::move(da), std::move(db));
}

Variable scaled_product(Variable a, Variable b, Variable c, double factor) {
    return elementwise_keeping(
        "scaled_product", Where::here(),
        Cheap{[factor](auto u, auto v, auto w) { return like(u, factor) * u * (v * w); }},
        std::array{std::move(a), std::move(b), std::move(c)},
        [factor](Variable h, Arguments in) { return scaled_product(std::move(h), in[1], in[2], factor); },
        [factor](Variable h, Arguments in) { return scaled_product(std::move(h), in[0], in[2], factor); },
        [factor](Variable h, Arguments in) { return scaled_product(std::move(h), in[0], in[1], factor); });
}

Variable negative_quotient(Variable a, Variable b, Variable divisor) {
    auto da =
        on(a, holding([b, divisor](Variable h) { return negative_quotient(std::move(h), b, divisor); }, b, divisor));
    auto db =
        on(b, holding([a, divisor](Variable h) { return negative_quotient(std::move(h), a, divisor); }, a, divisor));
    auto dd = detail::on_broadcast<2>(
        divisor, a.shape(),
        holding([divisor](Variable h, const Variable& y) { return negative_quotient(std::move(h), y, divisor); },
                divisor));
    Array y = in_one_pass([](auto u, auto v, auto d) { return -(u * v / d); }, std::move(a), std::move(b),
                          std::move(divisor));
    return record("negative_quotient", Where::here(), std::move(y), std::move(da), std::move(db), std::move(dd));
}

Variable gate(Variable g, const Variable& y, double slope) {
    auto dg = on(g, holding([y = y.detach(), slope](Variable h) { return gate(std::move(h), y, slope); }, y));
    const auto closed = [](auto v, auto u) { return xsimd::select(u > like(u, 0), v, like(v, 0)); };
    const auto ajar = [slope](auto v, auto u) { return xsimd::select(u > like(u, 0), v, v * like(v, slope)); };
    Array out = slope == 0 ? in_one_pass(closed, std::move(g), y) : in_one_pass(ajar, std::move(g), y);
    return record("gate", Where::here(), std::move(out), std::move(dg));
}

Variable sigmoid_slope(Variable g, Variable s, double factor) {
    return elementwise_keeping(
        "sigmoid_slope", Where::here(),
        [factor](auto v, auto u) { return like(v, factor) * v * (u * (like(u, 1) - u)); },
        std::array{std::move(g), std::move(s)},
        [factor](Variable h, Arguments in) { return sigmoid_slope(std::move(h), in[1], factor); },
        [factor](Variable h, Arguments in) { return scaled_product(std::move(h), in[0], factor) * (1 - 2 * in[1]); });
}

Variable sigmoid_cross_entropy_slope(Variable g, Variable z, Variable y) {
    // With y = 1 and y = 0 apart, for sigmoid(z) - y would lose the digits of a small difference.
    const auto slope = [](auto v, auto u, auto t) {
        const auto e = kernels::exp_of_negative(-xsimd::abs(u)), larger = like(u, 1) / (like(u, 1) + e),
                   smaller = e * larger;
        const auto positive = u > like(u, 0);
        return v * ((like(t, 1) - t) * xsimd::select(positive, larger, smaller) -
                    t * xsimd::select(positive, smaller, larger));
    };
    return elementwise_keeping(
        "sigmoid_cross_entropy_slope", Where::here(), slope, std::array{std::move(g), std::move(z), std::move(y)},
        [](Variable h, Arguments in) { return sigmoid_cross_entropy_slope(std::move(h), in[1], in[2]); },
        [](Variable h, Arguments in) { return sigmoid_slope(std::move(h) * in[0], sigmoid(in[1])); },
        [](Variable h, Arguments in) { return scaled_product(std::move(h), in[0], -1); });
}

Variable huber_slope(Variable g, Variable a, Variable b, double delta) {
    const auto inside = [delta](Variable h, Arguments in) {
        const Variable within = abs(in[1].detach() - in[2].detach()) <= delta;
        return std::move(h) * in[0] * within;
    };
    return elementwise_keeping(
        "huber_slope", Where::here(), [delta](auto v, auto u, auto w) { return v * limited(u - w, delta); },
        std::array{std::move(g), std::move(a), std::move(b)},
        [delta](Variable h, Arguments in) { return huber_slope(std::move(h), in[1], in[2], delta); },
        [inside](Variable h, Arguments in) { return inside(std::move(h), in); },
        [inside](Variable h, Arguments in) { return -inside(std::move(h), in); });
}

Variable tanh_slope(Variable g, Variable y) {
    auto dg = on(g, holding([y](Variable h) { return tanh_slope(std::move(h), y); }, y));
    auto dy = on(y, holding([g, y](Variable h) { return scaled_product(std::move(h) * g, y, -2); }, g, y));
    const auto slope = [](auto v, auto u) { return v * (like(u, 1) - u * u); };
    Array out = in_one_pass(slope, std::move(g), std::move(y));
    return record("tanh_slope", Where::here(), std::move(out), std::move(dg), std::move(dy));
}

Variable elu_slope(Variable g, const Variable& x, Variable y, double alpha) {
    const Variable below = x.detach();
    auto dg =
        on(g, holding([below, y, alpha](Variable h) { return elu_slope(std::move(h), below, y, alpha); }, below, y));
    auto dy = on(y, holding([below, g](Variable h) { return where(below > 0, 0.0, std::move(h) * g); }, below, g));
    const auto slope = [alpha](auto v, auto u, auto w) {
        return xsimd::select(u > like(u, 0), v, v * (w + like(w, alpha)));
    };
    Array out = in_one_pass(slope, std::move(g), x, std::move(y));
    return record("elu_slope", Where::here(), std::move(out), std::move(dg), std::move(dy));
}

}  // namespace xtape
