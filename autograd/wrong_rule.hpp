#pragma once

#include <xtape/autograd/differences.hpp>

namespace xtape::detail {

/// Looks at each operation recorded on the way to the outputs alone: as argument k moves along a direction, its output must
/// move as its rules say that it does when its own arguments move as they do. Returns the one that is furthest from it, or
/// nothing when all are right as far as can be told.
NodePtr wrong_rule(const Subject& subject, const std::vector<Array>& xs, std::size_t k, const Array& direction,
                   double step, Generator& generator);

}  // namespace xtape::detail
