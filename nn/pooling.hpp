#pragma once

#include <optional>

#include <xtape/autograd/window.hpp>
#include <xtape/nn/module.hpp>

namespace xtape::nn {

/// What the two poolings share: windows over (N, C, H, W), a stride that defaults to the window. Throws ValueError on
/// windows or strides below 1 and negative padding.
class Pool2d : public Module {
public:
    void visit(Visitor&) override {}
    std::string describe() const override;

protected:
    Pool2d(const char* name, Pair kernel, std::optional<Pair> stride, Padding padding, Where where);
    void check_input(const Variable& x, Where where) const;

    Pair kernel_;
    Pair stride_;
    Padding padding_;

private:
    const char* name_;
};

/// Maximum of each window; the gradient goes to the first maximum (F16).
class MaxPool2d : public Pool2d {
public:
    MaxPool2d(Pair kernel, std::optional<Pair> stride = {}, Padding padding = valid, Where where = Where::here());
    Variable operator()(Variable x, Where where = Where::here()) const;

    /// Whether its windows are 2 x 2 side by side, without padding.
    bool halves() const;
};

/// Mean of each window, padding counted as zeros.
class AvgPool2d : public Pool2d {
public:
    AvgPool2d(Pair kernel, std::optional<Pair> stride = {}, Padding padding = valid, Where where = Where::here());
    Variable operator()(Variable x, Where where = Where::here()) const;
};

}  // namespace xtape::nn
