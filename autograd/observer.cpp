#include <xtape/autograd/observer.hpp>

#include <xtape/autograd/node.hpp>

namespace xtape {

using detail::looking;

KeepOutputs::KeepOutputs(bool on) : ScopedFlag(looking.keeping_outputs, on) {}

Observer::Observer() : outer_(looking.innermost) { looking.innermost = this; }
Observer::~Observer() {
    Observer** place = &looking.innermost;
    while (*place && *place != this) place = &(*place)->outer_;
    if (*place) *place = outer_;
}

void Observer::recorded(Node&, const Array&) {}
void Observer::walking(const Tape&, const Variable&) {}
void Observer::walked(const Tape&) noexcept {}
void Observer::pulling(const Node&, const Variable&) {}
void Observer::pulled(const Node&, const bool*, const Variable*) {}
void Observer::went_around(const Node&, const Variable&) {}
void Observer::finished(const Node&, const Variable&) {}

void detail::tell_recorded(Node& node, const Array& y) {
    if (looking.keeping_outputs) node.output = y;
    for (Observer* observer = looking.innermost; observer; observer = observer->outer()) observer->recorded(node, y);
}

}  // namespace xtape
