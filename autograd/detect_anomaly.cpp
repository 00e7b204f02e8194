#include <xtape/autograd/detect_anomaly.hpp>

#include <utility>
#include <vector>

#include <fmt/format.h>

#include <xtape/autograd/kernels/finite.hpp>
#include <xtape/autograd/provenance.hpp>
#include <xtape/autograd/random.hpp>

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
    Provenance provenance;
    std::vector<Walk> walks;
    bool recording = false;  ///< the outermost one's gradients
};

DetectAnomaly::DetectAnomaly(VariableNames names) : watch_(new Watch(std::move(names), false)) {}
DetectAnomaly::DetectAnomaly(AtOnce, VariableNames names) : watch_(new Watch(std::move(names), true)) {}
DetectAnomaly::~DetectAnomaly() = default;

void DetectAnomaly::name(std::string text, const Variable& x) { watch_->provenance.name(std::move(text), x); }

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
    if (auto found = watch_->provenance.of_recorded(node, y)) throw NonFiniteError(std::move(*found));
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

// ---------------------------------------------------------------------------------------------- look, then replay

namespace {

bool finite(const Array& gradient) { return !gradient || all_finite(gradient); }

[[noreturn]] void throw_not_again(const std::string& what, Where where) {
    throw Error(
        fmt::format("check_finite: {} the first time and finite when computed again: the function does not do the "
                    "same twice; does it use a random generator of its own?",
                    what),
        where);
}

/// The gradients of some parameters; put back unless kept.
class SavedGradients {
public:
    explicit SavedGradients(const NamedParameters& parameters) : parameters_(parameters) {
        for (const auto& [name, parameter] : parameters) saved_.push_back(parameter.grad());
    }
    void put_back() const {
        for (std::size_t i = 0; i < saved_.size(); ++i) parameters_[i].second.set_grad(saved_[i]);
    }
    const Array& operator[](std::size_t i) const { return saved_[i]; }

private:
    const NamedParameters& parameters_;
    std::vector<Array> saved_;
};

}  // namespace

Variable check_finite(const std::function<Variable()>& f, const VariableNames& names, Where where) {
    const Generator before = random::generator();
    Variable loss = f();
    if (all_finite(loss.array())) return loss;
    const std::string what = "the loss was " + number_text(loss.array().at(kernels::first_non_finite(loss.array())));
    loss = {};
    random::generator() = before;
    const DetectAnomaly guard(names);
    guard.check(f());
    throw_not_again(what, where);
}

Variable check_finite_gradients(const std::function<Variable()>& f, const NamedParameters& parameters, Where where) {
    const SavedGradients saved(parameters);
    const Generator before = random::generator();
    Variable loss = check_finite(f, parameters, where);
    loss.backward(where);
    const std::pair<std::string, ParameterRef>* bad = nullptr;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        if (finite(parameters[i].second.grad())) continue;
        bad = &parameters[i];
        if (finite(saved[i])) continue;
        saved.put_back();
        throw Error(
            fmt::format("check_finite_gradients: the gradient of {} was not finite before; zero_grad() drops it",
                        bad->first),
            where);
    }
    if (!bad) return loss;
    saved.put_back();
    loss = {};
    random::generator() = before;
    try {
        const DetectAnomaly guard(parameters);
        loss = f();
        loss.backward(where);
    } catch (...) {
        saved.put_back();
        throw;
    }
    saved.put_back();
    throw_not_again("the gradient of " + bad->first + " was not finite", where);
}

}  // namespace xtape
