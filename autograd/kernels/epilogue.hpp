#pragma once

#include <xtape/autograd/array.hpp>

namespace xtape::kernels {

/// What follows a product or a correlation, done on each piece of the result while it is in cache.
struct Epilogue {
    const Array* bias = nullptr;  ///< of the operands' dtype, one for each column or filter; added if there is one
    bool relu = false;            ///< whether what is <= 0 then becomes 0; NaN stays
};

}  // namespace xtape::kernels
