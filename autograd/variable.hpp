#pragma once

#include <iosfwd>
#include <string>
#include <type_traits>
#include <utility>

#include <xtape/autograd/array.hpp>
#include <xtape/autograd/scope.hpp>

namespace xtape {

class Node;
class Leaf;
class Operand;
class Fused;

/// Tag: the gradients are recorded themselves, so that they can be differentiated again.
struct CreateGraph {};
inline constexpr CreateGraph create_graph{};

/// Tag: backward() leaves the tape whole for a further pass.
struct KeepTape {};
inline constexpr KeepTape keep_tape{};

/// Counted reference to a node of the tape.
class NodePtr {
public:
    NodePtr() = default;
    explicit NodePtr(Node* node) noexcept : node_(node) { retain(); }
    NodePtr(const NodePtr& other) noexcept : node_(other.node_) { retain(); }
    NodePtr(NodePtr&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
    NodePtr& operator=(NodePtr other) noexcept {
        std::swap(node_, other.node_);
        return *this;
    }
    ~NodePtr() { release(); }

    Node* get() const { return node_; }
    Node* operator->() const { return node_; }
    Node& operator*() const { return *node_; }
    explicit operator bool() const { return node_ != nullptr; }
    friend bool operator==(const NodePtr& a, const NodePtr& b) { return a.node_ == b.node_; }

private:
    void retain() const noexcept;
    void release() noexcept;

    Node* node_ = nullptr;
};

template <class T>
struct ViewOf;  // an xtensor container over an Array's elements; defined in xtensor.hpp

/// An immutable array and the tape node it came from; without a node it is a constant. Cheap to copy.
class Variable {
public:
    /// No value: only assignment and the test for emptiness are allowed.
    Variable() = default;
    Variable(Array array, NodePtr node = {}) : array_(std::move(array)), node_(std::move(node)) {}

    /// A constant from any xtensor expression: double stays float64, all else becomes float32. Defined in xtensor.hpp.
    template <class E>
    Variable(const xt::xexpression<E>& expression) : array_(expression) {}

    /// A constant of rank 0.
    explicit Variable(double value, DType dtype = float32) : array_(Array::scalar(value, dtype)) {}

    explicit operator bool() const { return static_cast<bool>(array_); }

    const Array& array() const& { return array_; }
    Array array() && { return std::move(array_); }
    const NodePtr& node() const& { return node_; }
    NodePtr node() && { return std::move(node_); }

    const Shape& shape() const { return array_.shape(); }
    /// Size along an axis; negative axes count from the last. Throws ShapeError.
    Index shape(Index axis, Where where = Where::here()) const;
    Index rank() const { return array_.rank(); }
    Index size() const { return array_.size(); }
    DType dtype() const { return array_.dtype(); }

    /// Whether gradients can flow into it: it is a parameter or was recorded from one.
    bool requires_grad() const { return static_cast<bool>(node_); }

    /// The same value as a constant.
    Variable detach() const { return Variable(array_); }

    /// The elements as an xtensor container that shares and keeps them alive: `xt::sum(y.value<float>())`.
    /// Throws DtypeError when T is not the element type. Defined in xtensor.hpp.
    template <class T = float>
    auto value() const {
        return ViewOf<T>::make(array_);
    }

    /// The one element of an array of size 1, as a double. Throws ShapeError otherwise.
    double item(Where where = Where::here()) const;

    /// Adds d(this)/d(parameter) to the gradient of every parameter it was recorded from, and frees the tape as it goes.
    /// Needs size 1. Throws TapeError for a constant and for a tape already freed.
    void backward(Where where = Where::here()) const;
    /// The same and keeps the tape for a further pass.
    void backward(KeepTape, Where where = Where::here()) const;

private:
    Array array_;
    NodePtr node_;
};

/// The one mutable thing: a leaf of the tape with a value and a gradient. It is a value like an array: a copy is a second,
/// independent parameter (their elements are shared until one changes). Assigning gives it a new value and never disturbs
/// what was recorded from the old one.
class Parameter {
public:
    Parameter() = default;
    Parameter(Array value);
    /// Starts from the elements of `value`, whatever tape that has is not followed.
    explicit Parameter(const Variable& value) : Parameter(value.array()) {}
    /// From any xtensor expression. Defined in xtensor.hpp.
    template <class E>
    Parameter(const xt::xexpression<E>& expression) : Parameter(Array(expression)) {}

    Parameter(const Parameter& other);
    Parameter(Parameter&& other) noexcept = default;
    Parameter& operator=(Parameter other) noexcept;
    ~Parameter() = default;

    /// The leaf with its present value: what operations take.
    Variable variable() const;
    operator Variable() const { return variable(); }
    explicit operator bool() const { return static_cast<bool>(leaf_); }

