#include <cmath>

#include <xtape/autograd/inspect/rules_table.hpp>
#include <xtape/autograd/ops.hpp>

namespace xtape::inspect::detail {

namespace {

Expression one() { return number(1); }
Expression two() { return number(2); }

using Function = Variable (*)(Variable, Where);

Expression function(const std::string& text, const std::string& latex, const Expression& x, Function f) {
    return call(text, latex, {x}, [f](const std::vector<Variable>& in) { return f(in[0], Where::here()); });
}

Expression exponential(const Expression& x) {
    return call("exp({})", "e^{{}}", {x}, [](const std::vector<Variable>& in) { return exp(in[0]); });
}
Expression logarithm(const Expression& x) { return function("log {}", "\\log {}", x, log); }
Expression logistic(const Expression& x) { return function("σ({})", "\\sigma({})", x, sigmoid); }
Expression indicator(const Expression& x) {
    return call("[{} > 0]", "[{} > 0]", {x}, [](const std::vector<Variable>& in) { return in[0] > 0; });
}

/// y = f(x), dx = g f'(x).
template <class Value, class Slope>
auto unary(Value value, Slope slope) {
    return [=](const Step& s) { return Written{value(s), {s.g * slope(s)}}; };
}

/// The number beside the one array of a binary operation, read off its rule and its values where the node does not tell: nothing
/// where they are not known.
struct Beside {
    Variable x, y, slope;

