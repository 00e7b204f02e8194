#include <xtape/autograd/inspect/rules.hpp>

#include <cmath>
#include <memory>
#include <unordered_map>

#include <fmt/format.h>

#include <xtape/autograd/inspect/rules_table.hpp>
#include <xtape/autograd/lasting_name.hpp>
#include <xtape/autograd/mathematics.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/self_printing.hpp>

namespace xtape::inspect::detail {

namespace {

/// op(x, ...), and bare partial derivatives.
Written bare(const Step& s) {
    std::string form, latex_form;
    for (std::size_t p = 0; p < s.x.size(); ++p) {
        form += p ? ", {}" : "{}";
        latex_form += p ? ", {}" : "{}";
    }
    std::string name = s.node.name;
    for (std::size_t at; (at = name.find("{}")) != std::string::npos;)
        name.insert(at + 1, " ");  // no place for an argument
    Written result{call(name + "(" + form + ")", mathematics::latex(name) + "(" + latex_form + ")", s.x, {}), {}};
    for (std::size_t p = 0; p < s.x.size(); ++p) {
        const Expression partial = symbol(fmt::format("(∂{}/∂{})ᵀ", to_text(s.y), to_text(s.x[p])),
                                          fmt::format("\\left(\\frac{{\\partial {}}}{{\\partial {}}}\\right)^{{\\top}}",
                                                      to_latex(s.y), to_latex(s.x[p])),
                                          {});
        result.gradients.push_back(by_rule(s, p, product(partial, s.g)));
    }
    return result;
}

/// The words of an operation that prints itself.
Written self_written(const Step& s, const SelfPrinting& self) {
    const auto words = [&](bool latex) {
        std::vector<std::string> x;
        for (const Expression& each : s.x) {
            const std::string printed = latex ? to_latex(each) : to_text(each);
            x.push_back(is_short(each) ? printed : latex ? "\\left(" + printed + "\\right)" : "(" + printed + ")");
        }
        return x;
    };
    const auto text = words(false), latex = words(true);
    Written result{call("(" + self.value(text, false) + ")", "\\left(" + self.value(latex, true) + "\\right)", {}, {}),
                   {}};
    for (std::size_t p = 0; p < s.x.size(); ++p) {
        const Expression slope = call("(" + self.slope(p, text, to_text(s.y), false) + ")",
                                      "\\left(" + self.slope(p, latex, to_latex(s.y), true) + "\\right)", {}, {});
        result.gradients.push_back(by_rule(s, p, summed(s.g * slope, s.node.shape, s.shapes[p])));
    }
    return result;
}

}  // namespace

Expression by_rule(const Step& s, std::size_t p, const Expression& printed) {
    return said(printed, [node = NodePtr(&s.node), g = s.g, p]() -> Variable {
        Variable gradient = evaluate(g);
        if (!gradient || p >= node->arity()) return {};
        if (gradient.shape() != node->shape) gradient = broadcast_to(gradient, node->shape);
        const std::unique_ptr<bool[]> wanted(new bool[node->arity()]());
        if (!node->arguments()[p].node()) return {};
        wanted[p] = true;
        std::vector<Variable> gradients(node->arity());
        node->pull(std::move(gradient), wanted.get(), gradients.data());
        return gradients[p];
    });
}

Written written(const Step& step) {
    if (!step.around)
        if (const SelfPrinting* self = step.node.self_printing()) return self_written(step, *self);
    if (xtape::detail::is_lasting_name(step.node.name)) return bare(step);
    const std::string name = step.around ? name_around(step.node.name, step.around->name) : step.node.name;
    const auto& table = written_operations();
    const auto found = table.find(name);
    return found == table.end() ? bare(step) : found->second(step);
}

std::string name_around(const std::string& op, const std::string& around) {
    if (op == "sigmoid_cross_entropy") return "log_loss";
    if (op == "one_plus_exp") return "one_plus";
    if (op == "softplus" && around == "exp") return "log1p";
    if (op == "sigmoid" || op == "sigmoid_of_negative") return around == "one_plus_exp" ? "reciprocal" : "one_minus";
    return "log";
}

bool is_written_out(const std::string& op) { return written_operations().count(op) > 0; }

}  // namespace xtape::inspect::detail
