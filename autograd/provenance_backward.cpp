#include <optional>

#include <fmt/format.h>

#include <xtape/autograd/ops/formula_node.hpp>
#include <xtape/autograd/provenance.hpp>

/// What is told of gradients.
namespace xtape::detail {

namespace {
using Kind = Anomaly::Kind;
}

Anomaly Provenance::of_rule(const Node& node, std::size_t p, const Array& g, const Array& gradient,
                            Index element) const {
    Anomaly found = of_node(Kind::gradient, node, gradient, element);
    found.argument = p + 1;
    const auto* formula = dynamic_cast<const FormulaNode*>(&node);
    if (const auto bad = formula ? formula->non_finite_gradient(p, g) : std::nullopt) {
        const Index there = before_broadcast(bad->element, gradient.shape(), formula->elements());
        found.element = position(there, gradient.shape());
        found.value = gradient.at(there);
        const Part part{before_broadcast(bad->element, g.shape(), formula->elements()), 1, 1, ""};
        found.numbers.push_back(numbers("gradient of the output", "", g, g.shape(), part));
        add_formula(found, node, *bad);
        return found;
    }
    // The output's element is that of the gradient only where neither is broadcast nor mixed with others.
    std::optional<Index> at;
    if (is_elementwise(node) && gradient.shape() == node.shape) at = element;
    const Part part = at ? Part{*at, 1, 1, ""} : Part{0, 1, node.shape.count(), ""};
    found.numbers.push_back(numbers("gradient of the output", "", g, node.shape, part));
    add_arguments(found, node, at);
    const Array y = value_of(node);
    found.numbers.push_back(numbers("output", "", y, node.shape, part));
    return found;
}

Anomaly Provenance::of_bypass(const Node& node, const Array& gradient, Index element) const {
    Anomaly found = of_node(Kind::gradient, node, gradient, element);
    const Node& around = *node.bypass->operand.node();
    const Anomaly::Step from = step(around);
    const Array x = node.bypass->operand ? node.bypass->operand.array() : value_of(around);
    found.numbers.push_back(numbers("what it goes around",
                                    fmt::format("{} at {}", from.operation, to_string(from.where)), x, around.shape,
                                    {element, 1, 1, ""}));
    return found;
}

Anomaly Provenance::of_sum(const Node& node, const Array& g, Index element) const {
    return of_node(Kind::sum, node, g, element);
}

}  // namespace xtape::detail
