#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace xtape {

/// An operation that is written as mathematics by itself, rather than by its name: what Node::self_printing gives to
/// inspect::derivation. All texts come as plain text or as LaTeX; arguments and results are put in as they stand.
class SelfPrinting {
public:
    virtual ~SelfPrinting() = default;
    /// The result from the arguments.
    virtual std::string value(const std::vector<std::string>& x, bool latex) const = 0;
    /// The derivative of each element of the result in the element of argument p that it came from.
    virtual std::string slope(std::size_t p, const std::vector<std::string>& x, const std::string& y,
                              bool latex) const = 0;
};

}  // namespace xtape
