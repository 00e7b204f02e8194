#include <xtape/autograd/observer.hpp>

#include <xtape/autograd/node.hpp>

namespace xtape {

namespace {

thread_local bool keeping_outputs = false;
thread_local Observer* innermost = nullptr;

}  // namespace

KeepOutputs::KeepOutputs(bool on) : ScopedFlag(keeping_outputs, on) {}
bool KeepOutputs::active() { return keeping_outputs; }

Observer::Observer() : outer_(innermost) { innermost = this; }
Observer::~Observer() {
    Observer** place = &innermost;
    while (*place && *place != this) place = &(*place)->outer_;
    if (*place) *place = outer_;
}
Observer* Observer::current() { return innermost; }

void Observer::recorded(Node&, const Array&) {}
void Observer::walking(const Tape&, const Variable&) {}
void Observer::walked(const Tape&) noexcept {}
void Observer::pulling(const Node&, const Variable&) {}
void Observer::pulled(const Node&, const bool*, const Variable*) {}
void Observer::went_around(const Node&, const Variable&) {}
void Observer::finished(const Node&, const Variable&) {}

bool detail::looked_at() { return keeping_outputs || innermost; }

void detail::tell_recorded(Node& node, const Array& y) {
    if (keeping_outputs) node.output = y;
    for (Observer* observer = innermost; observer; observer = observer->outer()) observer->recorded(node, y);
}

}  // namespace xtape
