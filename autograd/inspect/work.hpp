#pragma once

#include <xtape/autograd/node.hpp>

/// What an operation has to do, by its name and its shapes.
namespace xtape::inspect::detail {

struct Work {
    double product = 0;   ///< FLOPs of a bilinear operation's product; each factor's gradient costs as much
    double elements = 0;  ///< FLOPs besides, one for each element
    double one_pass = 0;  ///< FLOPs of one gradient that is no product's
    double bytes =
        0;  ///< arguments, as far as their shapes are known, and result; 0 for another shape of the same elements
    bool bilinear = false;  ///< the first two arguments are a product's factors

    double forward() const { return product + elements; }
    double backward(const bool* wanted) const;
    std::size_t arity = 0;
};

Work work_of(const Node& node);

}  // namespace xtape::inspect::detail
