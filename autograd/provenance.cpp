#include <xtape/autograd/provenance.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include <xtape/autograd/kernels/finite.hpp>
#include <xtape/autograd/ops/formula_node.hpp>

namespace xtape::detail {

namespace {

using Kind = Anomaly::Kind;

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

/// An element of an argument that is not finite.
struct Suspect {
    std::size_t argument;
    Index element;
    double value;
};

/// Those among the arguments of a node that its output y may owe a number that is not finite to. Where element-wise
/// numbers of the same kind went in, it was those: of where(), the chosen ones.
std::vector<Suspect> suspects(const Node& node, const Array& y, Index element) {
    std::vector<Suspect> all;
    for (std::size_t p = 0; p < node.arity(); ++p) {
        const Array x = value_of_argument(node, p);
        if (!x) continue;
        const Index at = first_non_finite(x, part_read(node, p, x.shape(), element));
        if (at >= 0) all.push_back({p, at, x.at(at)});
    }
    if (!is_elementwise(node)) return all;
    const auto differs = [&](const Suspect& suspect) { return !same(suspect.value, y.at(element)); };
    if (!std::all_of(all.begin(), all.end(), differs))
        all.erase(std::remove_if(all.begin(), all.end(), differs), all.end());
    return all;
}

/// Whether each node is where walks begin: nothing took it, or went around it.
std::vector<bool> ends(const Tape& tape) {
    std::vector<bool> is_end(tape.size(), true);
    for (std::size_t i = 0; i < tape.size(); ++i) {
        for (std::size_t p = 0; p < tape.arity(i); ++p)
            if (const auto parent = tape.parents(i)[p]; parent != Tape::absent) is_end[parent] = false;
        if (tape.bypassed(i) != Tape::absent) is_end[tape.bypassed(i)] = false;
    }
    return is_end;
}

bool in_library(Where where) { return std::strstr(where.file, "autograd/ops/"); }

}  // namespace

void Provenance::recorded_by_rule(const Node& made, const Node& of) {
    const Anomaly::Step rule = step(of);
    rules_[made.number] = {fmt::format("{} in the rule of {}", made.name, rule.operation),
                           in_library(made.where) ? rule.where : made.where};
    recent_.push_back(made.number);
}

void Provenance::forget_recent() {
    for (const std::uint64_t number : recent_) rules_.erase(number);
    recent_.clear();
}

Anomaly::Step Provenance::step(const Node& node) const {
    if (dynamic_cast<const Leaf*>(&node)) {
        const std::string name = names_.of(node);
        return {name.empty() ? "a parameter" : "parameter " + name, node.where};
    }
    const auto rule = rules_.find(node.number);
    return rule == rules_.end() ? Anomaly::Step{node.name, node.where} : rule->second;
}

std::string Provenance::origin(const Node& node, std::size_t p) const {
    const Variable& argument = node.arguments()[p];
    const std::string name = names_.of(argument);
    if (!argument.node()) return name.empty() ? "a constant" : "constant " + name;
    const Anomaly::Step from = step(*argument.node());
    if (from.where.line <= 0) return from.operation;
    return fmt::format("{}{} at {}{}", name.empty() ? "" : name + ", ", from.operation, to_string(from.where),
                       argument && !value_of(*argument.node()) ? ", recorded before anybody looked" : "");
}

Anomaly::Numbers Provenance::numbers(std::string role, std::string origin, const Array& x, const Shape& shape,
                                     const Part& part) const {
    Anomaly::Numbers n;
    n.role = std::move(role);
    n.origin = std::move(origin);
    n.shape = shape;
    if (!x) return n;
    n.part = part.text;
    n.count = part.count;
    if (part.count == 1) {
        n.element = position(part.first, shape);
        n.value = x.at(part.first);
    }
    bool any = false;
    for (Index i = 0, at = part.first; i < part.count; ++i, at += part.step) {
        const double value = x.at(at);
        if (!std::isfinite(value)) {
            ++n.non_finite;
        } else {
            n.lowest = any ? std::min(n.lowest, value) : value;
            n.highest = any ? std::max(n.highest, value) : value;
            any = true;
        }
    }
    return n;
}

/// What the operation had for this element of its output; all in all where that is not known.
void Provenance::add_arguments(Anomaly& found, const Node& node, std::optional<Index> element) const {
    for (std::size_t p = 0; p < node.arity(); ++p) {
        const Variable& argument = node.arguments()[p];
        const Array x = value_of_argument(node, p);
        if (!x && !argument.node()) continue;
        const Shape shape = x ? x.shape() : argument.node()->shape;
        const Part part = element ? part_read(node, p, shape, *element) : Part{0, 1, shape.count(), ""};
        found.numbers.push_back(numbers(fmt::format("argument {}", p + 1), origin(node, p), x, shape, part));
    }
}

Anomaly Provenance::of_node(Kind kind, const Node& node, const Array& y, Index element) const {
    Anomaly found;
    const Anomaly::Step here = step(node);
    found.kind = kind;
    found.operation = here.operation;
    found.where = here.where;
    found.element = position(element, y.shape());
    found.value = y.at(element);
    return found;
}

Anomaly Provenance::of_operation(const Node& node, const Array& y, Index element) const {
    Anomaly found = of_node(Kind::output, node, y, element);
    const auto* formula = dynamic_cast<const FormulaNode*>(&node);
    const std::optional<NonFinite> bad = formula ? formula->non_finite_value() : std::nullopt;
    if (bad) {  // of a sum or mean fused with it, an element of what was summed
        found.element = position(bad->element, formula->elements());
        found.value = bad->values[static_cast<std::size_t>(bad->family->formula().outputs()[0])];
        add_formula(found, node, *bad);
    } else {
        add_arguments(found, node, element);
    }
    return found;
}

/// What a lambda's formula did at its bad element.
void Provenance::add_formula(Anomaly& found, const Node& node, const NonFinite& bad) const {
    const Formula& formula = bad.family->formula();
    const FormulaInstruction& step = formula.instructions()[bad.instruction];
    Anomaly::Instruction inside{name_of(step.op), step.where, {}, bad.values[bad.instruction]};
    for (std::size_t k = 0; k < xtape::arity(step.op); ++k)
        inside.operands.push_back(bad.values[static_cast<std::size_t>(step.operands[k])]);
    found.inside = std::move(inside);
    const Shape& elements = static_cast<const FormulaNode&>(node).elements();
    for (std::size_t p = 0; p < node.arity(); ++p) {
        const Array x = value_of_argument(node, p);
        const Part part{before_broadcast(bad.element, x.shape(), elements), 1, 1, ""};
        found.numbers.push_back(numbers(fmt::format("argument {}", p + 1), origin(node, p), x, x.shape(), part));
    }
}

Anomaly Provenance::of_constant(const Node& node, std::size_t p, Index element) const {
    const Array x = value_of_argument(node, p);
    Anomaly found = of_node(Kind::input, node, x, element);
    found.argument = p + 1;
    found.numbers.push_back(
        numbers(fmt::format("argument {}", p + 1), origin(node, p), x, x.shape(), {0, 1, x.size(), ""}));
    return found;
}

/// `user` took the parameter's value.
Anomaly Provenance::of_parameter(const Node& leaf, Index element, const Node* user) const {
    const Array x = value_of(leaf);
    Anomaly found = of_node(Kind::input, leaf, x, element);
    if (user) found.where = step(*user).where;
    found.numbers.push_back(numbers(found.operation, "", x, x.shape(), {0, 1, x.size(), ""}));
    return found;
}

std::optional<Anomaly> Provenance::of_output(const Tape& tape) const {
    const auto& nodes = tape.nodes();
    std::vector<Index> bad(tape.size(), -1);         // by position: an element that is not finite and went into an end
    std::vector<std::size_t> next(tape.size());      // what took it; of an end itself
    std::vector<std::size_t> argument(tape.size());  // as which
    std::optional<Anomaly> found;                    // the oldest comes last
    std::size_t from = 0;
    const std::vector<bool> is_end = ends(tape);
    for (std::size_t i = tape.size(); i-- > 0;) {
        const Node& node = *nodes[i];
        const Array y = value_of(node);
        if (is_end[i] && y) {
            bad[i] = kernels::first_non_finite(y);
            next[i] = i;
        }
        if (bad[i] < 0) continue;
        if (node.arity() > 0 && next[i] != i && (tape.is_leaf(i) || !y)) {  // from before: its user has the number
            from = next[i];
            found = of_constant(*nodes[from], argument[i], bad[i]);
            continue;
        }
        std::vector<Suspect> all;
        if (tape.is_leaf(i))
            found = of_parameter(node, bad[i], next[i] == i ? nullptr : nodes[next[i]]);
        else if (all = suspects(node, y, bad[i]); all.empty())
            found = of_operation(node, y, bad[i]);
        if (all.empty()) from = i;
        for (const Suspect& suspect : all) {
            const std::uint32_t parent = tape.parents(i)[suspect.argument];
            if (parent == Tape::absent) {
                found = of_constant(node, suspect.argument, suspect.element);
                from = i;
            } else if (bad[parent] < 0) {
                bad[parent] = suspect.element;
                next[parent] = i;
                argument[parent] = suspect.argument;
            }
        }
    }
    if (!found) return std::nullopt;
    found->path.push_back(step(*nodes[from]));
    for (; next[from] != from; from = next[from]) found->path.push_back(step(*nodes[next[from]]));
    found->loss = value_of(*nodes[from]).at(bad[from]);
    return found;
}

std::optional<Anomaly> Provenance::of_recorded(const Node& node, const Array& y, Moment since) const {
    const Index element = kernels::first_non_finite(y);
    if (element < 0) return std::nullopt;
    const std::vector<Suspect> all = suspects(node, y, element);
    for (const Suspect& suspect : all) {
        const NodePtr& parent = node.arguments()[suspect.argument].node();
        if (parent && parent->arity() == 0) return of_parameter(*parent, suspect.element, &node);
        if (!parent || !since.covers(*parent)) return of_constant(node, suspect.argument, suspect.element);
    }
    if (!all.empty()) return std::nullopt;
    return of_operation(node, y, element);
}

std::vector<std::size_t> way_to_end(const Tape& tape, std::size_t i) {
    constexpr std::uint32_t far = UINT32_MAX;
    std::vector<std::uint32_t> steps(tape.size(), far), next(tape.size(), far);
    const std::vector<bool> is_end = ends(tape);
    for (std::size_t j = tape.size(); j-- > i;) {
        if (is_end[j]) steps[j] = 0;
        if (steps[j] == far) continue;
        for (std::size_t p = 0; p < tape.arity(j); ++p)
            if (const auto parent = tape.parents(j)[p]; parent != Tape::absent && steps[parent] > steps[j] + 1) {
                steps[parent] = steps[j] + 1;
                next[parent] = static_cast<std::uint32_t>(j);
            }
    }
    std::vector<std::size_t> way{i};
    while (next[way.back()] != far) way.push_back(next[way.back()]);
    return way;
}

}  // namespace xtape::detail
