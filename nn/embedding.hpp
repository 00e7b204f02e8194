#pragma once

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/random.hpp>
#include <xtape/nn/module.hpp>

namespace xtape::nn {

/// A row of numbers for each of `count` things: integers of any shape (...) to (..., width).
class Embedding : public Module {
public:
    /// Rows start standard normal, as PyTorch's do. Throws ValueError unless both sizes are at least 1.
    Embedding(Index count, Index width, Generator& generator = random::generator(), Where where = Where::here());

    /// Throws ShapeError, with the position, on an index outside [0, count).
    Variable operator()(const IntArray& indices, Where where = Where::here()) const;

    void visit(Visitor& v) override;
    std::string describe() const override;

    Parameter weight;  ///< (count, width)
};

}  // namespace xtape::nn
