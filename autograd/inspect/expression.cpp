#include <xtape/autograd/inspect/expression.hpp>

#include <algorithm>

#include <xtape/autograd/ops.hpp>

namespace xtape::inspect::detail {

namespace {

using Kind = Term::Kind;

Expression term(Kind kind, std::vector<Expression> parts) {
    Term result{kind, "", "", 0, {}, std::move(parts), {}, {}};
    return std::make_shared<const Term>(std::move(result));
}

bool is(const Expression& a, Kind kind) { return a->kind == kind; }

/// The last two axes exchanged.
Variable exchanged(const Variable& x) {
    if (x.rank() < 2) return x;
    Shape axes;
    for (Index i = 0; i < x.rank(); ++i) axes.push_back(i);
    std::swap(axes[x.rank() - 1], axes[x.rank() - 2]);
    return permute(x, axes);
}

/// `to` with ones in place of the axes that `from` has not, in every way that there is.
std::vector<Shape> ways_to_spread(const Shape& from, const Shape& to) {
    std::vector<Shape> ways;
    for (unsigned kept = 0; kept < (1U << static_cast<unsigned>(to.rank())); ++kept) {
        Shape with_ones = to, without;
        for (Index i = 0; i < to.rank(); ++i) {
            if (kept >> static_cast<unsigned>(i) & 1U)
                without.push_back(to[i]);
            else
                with_ones[i] = 1;
        }
        if (without == from && std::find(ways.begin(), ways.end(), with_ones) == ways.end()) ways.push_back(with_ones);
    }
    return ways;
}

Variable spread_to(const Variable& x, const Shape& shape) {
    if (x.size() == 1) return broadcast_to(reshape(x, {}), shape);
    if (x.rank() == shape.rank()) return broadcast_to(x, shape);
    const auto ways = ways_to_spread(x.shape(), shape);
    return ways.size() == 1 ? broadcast_to(reshape(x, ways[0]), shape) : Variable();
}

}  // namespace

Expression number(double value) {
    Term result{Kind::number, "", "", value, {}, {}, {}, {}};
    return std::make_shared<const Term>(std::move(result));
}

Expression symbol(const std::string& text, const std::string& latex, Variable value) {
    Term result{Kind::symbol, text, latex, 0, std::move(value), {}, {}, {}};
    return std::make_shared<const Term>(std::move(result));
}

bool is_number(const Expression& a) {
    if (is(a, Kind::number)) return true;
    const bool made_of_parts = is(a, Kind::minus) || is(a, Kind::quotient) || is(a, Kind::times) || is(a, Kind::spread);
    return made_of_parts &&
           std::all_of(a->parts.begin(), a->parts.end(), [](const Expression& part) { return is_number(part); });
}
bool is_number(const Expression& a, double value) {
    if (is(a, Kind::spread)) return is_number(a->parts[0], value);
    return is(a, Kind::number) && a->number == value;
}
bool is_short(const Expression& a) { return is_number(a) || is(a, Kind::symbol); }

Expression operator+(const Expression& a, const Expression& b) {
    if (is(b, Kind::minus)) return a - b->parts[0];
    return term(Kind::sum, {a, b});
}
Expression operator-(const Expression& a, const Expression& b) {
    if (is(b, Kind::minus)) return a + b->parts[0];
    return term(Kind::difference, {a, b});
}
namespace {

/// A number without its shapes.
Expression bare(const Expression& a) {
    switch (a->kind) {
    case Kind::spread:
        return bare(a->parts[0]);
    case Kind::minus:
        return -bare(a->parts[0]);
    case Kind::quotient:
        return bare(a->parts[0]) / bare(a->parts[1]);
    case Kind::times:
        return bare(a->parts[0]) * bare(a->parts[1]);
    default:
        return a;
    }
}

/// A number that stands for a whole array, or what was made of one: arithmetic with it is written without saying so.
bool is_quiet(const Expression& a) { return is(a, Kind::spread) && (a->quiet || is_number(a)); }

Expression quietly_spread(const Expression& a, const Shape& shape) {
    if (is(a, Kind::minus)) return -quietly_spread(a->parts[0], shape);
    Term result{Kind::spread, "", "", 0, {}, {a}, {}, shape, true};
    return std::make_shared<const Term>(std::move(result));
}

}  // namespace

Expression operator*(const Expression& a, const Expression& b) {
    if (is_quiet(a)) return quietly_spread((is_number(a) ? bare(a) : a->parts[0]) * b, a->shape);
    if (is(a, Kind::minus)) return -(a->parts[0] * b);
    if (is(b, Kind::minus)) return -(a * b->parts[0]);
    if (is_number(a, 1)) return b;
    if (is_number(b, 1)) return a;
    if (is_number(b) && !is_number(a)) return b * a;
    return term(Kind::times, {a, b});
}
Expression operator/(const Expression& a, const Expression& b) {
    if (is_quiet(a)) return quietly_spread((is_number(a) ? bare(a) : a->parts[0]) / b, a->shape);
    if (is(a, Kind::minus)) return -(a->parts[0] / b);
    if (is(b, Kind::minus)) return -(a / b->parts[0]);
    if (is_number(b, 1)) return a;
    return term(Kind::quotient, {a, b});
}
Expression operator-(const Expression& a) {
    if (is(a, Kind::minus)) return a->parts[0];
    if (is(a, Kind::spread) && !a->quiet) return spread(-a->parts[0], a->shape);
    return term(Kind::minus, {a});
}
Expression product(const Expression& a, const Expression& b) { return term(Kind::product, {a, b}); }
Expression transposed(const Expression& a) {
    return is(a, Kind::transposed) ? a->parts[0] : term(Kind::transposed, {a});
}
Expression power(const Expression& base, const Expression& exponent) { return term(Kind::power, {base, exponent}); }

Expression call(const std::string& text, const std::string& latex, std::vector<Expression> parts,
                Evaluation evaluation) {
    Term result{Kind::call, text, latex, 0, {}, std::move(parts), std::move(evaluation), {}};
    return std::make_shared<const Term>(std::move(result));
}

Expression spread(const Expression& a, const Shape& shape) {
    if (is(a, Kind::minus) && !is_number(a)) return -spread(a->parts[0], shape);
    const Expression inner = is_number(a) ? bare(a) : a;
    Term result{Kind::spread, "", "", 0, {}, {inner}, {}, shape};
    return std::make_shared<const Term>(std::move(result));
}

bool spreads_in_one_way(const Shape& from, const Shape& to) {
    return from.count() == 1 || from.rank() == to.rank() || ways_to_spread(from, to).size() == 1;
}

Expression summed(const Expression& a, const Shape& from, const Shape& to) {
    if (from == to) return a;
    if (is(a, Kind::minus)) return -summed(a->parts[0], from, to);
    return call("Σ {}", "\\sum {}", {a}, [to](const std::vector<Variable>& x) { return sum_to(x[0], to); });
}

Expression said(const Expression& a, std::function<Variable()> evaluation) {
    return call("", "", {a},
                [evaluation = std::move(evaluation)](const std::vector<Variable>&) { return evaluation(); });
}

Variable evaluate(const Expression& a) {
    const NoGrad constant;
    if (is(a, Kind::number)) return Variable(a->number, float64);
    if (a->value || is(a, Kind::symbol)) return a->value;
    std::vector<Variable> parts;
    if (!(is(a, Kind::call) && a->text.empty())) {
        for (const Expression& part : a->parts) {
            parts.push_back(evaluate(part));
            if (!parts.back()) return {};
        }
    }
    switch (a->kind) {
    case Kind::sum:
        return parts[0] + parts[1];
    case Kind::difference:
        return parts[0] - parts[1];
    case Kind::times:
        return parts[0] * parts[1];
    case Kind::quotient:
        return parts[0] / parts[1];
    case Kind::minus:
        return -parts[0];
    case Kind::product:
        return matmul(parts[0], parts[1]);
    case Kind::transposed:
        return exchanged(parts[0]);
    case Kind::power:
        return pow(parts[0], parts[1]);
    case Kind::call:
        return a->evaluation ? a->evaluation(parts) : Variable();
    default:
        return spread_to(parts[0], a->shape);
    }
}

}  // namespace xtape::inspect::detail
