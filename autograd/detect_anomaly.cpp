#include <xtape/autograd/detect_anomaly.hpp>

#include <utility>
#include <vector>

#include <xtape/autograd/kernels/finite.hpp>
#include <xtape/autograd/provenance.hpp>

namespace xtape {

using detail::Provenance;

/// What a DetectAnomaly knows, and the walks that are under way, each within a rule of the one before.
class DetectAnomaly::Watch {
public:
    Watch(VariableNames names, bool stop) : at_once(stop), provenance(std::move(names)) {}

    struct Walk {
        const Tape* tape;
        std::vector<Anomaly::Step> steps;  // nodes that were passed may be gone
        double loss;
        const Node* rule = nullptr;  ///< whose rule runs
        Array g;                     ///< what it was given
    };

    bool in_rule() const { return !walks.empty() && walks.back().rule; }

    /// From the node to the end of its tape, then from the node whose rule walked it to the end of that one, and so on.
    [[noreturn]] void fail(Anomaly found, const Node& node) const {
        const Node* from = &node;
        for (auto walk = walks.rbegin(); walk != walks.rend() && from; ++walk) {
            const auto& nodes = walk->tape->nodes();
            std::size_t i = nodes.size();
            while (i > 0 && nodes[i - 1] != from) --i;
            if (i == 0) break;
            for (const std::size_t position : detail::way_to_end(*walk->tape, i - 1))
                found.path.push_back(walk->steps[position]);
            found.loss = walk->loss;
            from = walk + 1 == walks.rend() ? nullptr : (walk + 1)->rule;
        }
        throw NonFiniteError(std::move(found));
    }

    const bool at_once;
    const Moment since = Moment::now();
    Provenance provenance;
    std::vector<Walk> walks;
    bool recording = false;  ///< the outermost one's gradients
};

DetectAnomaly::DetectAnomaly(VariableNames names) : watch_(new Watch(std::move(names), false)) {}
DetectAnomaly::DetectAnomaly(AtOnce, VariableNames names) : watch_(new Watch(std::move(names), true)) {}
DetectAnomaly::~DetectAnomaly() = default;

void DetectAnomaly::name(const std::string& text, const Variable& x, Where where) {
    watch_->provenance.name(text, x, where);
}

void DetectAnomaly::check(const Variable& y) const {
    if (!y) throw ValueError("DetectAnomaly: a Variable without a value to check");
    const Index element = kernels::first_non_finite(y.array());
    if (element < 0) return;
    if (auto found = watch_->provenance.of_output(Tape(y))) throw NonFiniteError(std::move(*found));
    Anomaly found;
    found.kind = Anomaly::Kind::input;
    found.operation = y.node() ? "what was recorded before anybody looked" : "a constant";
    found.element = detail::position(element, y.shape());
    found.value = y.array().at(element);
    throw NonFiniteError(std::move(found));
}

void DetectAnomaly::recorded(Node& node, const Array& y) {
    if (watch_->in_rule()) return watch_->provenance.recorded_by_rule(node, *watch_->walks.back().rule);
    if (!watch_->at_once) return;
    if (auto found = watch_->provenance.of_recorded(node, y, watch_->since)) throw NonFiniteError(std::move(*found));
}

void DetectAnomaly::walking(const Tape& tape, const Variable& seed) {
    Watch::Walk walk{&tape, {}, 0, nullptr, {}};
    const Node& end = *tape.nodes().back();
    if (const Array y = detail::value_of(end); y && y.size() == 1) walk.loss = y.at(0);
    for (const Node* node : tape.nodes()) walk.steps.push_back(watch_->provenance.step(*node));
    if (watch_->walks.empty()) watch_->recording = xtape::recording();
    watch_->walks.push_back(std::move(walk));
    if (auto found = watch_->provenance.of_output(tape)) {
        watch_->walks.pop_back();
        if (!watch_->in_rule()) throw NonFiniteError(std::move(*found));
        watch_->fail(std::move(*found), *watch_->walks.back().rule);  // where the path goes on
    }
    if (const Index element = kernels::first_non_finite(seed.array()); element >= 0) {
        Anomaly found = watch_->provenance.of_sum(end, seed.array(), element);
        found.kind = Anomaly::Kind::input;
        found.operation = "the seed of the walk back from " + found.operation;
        throw NonFiniteError(std::move(found));
    }
}

void DetectAnomaly::walked(const Tape& tape) noexcept {
    if (watch_->walks.empty() || watch_->walks.back().tape != &tape) return;
    watch_->walks.pop_back();
    // What rules recorded has gone with the walk unless its result leads there.
    if (watch_->walks.empty())
        watch_->recording ? watch_->provenance.keep_recent() : watch_->provenance.forget_recent();
}

void DetectAnomaly::pulling(const Node& node, const Variable& g) {
    if (watch_->walks.empty()) return;  // it began before this guard
    const Index element = kernels::first_non_finite(g.array());
    if (element >= 0) watch_->fail(watch_->provenance.of_sum(node, g.array(), element), node);
    Watch::Walk& walk = watch_->walks.back();
    walk.rule = &node;
    walk.g = g.array();
}

void DetectAnomaly::pulled(const Node& node, const bool* wanted, const Variable* gradients) {
    if (watch_->walks.empty()) return;
    const Array g = std::exchange(watch_->walks.back().g, {});
    watch_->walks.back().rule = nullptr;
    for (std::size_t p = 0; p < node.arity(); ++p) {
        if (!wanted[p]) continue;
        const Array& gradient = gradients[p].array();
        const Index element = kernels::first_non_finite(gradient);
        if (element >= 0) watch_->fail(watch_->provenance.of_rule(node, p, g, gradient, element), node);
    }
}

void DetectAnomaly::went_around(const Node& node, const Variable& gradient) {
    const Index element = kernels::first_non_finite(gradient.array());
    if (element >= 0 && !watch_->walks.empty())
        watch_->fail(watch_->provenance.of_bypass(node, gradient.array(), element), node);
}

void DetectAnomaly::finished(const Node& node, const Variable& gradient) {
    const Index element = kernels::first_non_finite(gradient.array());
    if (element >= 0 && !watch_->walks.empty())
        watch_->fail(watch_->provenance.of_sum(node, gradient.array(), element), node);
}

}  // namespace xtape
