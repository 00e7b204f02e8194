#pragma once

#include <xtape/autograd/random.hpp>
#include <xtape/nn/module.hpp>

namespace xtape::nn {

/// While training, zeroes each number with probability p and divides the others by 1 - p, so that the mean stays and
/// prediction needs no correction; identity in eval mode (Srivastava et al., 2014; F17).
class Dropout : public Module {
public:
    /// Has a generator of its own, seeded by the next bits of `seeds`; a copy goes on with the same masks. Throws
    /// ValueError unless 0 <= p < 1.
    explicit Dropout(double p = 0.5, Generator& seeds = random::generator(), Where where = Where::here());
    Variable operator()(Variable x, Where where = Where::here());

    void visit(Visitor& v) override;
    std::string describe() const override;

    bool training = true;

private:
    double p_;
    Generator generator_;
};

}  // namespace xtape::nn
