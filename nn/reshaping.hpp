#pragma once

#include <xtape/nn/module.hpp>

namespace xtape::nn {

/// (N, a, b, ...) to (N, a b ...): one row for each sample.
class Flatten : public Module {
public:
    /// Axes from `start_axis` on become one.
    explicit Flatten(Index start_axis = 1) : start_axis_(start_axis) {}
    Variable operator()(Variable x, Where where = Where::here()) const;

    void visit(Visitor&) override {}
    std::string describe() const override;

private:
    Index start_axis_;
};

/// (N, ...) to (N, *sample_shape): each sample in another shape, of which one size may be -1.
class Reshape : public Module {
public:
    /// Throws ValueError on sizes below -1, two of -1, or more than 7 axes.
    explicit Reshape(const Shape& sample_shape, Where where = Where::here());
    Variable operator()(Variable x, Where where = Where::here()) const;

    void visit(Visitor&) override {}
    std::string describe() const override;

private:
    Shape sample_shape_;
    Index known_ = 1;  // product of the sizes that are not -1
};

}  // namespace xtape::nn
