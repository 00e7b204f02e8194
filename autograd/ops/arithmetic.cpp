#include <xtape/autograd/ops.hpp>

#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include <xtape/autograd/casts.hpp>
#include <xtape/autograd/kernels/functions.hpp>
#include <xtape/autograd/ops/binary.hpp>
#include <xtape/autograd/ops/recognise.hpp>
#include <xtape/autograd/ops/slopes.hpp>

/// Element-wise operations on two operands.
namespace xtape {

using kernels::Cheap;

void match_dtypes(const char* op, Variable& a, Variable& b, Where where) {
    if (a.dtype() == b.dtype()) return;
    if (!AllowCasts::active())
        throw DtypeError(fmt::format("{}: dtypes differ: {} {} with {} {}; astype(x, {}) converts", op,
                                     to_string(a.shape()), name_of(a.dtype()), to_string(b.shape()), name_of(b.dtype()),
                                     name_of(float32)),
                         where);
    a = astype(std::move(a), float64, where);
    b = astype(std::move(b), float64, where);
}

Variable operator+(Operand a, Operand b) {
    if (is_one(a) || is_one(b))
        if (auto sum = one_plus_exp(a, b)) return *std::move(sum);
    const auto pass = [](Variable g) { return g; };
    return binary("add", std::move(a), std::move(b), Cheap{[](auto x, auto y) { return x + y; }}, pass, pass);
}

Variable operator-(Operand a, Operand b) {
    if (is_one(a))
        if (auto complement = one_minus_sigmoid(a, b)) return *std::move(complement);
    return binary(
        "subtract", std::move(a), std::move(b), Cheap{[](auto x, auto y) { return x - y; }},
        [](Variable g) { return g; }, [](Variable g) { return -std::move(g); });
}

Variable operator*(Operand a, Operand b) {
    const auto rule = of_other([](Variable g, Operand other) { return std::move(g) * std::move(other); });
    return binary("multiply", std::move(a), std::move(b), Cheap{[](auto x, auto y) { return x * y; }}, rule, rule);
}

Variable operator/(Operand a, Operand b) {
    if (is_one(a))
        if (auto quotient = one_by_one_plus_exp(a, b)) return *std::move(quotient);
    auto da = of_other([](Variable g, Operand divisor) { return std::move(g) / std::move(divisor); });
    auto db =
        holding([b](Variable g, const Variable& y) { return negative_quotient(std::move(g), y, b.variable()); }, b);
    return binary(
        "divide", std::move(a), std::move(b), [](auto x, auto y) { return x / y; }, std::move(da), std::move(db));
}

namespace {

/// 1 in place of a wherever b is 0, so that a^(b-1) and log(a) stay finite where their factor is 0.
Operand one_where_zero(const Operand& a, const Operand& b) {
    return b.is_scalar() ? a : Operand(where(equal(b, 0.0), 1.0, a));
}

Operand logarithm(const Operand& a) {
    return a.is_scalar() ? Operand(std::log(a.scalar() == 0 ? 1 : a.scalar()))
                         : Operand(log(one_where_zero(a, a).variable()));
}

/// Small whole exponents by multiplication.
template <class B>
B power(const B& x, const B& exponent, double scalar_exponent) {
    if (scalar_exponent == 1) return x;
    if (scalar_exponent == 2) return x * x;
    if (scalar_exponent == 3) return x * x * x;
    if (scalar_exponent == -1) return B(1) / x;
    return kernels::Power()(x, exponent);
}

}  // namespace

Variable pow(Operand a, Operand b) {
    const double exponent = b.is_scalar() ? b.scalar() : 0;
    auto da = holding(
        [a, b](Variable g) {
            if (!b.is_scalar()) return std::move(g) * (b * pow(one_where_zero(a, b), b - 1.0));
            if (b.scalar() == 0) return std::move(g) * 0.0;
            return scaled_product(std::move(g), pow(a, b.scalar() - 1), b.scalar());
        },
        a, b);
    auto db = holding([a](Variable g, const Variable& y) { return std::move(g) * (y * logarithm(a)); }, a);
    return binary(
        "pow", std::move(a), std::move(b), [exponent](auto x, auto e) { return power(x, e, exponent); }, std::move(da),
        std::move(db));
}

namespace {

template <class F>
Variable extremum(const char* op, Operand&& a, Operand&& b, const F& f) {
    auto share = [](const Operand& mine, const Operand& y) {  // 1 where y is mine
        return equal(mine, y);
    };
    auto da = holding(
        [a, b, share](const Variable& g, const Variable& y) {
            const Variable mine = share(a, y);
            return g * (mine - 0.5 * (mine * share(b, y)));
        },
        a, b);
    auto db = holding(
        [a, b, share](const Variable& g, const Variable& y) {
            const Variable mine = share(b, y);
            return g * (mine - 0.5 * (mine * share(a, y)));
        },
        a, b);
    return binary(op, std::move(a), std::move(b), f, std::move(da), std::move(db));
}

}  // namespace

Variable maximum(Operand a, Operand b) { return extremum("maximum", std::move(a), std::move(b), kernels::Maximum()); }

Variable minimum(Operand a, Operand b) { return extremum("minimum", std::move(a), std::move(b), kernels::Minimum()); }

// ------------------------------------------------------------------------------------------------------- selection

Variable where(const Variable& condition, Operand left, Operand right) {
    const Where at = left.where();
    const DType dtype = !left.is_scalar()    ? left.variable().dtype()
                        : !right.is_scalar() ? right.variable().dtype()
                                             : condition.dtype();
    const auto as_variable = [dtype](Operand&& x) {
        return x.is_scalar() ? Variable(x.scalar(), dtype) : std::move(x).variable();
    };
    Variable a = as_variable(std::move(left));
    Variable b = as_variable(std::move(right));
    match_dtypes("where", a, b, at);
    const Array test = condition.array().astype(a.dtype());
    const Shape shape =
        shapes::broadcast("where", test.shape(), shapes::broadcast("where", a.shape(), b.shape(), at), at);
    auto da = detail::on_broadcast<0>(
        a, shape, holding([condition](const Variable& g) { return where(condition, g, 0.0); }, condition));
    auto db = detail::on_broadcast<1>(
        b, shape, holding([condition](const Variable& g) { return where(condition, 0.0, g); }, condition));
    Array y = result_of(
        shape, [](auto x, auto z, auto c) { return xsimd::select(c == kernels::like(c, 0), z, x); },
        std::move(a).array(), std::move(b).array(), test);
    return record("where", at, std::move(y), std::move(da), std::move(db));
}

Variable masked_fill(Variable x, const Variable& mask, double value, Where at) {
    return where(mask, Operand(value, at), Operand(std::move(x), at));
}

// ------------------------------------------------------------------------------------------------------ comparison

using kernels::truth;

Variable operator<(Operand a, Operand b) {
    return mask("less", std::move(a), std::move(b), [](auto x, auto y) { return truth<decltype(x)>(x < y); });
}
Variable operator<=(Operand a, Operand b) {
    return mask("less_equal", std::move(a), std::move(b), [](auto x, auto y) { return truth<decltype(x)>(x <= y); });
}
Variable operator>(Operand a, Operand b) {
    return mask("greater", std::move(a), std::move(b), [](auto x, auto y) { return truth<decltype(x)>(x > y); });
}
Variable operator>=(Operand a, Operand b) {
    return mask("greater_equal", std::move(a), std::move(b), [](auto x, auto y) { return truth<decltype(x)>(x >= y); });
}
Variable equal(Operand a, Operand b) {
    return mask("equal", std::move(a), std::move(b), [](auto x, auto y) { return truth<decltype(x)>(x == y); });
}
Variable not_equal(Operand a, Operand b) {
    return mask("not_equal", std::move(a), std::move(b),
                [](auto x, auto y) { return truth<decltype(x)>(!(x == y)); });  // xsimd's != is false for NaN
}

}  // namespace xtape
