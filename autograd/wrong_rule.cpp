#include <xtape/autograd/wrong_rule.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include <xtape/autograd/tape.hpp>

namespace xtape::detail {

namespace {

bool older(const NodePtr& a, const NodePtr& b) { return a->number < b->number; }

Array value_of(Node& node) {
    const auto* leaf = dynamic_cast<const Leaf*>(&node);
    return leaf ? leaf->value : node.output;
}

bool same_operation(const NodePtr& a, const NodePtr& b) {
    return std::strcmp(a->name, b->name) == 0 && a->shape == b->shape && value_of(*b);
}

/// Everything recorded on the way to some outputs, in execution order.
std::vector<NodePtr> recorded(const std::vector<Variable>& ys) {
    std::vector<NodePtr> nodes;
    for (const Variable& y : ys) {
        const Tape tape(y);
        for (Node* node : tape.nodes()) nodes.emplace_back(node);
    }
    std::sort(nodes.begin(), nodes.end(), older);
    nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
    return nodes;
}

/// How fast an output moves, by the four results at -h, h, -h/2 and h/2.
Array rate(const NodePtr (&at)[4], double h) {
    Array z[4];
    for (std::size_t i = 0; i < 4; ++i) z[i] = value_of(*at[i]);
    Array result = Array::uninitialized(z[0].shape(), float64);
    for (Index e = 0; e < result.size(); ++e)
        result.mutable_data<double>()[e] =
            extrapolated((z[1].at(e) - z[0].at(e)) / (2 * h), (z[3].at(e) - z[2].at(e)) / h);
    return result;
}

/// How far a node's rules are from its output's rate, relative to the terms that they compare.
double misfit(Node& node, const Array& own_rate, const std::vector<const Array*>& parent_rates, Generator& generator) {
    const Array g = uneven(node.shape, generator);
    const std::unique_ptr<bool[]> wanted(new bool[node.arity()]);
    for (std::size_t p = 0; p < node.arity(); ++p) wanted[p] = parent_rates[p] != nullptr;
    std::vector<Variable> gradients(node.arity());
    node.pull(Variable(g), wanted.get(), gradients.data());

    double gap = inner(g, own_rate), size = inner_abs(g, own_rate);
    for (std::size_t p = 0; p < node.arity(); ++p) {
        if (!wanted[p]) continue;
        gap -= inner(gradients[p].array(), *parent_rates[p]);
        size += inner_abs(gradients[p].array(), *parent_rates[p]);
    }
    return size > 0 ? std::abs(gap) / size : 0;
}

}  // namespace

NodePtr wrong_rule(const Subject& subject, const std::vector<Array>& xs, std::size_t k, const Array& direction,
                   double step, Generator& generator) {
    const KeepOutputs scope;
    const auto run = [&](double at) { return recorded(outputs_near(subject, xs, k, direction, at)); };
    const std::vector<NodePtr> here = run(0);
    const std::vector<NodePtr> moved[] = {run(-step), run(step), run(-step / 2), run(step / 2)};
    for (const auto& nodes : moved)
        if (!std::equal(here.begin(), here.end(), nodes.begin(), nodes.end(), same_operation)) return {};

    std::vector<Array> rates;
    for (std::size_t i = 0; i < here.size(); ++i)
        rates.push_back(rate({moved[0][i], moved[1][i], moved[2][i], moved[3][i]}, step));

    NodePtr wrong;
    double worst = 1e-6;
    const NoGrad constant;
    for (std::size_t i = 0; i < here.size(); ++i) {
        Node& node = *here[i];
        if (node.arity() == 0 || node.dtype == float32) continue;  // differences drown in the rounding of float32
        std::vector<const Array*> parent_rates(node.arity(), nullptr);
        for (std::size_t p = 0; p < node.arity(); ++p)
            if (const NodePtr& parent = node.arguments()[p].node())
                parent_rates[p] = &rates[static_cast<std::size_t>(
                    std::lower_bound(here.begin(), here.end(), parent, older) - here.begin())];
        if (const double found = misfit(node, rates[i], parent_rates, generator); found > worst) {
            worst = found;
            wrong = here[i];
        }
    }
    return wrong;
}

}  // namespace xtape::detail
