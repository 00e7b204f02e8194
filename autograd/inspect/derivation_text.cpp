#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <xtape/autograd/inspect.hpp>
#include <xtape/autograd/inspect/derivation.hpp>
#include <xtape/autograd/inspect/text_columns.hpp>

namespace xtape::inspect {

namespace {

constexpr double right = 1e-6;

/// What stands behind an equation: whether it is right, and how nearly.
std::string mark(const std::optional<double>& error) {
    if (!error) return "not checked";
    if (!std::isfinite(*error)) return "✗ not finite";
    return fmt::format("{} {:.0e}", *error <= right ? "✓" : "✗ wrong by", *error);
}

std::string latex_mark(const std::optional<double>& error) {
    if (!error) return "\\text{not checked}";
    if (!std::isfinite(*error)) return "\\text{not finite}";
    const int exponent = *error > 0 ? static_cast<int>(std::ceil(std::log10(*error))) : -16;
    return fmt::format("{}\\; 10^{{{}}}", *error <= right ? "\\checkmark" : "\\text{wrong by}", exponent);
}

std::string lines_of(const std::vector<Equation>& equations, bool checks) {
    std::size_t widest = 0;
    for (const Equation& equation : equations)
        for (std::size_t k = 1; k < equation.text.size(); ++k)
            widest = std::max(widest, text::width_of(equation.text[0]) + text::width_of(equation.text[k]) + 3);
    std::string result;
    for (const Equation& equation : equations) {
        const std::string blank(text::width_of(equation.text[0]), ' ');
        for (std::size_t k = 1; k < equation.text.size(); ++k) {
            std::string line = (k == 1 ? equation.text[0] : blank) + " = " + equation.text[k];
            if (checks && k + 1 == equation.text.size())
                line += std::string(widest - text::width_of(line) + 3, ' ') + mark(equation.error);
            result += "  " + line + "\n";
        }
    }
    return result;
}

std::string align(const std::vector<Equation>& equations, bool checks) {
    std::string result = "\\begin{align*}\n";
    for (std::size_t e = 0; e < equations.size(); ++e) {
        const Equation& equation = equations[e];
        for (std::size_t k = 1; k < equation.latex.size(); ++k) {
            result += fmt::format("  {} &= {}", k == 1 ? equation.latex[0] : "", equation.latex[k]);
            const bool last = k + 1 == equation.latex.size();
            if (checks && last) result += " && " + latex_mark(equation.error);
            if (!last)
                result += " \\\\\n";
            else
                result += e + 1 < equations.size() ? " \\\\[1ex]\n" : "\n";
        }
    }
    return result + "\\end{align*}\n";
}

}  // namespace

bool Derivation::checked(double tolerance) const {
    return std::all_of(gradients.begin(), gradients.end(),
                       [&](const Equation& each) { return each.error && *each.error <= tolerance; });
}

std::string Derivation::text() const {
    return "values\n" + lines_of(values, false) + "gradients\n" + lines_of(gradients, true);
}

std::string Derivation::latex() const { return align(values, false) + align(gradients, true); }

std::string Derivation::latex_document() const {
    return "\\documentclass{article}\n\\usepackage[a4paper,margin=15mm]{geometry}\n"
           "\\usepackage{amsmath,amssymb}\n\\pagestyle{empty}\n\\allowdisplaybreaks\n\\begin{document}\n" +
           latex() + "\\end{document}\n";
}

Derivation derivation(const std::function<Variable()>& f, const Names& names, Where where) {
    return detail::derive(detail::Recording(f, where), names);
}

}  // namespace xtape::inspect
