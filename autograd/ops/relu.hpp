#pragma once

#include <xtape/autograd/variable.hpp>

namespace xtape {

/// For operations that compute relu in their own pass: y, recorded by the operation without relu but holding the elements
/// after it, as relu's result.
Variable record_relu(Variable y, Where where);

}  // namespace xtape