    explicit Beside(const Step& s) {
        x = s.x[0]->value;
        y = s.y->value;
        const Expression ones = spread(one(), s.node.shape);
        Step unit{s.node, ones, s.y, s.x, s.shapes, s.around};
        slope = evaluate(by_rule(unit, 0, ones));
    }
    bool known() const { return x && y && slope && x.size() > 0; }
    /// Of the element whose x is largest.
    Index place() const {
        Index best = 0;
        for (Index i = 0; i < x.size(); ++i)
            if (std::abs(x.array().at(i)) > std::abs(x.array().at(best))) best = i;
        return best;
    }
    double at(const Variable& v) const { return v.array().at(place()); }
};

Expression rounded(double value) { return number(std::abs(value) < 1e-300 ? 0 : std::stod(to_text(number(value)))); }

Written unknown_number(const Step& s, const std::string& sign) {
    const Expression c = symbol("c", "c", {});
    const Expression value = call("{} " + sign + " {}", "{} " + sign + " {}", {s.x[0], c}, {});
    return {value, {by_rule(s, 0, s.g)}};
}

Written add(const Step& s) {
    if (s.x.size() == 2)
        return {s.x[0] + s.x[1], {summed(s.g, s.node.shape, s.shapes[0]), summed(s.g, s.node.shape, s.shapes[1])}};
    const Beside beside(s);
    if (!beside.known()) return unknown_number(s, "+");
    const double c = beside.at(beside.y) - beside.at(beside.x);
    return {c < 0 ? s.x[0] - rounded(-c) : s.x[0] + rounded(c), {s.g}};
}

Written subtract(const Step& s) {
    if (s.x.size() == 2)
        return {s.x[0] - s.x[1], {summed(s.g, s.node.shape, s.shapes[0]), -summed(s.g, s.node.shape, s.shapes[1])}};
    const Beside beside(s);
    if (!beside.known()) return unknown_number(s, "-");
    const double x = beside.at(beside.x), y = beside.at(beside.y);
    if (beside.at(beside.slope) < 0) return {rounded(y + x) - s.x[0], {-s.g}};
    return {s.x[0] - rounded(x - y), {s.g}};
}

Written multiply(const Step& s) {
    if (s.x.size() == 2)
        return {s.x[0] * s.x[1],
                {summed(s.g * s.x[1], s.node.shape, s.shapes[0]), summed(s.g * s.x[0], s.node.shape, s.shapes[1])}};
    const Beside beside(s);
    if (!beside.known()) return unknown_number(s, "*");
    const Expression c = rounded(beside.at(beside.slope));
    return {c * s.x[0], {c * s.g}};
}

Written divide(const Step& s) {
    if (s.x.size() == 2)
        return {
            s.x[0] / s.x[1],
            {summed(s.g / s.x[1], s.node.shape, s.shapes[0]), -summed(s.g * s.y / s.x[1], s.node.shape, s.shapes[1])}};
    const Beside beside(s);
    if (!beside.known()) return unknown_number(s, "/");
    // x / c has the slope y / x, c / x has -y / x.
    const double ratio = beside.at(beside.y) / beside.at(beside.x), slope = beside.at(beside.slope);
    if (ratio * slope > 0) return {s.x[0] / rounded(1 / slope), {s.g / rounded(1 / slope)}};
    return {rounded(beside.at(beside.y) * beside.at(beside.x)) / s.x[0], {-(s.g * s.y / s.x[0])}};
}

Written power_of(const Step& s) {
    if (s.x.size() == 2)
        return {power(s.x[0], s.x[1]),
                {summed(s.g * s.x[1] * power(s.x[0], s.x[1] - one()), s.node.shape, s.shapes[0]),
                 summed(s.g * s.y * logarithm(s.x[0]), s.node.shape, s.shapes[1])}};
    const Beside beside(s);
    if (!beside.known()) return unknown_number(s, "^");
    const double x = beside.at(beside.x), y = beside.at(beside.y), slope = beside.at(beside.slope);
    const double exponent = slope * x / y, base = std::exp(slope / y);
    // x^c, or c^x, whichever it is at that element
    if (std::abs(std::pow(std::abs(x), exponent) - std::abs(y)) <= 1e-9 * std::abs(y)) {
        const Expression c = rounded(exponent);
        return {power(s.x[0], c), {s.g * (c * power(s.x[0], rounded(exponent - 1)))}};
    }
    return {power(rounded(base), s.x[0]), {s.g * s.y * logarithm(rounded(base))}};
}

/// The share of each operand in the larger, or smaller, of both.
Written extremum(const Step& s, const std::string& name) {
    if (s.x.size() != 2) return {call(name + "({}, c)", "\\" + name + "({}, c)", {s.x[0]}, {}), {by_rule(s, 0, s.g)}};
    Written result{call(name + "({}, {})", "\\" + name + "({}, {})", s.x, {}), {}};
    for (std::size_t p = 0; p < 2; ++p) {
        const Expression chosen = call("[{} = {}]", "[{} = {}]", {s.y, s.x[p]}, {});
        result.gradients.push_back(by_rule(s, p, summed(s.g * chosen, s.node.shape, s.shapes[p])));
    }
    return result;
}

Written selection(const Step& s) {
    const Expression test = symbol("[c]", "[c]", {}), other = symbol("[not c]", "[\\neg c]", {});
    Written result{call("where(c, {}, {})", "\\mathrm{where}(c, {}, {})", {s.x[0], s.x[1]}, {}), {}};
    result.gradients.push_back(by_rule(s, 0, summed(test * s.g, s.node.shape, s.shapes[0])));
    result.gradients.push_back(by_rule(s, 1, summed(other * s.g, s.node.shape, s.shapes[1])));
    return result;
}

Written logistic_loss(const Step& s) {
    const Expression a = logistic(s.x[0]), y = s.x[1];
    const Expression value = -(y * logarithm(a) + (one() - y) * logarithm(one() - a));
    return {value, {s.g * (a - y), -(s.g * s.x[0])}};
}

/// The same of a sigmoid that was recorded before: the document's F1 and F10.
Written log_loss(const Step& s) {
    const Expression &a = s.x[0], &y = s.x[1];
    const Expression value = -(y * logarithm(a) + (one() - y) * logarithm(one() - a));
    return {value, {s.g * ((one() - y) / (one() - a) - y / a), -(s.g * s.x[0])}};
}

}  // namespace

void add_elementwise(WrittenOperations& t) {
    using S = const Step&;
    t["add"] = add;
    t["subtract"] = subtract;
    t["multiply"] = multiply;
    t["divide"] = divide;
    t["pow"] = power_of;
    t["maximum"] = [](S s) { return extremum(s, "max"); };
    t["minimum"] = [](S s) { return extremum(s, "min"); };
    t["where"] = selection;
    t["one_minus"] = [](S s) { return Written{one() - s.x[0], {-s.g}}; };
    t["one_plus"] = [](S s) { return Written{one() + s.x[0], {s.g}}; };
    t["one_plus_exp"] = unary([](S s) { return one() + exponential(s.x[0]); }, [](S s) { return exponential(s.x[0]); });
    t["log_loss"] = log_loss;
    t["sigmoid_cross_entropy"] = logistic_loss;
    t["negative"] = [](S s) { return Written{-s.x[0], {-s.g}}; };
    t["astype"] = [](S s) { return Written{s.x[0], {s.g}}; };
    t["abs"] = unary([](S s) { return function("|{}|", "|{}|", s.x[0], abs); },
                     [](S s) { return function("sign({})", "\\mathrm{sign}({})", s.x[0], sign); });
    t["square"] = unary([](S s) { return power(s.x[0], two()); }, [](S s) { return two() * s.x[0]; });
    t["sqrt"] = unary([](S s) { return function("sqrt({})", "\\sqrt{{}}", s.x[0], sqrt); },
                      [](S s) { return one() / (two() * s.y); });
    t["reciprocal"] = unary([](S s) { return one() / s.x[0]; }, [](S s) { return -(one() / power(s.x[0], two())); });
    t["exp"] = unary([](S s) { return exponential(s.x[0]); }, [](S s) { return s.y; });
    t["expm1"] = unary([](S s) { return exponential(s.x[0]) - one(); }, [](S s) { return s.y + one(); });
    t["log"] = [](S s) { return Written{logarithm(s.x[0]), {s.g / s.x[0]}}; };
    t["log1p"] = [](S s) { return Written{logarithm(one() + s.x[0]), {s.g / (one() + s.x[0])}}; };
    t["sin"] = unary([](S s) { return function("sin {}", "\\sin {}", s.x[0], sin); },
                     [](S s) { return function("cos {}", "\\cos {}", s.x[0], cos); });
    t["cos"] = unary([](S s) { return function("cos {}", "\\cos {}", s.x[0], cos); },
                     [](S s) { return -function("sin {}", "\\sin {}", s.x[0], sin); });
    t["tanh"] = unary([](S s) { return function("tanh {}", "\\tanh {}", s.x[0], tanh); },
                      [](S s) { return one() - power(s.y, two()); });
    t["sigmoid"] = unary([](S s) { return logistic(s.x[0]); }, [](S s) { return s.y * (one() - s.y); });
    t["sigmoid_of_negative"] = unary([](S s) { return logistic(-s.x[0]); }, [](S s) { return -(s.y * (one() - s.y)); });
    t["log_sigmoid"] = unary([](S s) { return logarithm(logistic(s.x[0])); }, [](S s) { return logistic(-s.x[0]); });
    t["softplus"] =
        unary([](S s) { return logarithm(one() + exponential(s.x[0])); }, [](S s) { return logistic(s.x[0]); });
    t["relu"] = unary([](S s) { return function("max({}, 0)", "\\max({}, 0)", s.x[0], relu); },
                      [](S s) { return indicator(s.y); });
    t["erf"] = unary([](S s) { return function("erf({})", "\\mathrm{erf}({})", s.x[0], erf); },
                     [](S s) {
                         return call("2/sqrt(π) exp(−{}²)", "\\frac{2}{\\sqrt{\\pi}} e^{-{}^2}", {s.x[0]},
                                     [](const std::vector<Variable>& x) { return M_2_SQRTPI * exp(-square(x[0])); });
                     });
    t["gelu"] = unary(
        [](S s) {
            return s.x[0] * function("Φ({})", "\\Phi({})", s.x[0],
                                     [](Variable x, Where) { return 0.5 * (1 + erf(M_SQRT1_2 * x)); });
        },
        [](S s) {
            return call("(Φ({}) + {} φ({}))", "\\left(\\Phi({}) + {}\\, \\varphi({})\\right)", {s.x[0], s.x[0], s.x[0]},
                        [](const std::vector<Variable>& x) {
                            return 0.5 * (1 + erf(M_SQRT1_2 * x[0])) +
                                   x[0] * (0.5 * M_2_SQRTPI * M_SQRT1_2) * exp(-0.5 * square(x[0]));
                        });
        });
}

}  // namespace xtape::inspect::detail
