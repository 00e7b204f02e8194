#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <xtape/autograd/variable_names.hpp>

namespace xtape {

/// Where a number first was not finite, which is NaN, inf or -inf, and how that came.
struct Anomaly {
    enum class Kind {
        output,    ///< an operation's output, though what went into it was finite
        gradient,  ///< what a rule gave in backward, though what it was given was finite
        sum,       ///< what several rules gave for one array, added up
        input      ///< a constant or a parameter was not finite to begin with
    };

    /// An operation on the way.
    struct Step {
        std::string operation;  ///< "sqrt"; of a recorded backward "multiply in the rule of sqrt"
        Where where;            ///< the user's line
    };

    /// An array that the operation had to do with: what it held at the offending element, or all in all.
    struct Numbers {
        std::string role;    ///< "argument 2", counted from 1, "output" or "gradient of the output"
        std::string origin;  ///< "parameter W", "a constant" or "exp at model.cpp:30"
        Shape shape;
        std::optional<Shape> element;    ///< the one element that matters, as an index for each axis
        double value = 0;                ///< there
        std::string part;                ///< else the part that matters: "row 2", "column 0"; empty for all of it
        double lowest = 0, highest = 0;  ///< of that part, over the finite elements
        Index count = 0;                 ///< elements of that part
        Index non_finite = 0;            ///< of them
    };

    /// A step of an elementwise(lambda): the first there whose result is not finite though its operands are.
    struct Instruction {
        std::string operation;         ///< "log"
        Where where;                   ///< the line in the lambda
        std::vector<double> operands;  ///< the numbers it was given
        double value;                  ///< what it made of them
    };

    Kind kind = Kind::output;
    std::string operation;              ///< which recorded the output, or whose rule it was, or that met the constant
    Where where{"", 0};                 ///< the line of that operation
    std::size_t argument = 0;           ///< counted from 1: of the rule, or the one that was not finite; else 0
    Shape element;                      ///< the offending element: an index for each axis
    double value = 0;                   ///< there
    std::vector<Numbers> numbers;       ///< what the operation or its rule was given
    std::optional<Instruction> inside;  ///< where the operation is an elementwise(lambda)
    std::vector<Step> path;  ///< from the operation to what was differentiated; empty while that was not known
    double loss = 0;         ///< what the path led to, where that is one number
};

/// A number is not finite: names the operation, the user's line, the element, the numbers there and the path to the loss.
class NonFiniteError : public Error {
public:
    /// `context` stands before the message: "fit: epoch 3, batch 12: ".
    explicit NonFiniteError(Anomaly found, const std::string& context = "");

    const Anomaly& found() const { return *found_; }

private:
    std::shared_ptr<const Anomaly> found_;  // so that a copy of the exception cannot throw
};

/// The message of a NonFiniteError.
std::string to_string(const Anomaly& found);

/// Whether no element is NaN or infinite. One fast pass.
bool all_finite(const Array& x);

/// "nan", "-inf", "0.25".
std::string number_text(double value);

}  // namespace xtape
