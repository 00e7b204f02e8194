#include <xtape/autograd/variable.hpp>

#include <ostream>

#include <fmt/format.h>
#include <xtensor/xio.hpp>

#include <xtape/autograd/casts.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/tape.hpp>
#include <xtape/autograd/xtensor.hpp>

namespace xtape {

void throw_wrong_element_type(DType held, DType asked) {
    throw DtypeError(fmt::format("value: the array holds {}, not {}; astype(x, {}) converts", name_of(held),
                                 name_of(asked), name_of(asked)));
}

Index Variable::shape(Index axis, Where where) const {
    return array_.shape()[shapes::axis("shape", axis, rank(), where)];
}

void Operand::throw_empty(Where where) {
    throw ValueError("operand: a Variable without a value; was it moved from, or never given one?", where);
}

double Variable::item(Where where) const {
    if (size() != 1)
        throw ShapeError(fmt::format("item: needs one element, {} has {}", to_string(shape()), size()), where);
    return array_.at(0);
}

namespace {

thread_local bool recording_now = true;
thread_local bool casts_allowed = false;

Leaf& as_leaf(const NodePtr& node) {
    if (!node) throw ValueError("parameter: it has no value yet");
    return static_cast<Leaf&>(*node);
}

void check_assignable(const char* op, const Array& now, const Array& next, Where where) {
    if (now.shape() != next.shape())
        throw ShapeError(fmt::format("{}: shapes differ: parameter {}, value {}", op, to_string(now.shape()),
                                     to_string(next.shape())),
                         where);
    if (now.dtype() != next.dtype())
        throw DtypeError(fmt::format("{}: dtypes differ: parameter {}, value {}; astype(x, {}) converts", op,
                                     name_of(now.dtype()), name_of(next.dtype()), name_of(now.dtype())),
                         where);
}

Array& own(Array& array) {
    if (array) array.make_unique();
    return array;
}

}  // namespace

bool recording() { return recording_now; }
NoGrad::NoGrad() : ScopedFlag(recording_now, false) {}
EnableGrad::EnableGrad() : ScopedFlag(recording_now, true) {}

AllowCasts::AllowCasts(bool on) : ScopedFlag(casts_allowed, on) {}
bool AllowCasts::active() { return casts_allowed; }

Parameter::Parameter(Array value) : leaf_(new Leaf(std::move(value))) {}

Parameter::Parameter(const Parameter& other) : leaf_(other.leaf_ ? NodePtr(new Leaf(other.array())) : NodePtr()) {}

Parameter& Parameter::operator=(Parameter other) noexcept {
    std::swap(leaf_, other.leaf_);
    return *this;
}

Leaf& Parameter::leaf() const { return as_leaf(leaf_); }
Variable Parameter::variable() const { return Variable(leaf().value, leaf_); }
const Array& Parameter::array() const { return leaf().value; }
const Array& Parameter::grad() const { return leaf().grad; }
void Parameter::zero_grad() { leaf().grad = {}; }
void Parameter::set_grad(Array grad, Where where) { ParameterRef(*this).set_grad(std::move(grad), where); }
void Parameter::assign(Array value, Where where) { ParameterRef(*this).assign(std::move(value), where); }

namespace {

/// Steps in place: once the value is solely owned, the operation works in its buffer.
template <class Operation>
void step_in_place(const char* op, Leaf& leaf, Operand step, Operation operation) {
    const Where where = step.where();
    if (!step.is_scalar()) {
        const Variable& by = step.variable();
        if (shapes::broadcast(op, leaf.value.shape(), by.shape(), where) != leaf.value.shape())
            throw ShapeError(fmt::format("{}: a step of {} does not fit a parameter of {}", op, to_string(by.shape()),
                                         to_string(leaf.value.shape())),
                             where);
        if (by.dtype() != leaf.value.dtype())
            throw DtypeError(fmt::format("{}: dtypes differ: parameter {}, step {}; astype(x, {}) converts", op,
                                         name_of(leaf.value.dtype()), name_of(by.dtype()), name_of(leaf.value.dtype())),
                             where);
    }
    const NoGrad constant;
    own(leaf.value);
    leaf.value = operation(Operand(Variable(std::move(leaf.value)), where), std::move(step)).array();
    leaf.value.evaluate();
}

}  // namespace

Parameter& Parameter::operator+=(Operand step) {
    step_in_place("+=", leaf(), std::move(step), [](Operand a, Operand b) { return std::move(a) + std::move(b); });
    return *this;
}

Parameter& Parameter::operator-=(Operand step) {
    step_in_place("-=", leaf(), std::move(step), [](Operand a, Operand b) { return std::move(a) - std::move(b); });
    return *this;
}

Leaf& ParameterRef::leaf() const { return as_leaf(leaf_); }
const Array& ParameterRef::array() const { return leaf().value; }
const Array& ParameterRef::grad() const { return leaf().grad; }
void ParameterRef::zero_grad() const { leaf().grad = {}; }

void ParameterRef::set_grad(Array grad, Where where) const {
    if (grad) {
        check_assignable("set_grad", leaf().value, grad, where);
        grad.evaluate();
    }
    leaf().grad = std::move(grad);
}

void ParameterRef::assign(Array value, Where where) const {
    if (!value) throw ValueError("assign: an empty array", where);
    check_assignable("assign", leaf().value, value, where);
    value.evaluate();
    leaf().value = std::move(value);
}

Array& ParameterRef::writable() const { return own(leaf().value); }
Array& ParameterRef::writable_grad() const { return own(leaf().grad); }

std::string to_string(const Variable& variable) {
    std::ostringstream text;
    text << variable;
    return text.str();
}

std::ostream& operator<<(std::ostream& out, const Variable& variable) {
    if (!variable) return out << "Variable without a value";
    out << "Variable " << to_string(variable.shape()) << " " << name_of(variable.dtype());
    if (const NodePtr& node = variable.node()) out << " from " << node->name;
    out << "\n";
    dispatch(variable.dtype(), [&](auto tag) { out << variable.value<decltype(tag)>(); });
    return out;
}

std::ostream& operator<<(std::ostream& out, const Parameter& parameter) {
    return parameter ? out << parameter.variable() : out << "Parameter without a value";
}

}  // namespace xtape
