#pragma once

#include <string>
#include <vector>

#include <xtape/autograd/inspect/expression.hpp>
#include <xtape/autograd/node.hpp>

/// How operations and their derivatives are written.
namespace xtape::inspect::detail {

/// One operation to be written: its result y, the gradient g of it, its arguments x and their shapes.
struct Step {
    Node& node;
    Expression g, y;
    std::vector<Expression> x;
    std::vector<Shape> shapes;
    const Node* around;  ///< the operation that it was recorded in place of the result of, or null
};

/// What is printed: the result from the arguments, and the gradient of each argument.
struct Written {
    Expression value;
    std::vector<Expression> gradients;
};

/// By the operation's name; by itself where it is SelfPrinting; else op(x), and a bare partial derivative as its gradient.
Written written(const Step& step);

/// What an operation is called where it was recorded around another one: log_sigmoid around a sigmoid is a log.
std::string name_around(const std::string& op, const std::string& around);

/// Whether the derivative of an operation of this name is written out, rather than as a bare partial derivative.
bool is_written_out(const std::string& op);

}  // namespace xtape::inspect::detail
