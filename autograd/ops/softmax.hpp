#pragma once

#include <optional>

#include <xtape/autograd/variable.hpp>

namespace xtape {

/// log_softmax of the argument when x was recorded as a softmax that the tape still keeps: finite where log(x) is not.
std::optional<Variable> log_of_softmax(const Variable& x, Where where);

}  // namespace xtape
