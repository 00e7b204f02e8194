#pragma once

#include <functional>
#include <string>
#include <unordered_map>

#include <xtape/autograd/inspect/rules.hpp>

namespace xtape::inspect::detail {

using WrittenOperations = std::unordered_map<std::string, std::function<Written(const Step&)>>;

/// Every operation whose derivative is written out: element-wise ones (rules_elementwise.cpp) and all others
/// (rules_arrays.cpp). Not among them, and so bare partial derivatives: the normalisations, prod, max, min, std,
/// huber_loss and clip, elu, leaky_relu, whose constants no node tells, and what only rules record (ops/slopes.hpp).
const WrittenOperations& written_operations();

void add_elementwise(WrittenOperations& table);
void add_arrays(WrittenOperations& table);

/// Prints as said, but is evaluated by the operation's own rule: for gradients that a name and shapes do not determine.
Expression by_rule(const Step& step, std::size_t p, const Expression& printed);
/// The same where a matrix product had batches; else as printed.
Expression by_rule_unless_plain(const Step& step, std::size_t p, const Expression& printed);

}  // namespace xtape::inspect::detail
