#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <xtape/autograd/inspect/derivation.hpp>

namespace xtape::inspect::detail {

/// The same as plain text and as LaTeX.
using Both = std::pair<std::string, std::string>;

/// The chain rule in Leibniz' way, over the values that have a symbol.
class Leibniz {
public:
    /// `symbols` has an empty entry for a value without one.
    Leibniz(const WrittenTape& formula, const std::vector<Expression>& symbols)
        : formula_(formula), symbols_(symbols) {}

    /// dy/dx for two values.
    Both partial(std::size_t y, std::size_t x) const;

    /// From the result to a value in full: nothing when there is more than one way, or when it is a single step.
    std::optional<Both> whole_chain(std::size_t x) const;

    /// From the gradients of the values that it goes into: nothing when that is the result itself.
    std::optional<Both> last_step(std::size_t x, const std::vector<Expression>& gradients) const;

private:
    std::vector<std::size_t> successors(std::size_t i) const;
    void find_successors(std::size_t i, std::vector<std::size_t>& found) const;
    std::size_t last() const { return symbols_.size() - 1; }

    const WrittenTape& formula_;
    const std::vector<Expression>& symbols_;
};

}  // namespace xtape::inspect::detail
