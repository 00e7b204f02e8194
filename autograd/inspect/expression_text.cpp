#include <string_view>

#include <fmt/format.h>

#include <xtape/autograd/inspect/expression.hpp>

namespace xtape::inspect::detail {

namespace {

using Kind = Term::Kind;

bool is(const Expression& a, Kind kind) { return a->kind == kind; }

/// How tightly it holds together; what is looser than its surroundings gets brackets.
enum Strength { loose = 1, sign = 2, factor = 3, matrix = 4, tight = 5 };

Strength strength(const Expression& a, bool latex) {
    switch (a->kind) {
    case Kind::number:
        return a->number < 0 ? sign : tight;
    case Kind::symbol:
    case Kind::transposed:
    case Kind::power:
        return tight;
    case Kind::sum:
    case Kind::difference:
        return loose;
    case Kind::minus:
        return sign;
    case Kind::times:
        return factor;
    case Kind::quotient:
        return latex ? tight : factor;
    case Kind::product:
        return matrix;
    case Kind::call: {
        const std::string& form = latex ? a->latex : a->text;
        return form.empty()                                                     ? strength(a->parts[0], latex)
               : form.back() == ')' || form.back() == ']' || form.back() == '|' ? tight
                                                                                : factor;
    }
    case Kind::spread:
        return a->quiet || is_number(a->parts[0]) ? strength(a->parts[0], latex) : tight;
    }
    return tight;
}

class Printer {
public:
    explicit Printer(bool latex) : latex_(latex) {}

    std::string print(const Expression& a) const {
        const auto& parts = a->parts;
        switch (a->kind) {
        case Kind::number:
            return fmt::format("{:.6g}", a->number);
        case Kind::symbol:
            return latex_ ? a->latex : a->text;
        case Kind::sum:
            return print(parts[0]) + " + " + print(parts[1]);
        case Kind::difference:
            return print(parts[0]) + minus() + within(parts[1], factor);
        case Kind::minus:
            return (latex_ ? "-" : "−") + within(parts[0], factor);
        case Kind::times:
            return times(parts[0], parts[1]);
        case Kind::quotient:
            if (latex_) return "\\frac{" + print(parts[0]) + "}{" + print(parts[1]) + "}";
            return within(parts[0], factor) + (is_number(a) ? "/" : " / ") + within(parts[1], tight);
        case Kind::product:
            return within(parts[0], matrix) + (latex_ ? "\\, " : " ") + within(parts[1], matrix);
        case Kind::transposed:
            return within(parts[0], tight) + (latex_ ? "^{\\top}" : "ᵀ");
        case Kind::power:
            return within(parts[0], tight) + "^" + braced(parts[1]);
        case Kind::call:
            return call(a);
        case Kind::spread:
            if (a->quiet || is_number(parts[0])) return print(parts[0]);
            return latex_ ? "\\mathbf{1}\\," + within(parts[0], tight) : "spread(" + print(parts[0]) + ")";
        }
        return "";
    }

private:
    std::string minus() const { return latex_ ? " - " : " − "; }

    std::string brackets(const std::string& inner) const {
        return latex_ ? "\\left(" + inner + "\\right)" : "(" + inner + ")";
    }

    std::string within(const Expression& a, Strength needed) const {
        return strength(a, latex_) < needed ? brackets(print(a)) : print(a);
    }

    std::string braced(const Expression& a) const {
        if (latex_) return "{" + print(a) + "}";
        return within(a, tight);
    }

    std::string times(const Expression& a, const Expression& b) const {
        // A matrix product between element-wise ones is easier to see in brackets.
        const auto side = [&](const Expression& x) {
            return is(x, Kind::product) ? brackets(print(x)) : within(x, factor);
        };
        const bool plain = is_number(a) || is_number(b);
        return side(a) + (plain ? (latex_ ? "\\, " : " ") : latex_ ? " \\odot " : " ⊙ ") + side(b);
    }

    std::string call(const Expression& a) const {
        const std::string& form = latex_ ? a->latex : a->text;
        if (form.empty()) return print(a->parts[0]);  // printed as what it stands for
        std::string result;
        std::size_t part = 0;
        for (std::size_t i = 0; i < form.size(); ++i) {
            if (form[i] == '{' && i + 1 < form.size() && form[i + 1] == '}' && part < a->parts.size()) {
                const bool enclosed =
                    i > 0 && i + 2 < form.size() && std::string_view("([|{,").find(form[i - 1]) != std::string::npos;
                const bool listed = i > 1 && form[i - 1] == ' ' && form[i - 2] == ',';
                result += enclosed || listed ? print(a->parts[part]) : within(a->parts[part], tight);
                ++part;
                ++i;
            } else {
                result += form[i];
            }
        }
        return result;
    }

    bool latex_;
};

}  // namespace

std::string to_text(const Expression& a) { return Printer(false).print(a); }
std::string to_latex(const Expression& a) { return Printer(true).print(a); }

}  // namespace xtape::inspect::detail
