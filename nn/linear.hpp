#pragma once

#include <xtape/autograd/random.hpp>
#include <xtape/nn/module.hpp>

namespace xtape::nn {

/// X W + b, from (..., in) to (..., out).
class Linear : public Module {
public:
    /// Weights and bias start uniform in +-1/sqrt(in), as PyTorch's do. Throws ValueError unless both sizes are at
    /// least 1.
    Linear(Index in, Index out, bool with_bias = true, Generator& generator = random::generator(),
           Where where = Where::here());

    Variable operator()(Variable x, Where where = Where::here()) const;
    /// relu of the above, in one pass.
    Variable with_relu(Variable x, Where where = Where::here()) const;
    /// sigmoid of it, as one operation, for a further layer: no loss recognises it as a sigmoid.
    Variable with_sigmoid(Variable x, Where where = Where::here()) const;

    void visit(Visitor& v) override;
    std::string describe() const override;

    Parameter weight;  ///< (in, out)
    Parameter bias;    ///< (out,); without a value when there is none

private:
    void check_input(const Variable& x, Where where) const;
};

}  // namespace xtape::nn
