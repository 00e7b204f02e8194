#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <xtape/autograd/variable.hpp>

namespace xtape::optim {

/// What an optimiser works on: `{W, b}` of Parameters, or `net.parameters()`.
using ParameterList = std::vector<ParameterRef>;

/// For constructors that take a plain learning rate in place of options.
template <class T>
using IfNumber = std::enable_if_t<std::is_arithmetic_v<T>>;

/// Base of all optimisers: owns the loop over the parameters, their state and its storing; a subclass writes one
/// update. It refers to the parameters as they are when it is made: `W.assign(value)` is fine later, `W = value` makes
/// a new parameter that it does not know. A copy goes on with the same parameters from the same state.
class Optimizer {
public:
    virtual ~Optimizer() = default;

    /// One update of every parameter from the gradient that backward() left in it; those without one stay as they are.
    void step();

    /// One update from gradients in the parameters' order, as grad(loss, ...) returns them. An empty Variable leaves
    /// its parameter as it is. Throws ShapeError or DtypeError, before anything changes, when they do not fit the
    /// parameters.
    void step(const std::vector<Variable>& gradients, Where where = Where::here());
    template <std::size_t n>
    void step(const std::array<Variable, n>& gradients, Where where = Where::here()) {
        step(std::vector<Variable>(gradients.begin(), gradients.end()), where);
    }

    /// Drops the gradients that backward() has added up.
    void zero_grad();

    /// The rate of the next step; schedules set it. Throws ValueError unless it is finite and >= 0.
    double learning_rate() const { return rate_; }
    void learning_rate(double rate, Where where = Where::here());

    /// More parameters, with a rate of `rate_factor` times the learning rate and with their own weight decay: biases
    /// without decay, slower early layers. Throws ValueError on a negative factor or decay or a parameter known
    /// already.
    void add_group(const ParameterList& parameters, double rate_factor, double weight_decay,
                   Where where = Where::here());

    /// All parameters, in the order they were given.
    const ParameterList& parameters() const { return parameters_; }

    /// Everything that a later run needs to go on: arrays with names such as "momentum.0", and "step.0" for the number
    /// of updates parameter 0 has seen. Learning rate and options are not in it.
    std::vector<std::pair<std::string, Array>> state() const;

    /// Takes back what state() gave, in any order. Throws ValueError listing every missing and unexpected name,
    /// ShapeError or DtypeError for an array unlike its parameter; then nothing has changed.
    void load_state(const std::vector<std::pair<std::string, Array>>& state, Where where = Where::here());

    /// The largest learning rate times curvature at which its steps are stable on a quadratic loss, where the curvature is
    /// that of the loss with its directions scaled by step_scale(): 2 for plain gradient descent. None where it is
    /// unknown.
    virtual std::optional<double> stability_bound() const { return std::nullopt; }

    /// What the gradient of parameter i is multiplied by in a step, beside the learning rate: one number or one for each
    /// element. Its group's rate factor, and in adaptive methods the inverse root of the gradients' mean square, as it
    /// stands now; empty while they have seen no gradient.
    Array step_scale(std::size_t i) const;

protected:
    /// The part of step_scale() that comes from a parameter's state arrays, which are empty before its first update, after
    /// `updates` updates: 1 unless overridden, without a value while it is unknown.
    virtual Variable scale_by_state(const std::vector<Array>& slots, Index updates) const;

    /// What one update of one parameter may need.
    struct Update {
        Array& value;  ///< the parameter's own elements, to be changed in place
        const Array& gradient;
        double rate;
        double weight_decay;
        Index number;               ///< of this parameter's updates, from 1
        std::vector<Array*> slots;  ///< its state arrays, in the order of the constructor's names; zeros at first
    };

    /// `slot_names` are the names of the state arrays that every parameter has. Throws ValueError on a rate or decay
    /// out of range, an empty list or one that names a parameter twice.
    Optimizer(const ParameterList& parameters, double rate, double weight_decay, std::vector<std::string> slot_names,
              Where where);
    Optimizer(const Optimizer&) = default;
    Optimizer& operator=(const Optimizer&) = default;

    /// Updates the elements [begin, end) of one parameter and of its slots, in one pass; several threads call it on
    /// different ranges.
    virtual void update(const Update& u, Index begin, Index end) const = 0;

private:
    struct Settings {
        double rate_factor;
        double weight_decay;
        Index updates;
    };

    void update_one(std::size_t i, const Array& gradient);

    double rate_;
    std::vector<std::string> slot_names_;
    ParameterList parameters_;
    std::vector<Settings> settings_;         // parallel to parameters_
    std::vector<std::vector<Array>> slots_;  // slots_[k][i]: state k of parameter i; empty before its first update
};

}  // namespace xtape::optim