    const Array& array() const;
    const Shape& shape() const { return array().shape(); }
    Index shape(Index axis, Where where = Where::here()) const { return variable().shape(axis, where); }
    Index rank() const { return array().rank(); }
    Index size() const { return array().size(); }
    DType dtype() const { return array().dtype(); }
    template <class T = float>
    auto value() const {
        return ViewOf<T>::make(array());
    }
    double item(Where where = Where::here()) const { return variable().item(where); }

    /// What backward() has added up since the last zero_grad(); an empty Array before the first.
    const Array& grad() const;
    void zero_grad();
    void set_grad(Array grad, Where where = Where::here());

    /// Gives it a new value of the same shape and dtype. Throws ShapeError or DtypeError.
    void assign(Array value, Where where = Where::here());

    /// Steps without recording, in place when nobody else holds the value; the step may broadcast. Throws ShapeError or
    /// DtypeError.
    Parameter& operator+=(Operand step);
    Parameter& operator-=(Operand step);

    const NodePtr& node() const { return leaf_; }

private:
    friend class ParameterRef;
    Leaf& leaf() const;

    NodePtr leaf_;
};

/// A reference to somebody's Parameter that stays good when its owner moves: what optimisers hold.
class ParameterRef {
public:
    ParameterRef(Parameter& parameter) : leaf_(parameter.leaf_) {}

    const Array& array() const;
    const Array& grad() const;
    void zero_grad() const;
    void set_grad(Array grad, Where where = Where::here()) const;
    void assign(Array value, Where where = Where::here()) const;
    const Shape& shape() const { return array().shape(); }
    const NodePtr& node() const { return leaf_; }

    /// The value for writing in place: a block of its own, copied first when somebody else holds it.
    Array& writable() const;
    /// The gradient for writing in place; empty when there is none.
    Array& writable_grad() const;

private:
    Leaf& leaf() const;

    NodePtr leaf_;
};

/// An operand of a binary operation: an array, or a scalar that takes the other operand's dtype. Remembers the caller's line.
/// Made from a named Variable it only borrows that one, which must outlive it; a copy of it owns its value.
class Operand {
public:
    /// Throws ValueError when it has no value, as the next one.
    Operand(const Variable& variable, Where where = Where::here()) : borrowed_(&variable), where_(where) {
        if (!variable) throw_empty(where);
    }
    Operand(Variable&& variable, Where where = Where::here()) : owned_(std::move(variable)), where_(where) {
        if (!owned_) throw_empty(where);
    }
    Operand(const Operand& other)
        : owned_(other.variable()), is_scalar_(other.is_scalar_), scalar_(other.scalar_), where_(other.where_) {}
    Operand(Operand&& other) noexcept = default;
    Operand& operator=(Operand other) noexcept {
        borrowed_ = other.borrowed_;
        owned_ = std::move(other.owned_);
        is_scalar_ = other.is_scalar_;
        scalar_ = other.scalar_;
        where_ = other.where_;
        return *this;
    }
    ~Operand() = default;
    Operand(const Parameter& parameter, Where where = Where::here()) : Operand(parameter.variable(), where) {}
    /// The result of an elementwise operation, evaluated here if not before.
    Operand(const Fused& fused, Where where = Where::here());
    template <class T, class = std::enable_if_t<std::is_arithmetic_v<T>>>
    Operand(T scalar, Where where = Where::here())
        : is_scalar_(true), scalar_(static_cast<double>(scalar)), where_(where) {}

    bool is_scalar() const { return is_scalar_; }
    double scalar() const { return scalar_; }
    /// Whether it is the holder of its value, rather than a borrower.
    bool owns() const { return !borrowed_; }
    const Variable& variable() const& { return borrowed_ ? *borrowed_ : owned_; }
    Variable variable() && { return borrowed_ ? *borrowed_ : std::move(owned_); }
    Array array() && { return borrowed_ ? borrowed_->array() : std::move(owned_).array(); }
    NodePtr node() && { return borrowed_ ? borrowed_->node() : std::move(owned_).node(); }
    Where where() const { return where_; }

private:
    [[noreturn]] static void throw_empty(Where where);

    const Variable* borrowed_ = nullptr;
    Variable owned_;
    bool is_scalar_ = false;
    double scalar_ = 0;
    Where where_;
};

/// Whether this thread records operations; true unless a NoGrad lives.
bool recording();

/// While it lives, this thread records nothing: results are constants.
class NoGrad : ScopedFlag {
public:
    NoGrad();
};

/// Shape, dtype, values and the operation it came from.
std::string to_string(const Variable& variable);
std::ostream& operator<<(std::ostream& out, const Variable& variable);
std::ostream& operator<<(std::ostream& out, const Parameter& parameter);

}  // namespace xtape

// NodePtr counts inside Node, which is complete only there.
#include <xtape/autograd/node.hpp>
