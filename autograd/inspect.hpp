#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <xtape/autograd/atomic_file.hpp>
#include <xtape/autograd/inspect/bill.hpp>
#include <xtape/autograd/node.hpp>
#include <xtape/autograd/part.hpp>
#include <xtape/autograd/self_printing.hpp>
#include <xtape/autograd/variable_names.hpp>

/// The tape explains itself: as a table, as a picture, as a derivation and as a bill (docs/inspect.md shows all four).
namespace xtape::inspect {

/// What things are called, and which layer an operation belongs to:
///
///     inspect::Names names;                       // notes the layers of what is recorded while it lives
///     names("W_1", W1)("X", X)(net.named_parameters());
///     Variable loss = ...;
///     fmt::print("{}", to_string(inspect::table(loss, names)));
///
/// A name goes to an operation's result, a parameter or a constant; names such as Z_1 or \delta are mathematics. The same
/// names may be given to DetectAnomaly. Besides what has a name it keeps alive, until it dies, the nodes that it saw (not what
/// a walk back frees).
class Names : public Observer, public VariableNames {
public:
    /// As add().
    Names& operator()(const std::string& name, const Variable& x, Where where = Where::here());
    /// A list such as a module's named_parameters().
    Names& operator()(const NamedParameters& parameters, Where where = Where::here());

    /// The call of a layer that an operation belongs to; null when none is known.
    std::shared_ptr<const Part> part_of(const Node& node) const;

    void recorded(Node& node, const Array& y) override;

private:
    std::unordered_map<const Node*, std::pair<NodePtr, std::shared_ptr<const Part>>> parts_;
};

// ---------------------------------------------------------------------------------------------------------------- table

/// An argument of an operation: the row it came from, or a constant with its name, if it has one and is at hand.
struct Argument {
    std::optional<std::size_t> row;
    std::string constant;
};

/// One row for each parameter, then one for each operation in execution order.
struct Row {
    std::size_t number;
    std::string operation;  ///< as recorded; "parameter" for one
    std::string name;       ///< given by Names, or empty
    std::string layer;      ///< by Names, or empty
    Shape shape;
    DType dtype;
    /// Bytes that it keeps alive and no row before it: for an operation its arguments' arrays, its output and what its rules
    /// captured, where they need them; for a parameter its value. Elements only, without headers and nodes.
    std::size_t kept;
    Where where;
    std::vector<Argument> arguments;
};

struct Table {
    std::vector<Row> rows;
    std::size_t parameter_bytes;  ///< the parameters' values
    std::size_t kept_bytes;       ///< what the operations keep besides, until backward() frees it
    std::size_t silent_rules;     ///< rules of which nobody said what they captured (see holding() in kept.hpp)
};

/// What leads to y. Throws TapeError when y is a constant.
Table table(const Variable& y, const Names& names = Names(), Where where = Where::here());

std::string to_string(const Table& table);
std::ostream& operator<<(std::ostream& out, const Table& table);

// -------------------------------------------------------------------------------------------------------------- picture

/// The same as a graph in the language of Graphviz: parameters are blue cylinders, constants grey notes, operations boxes,
/// what several operations use has a double border, what is computed around another operation (docs/recognised.md) a dashed
/// edge to it; edges between them carry shapes, a box around operations is a layer. Throws TapeError when y is a constant.
std::string dot(const Variable& y, const Names& names = Names(), Where where = Where::here());

/// Draws that into a file that ends in .svg or .png. Where Graphviz is not installed the text is written beside it, under
/// the same name with the ending .dot, a line on standard error says so once, and the result is false. A name that ends in
/// .dot gets the text itself. Throws ValueError on another ending, DataError when Graphviz fails.
bool draw(const Variable& y, const std::filesystem::path& path, const Names& names = Names(),
          Where where = Where::here());

// ----------------------------------------------------------------------------------------------------------- derivation

/// One equation, as text and as LaTeX, its sides in the order in which they are equal.
struct Equation {
    std::vector<std::string> text;
    std::vector<std::string> latex;
    /// How far the printed right-hand side, evaluated, is from the gradient that the tape gives, and how far each local
    /// derivative in it is from central differences of the operation: the larger of both, relative.
    std::optional<double> error;
};

/// The chain rule of one tape: how values come about, what is differentiated, and the gradients, each used several times
/// under a name of its own (the memo: base_k).
struct Derivation {
    std::vector<Equation> values;
    std::vector<Equation> gradients;

    /// Whether every step was checked and is right to `tolerance`.
    bool checked(double tolerance = 1e-6) const;
    std::string text() const;
    /// Two align* environments, for amsmath.
    std::string latex() const;
    /// A document of its own that pdflatex takes.
    std::string latex_document() const;
};

/// Derives y = f() and checks each step in float64: f is called seven times with its parameters moved a little and must
/// record the same operations each time; the parameters have their values again afterwards. Names are given inside f, to the
/// Variables of that call. What has a name, and what several operations use, gets an equation of its own. Random numbers
/// drawn from random::generator() are the same in each call. Throws TapeError when f gives a constant, not one number, or
/// nothing can be recorded.
Derivation derivation(const std::function<Variable()>& f, const Names& names, Where where = Where::here());

}  // namespace xtape::inspect
