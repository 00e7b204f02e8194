#pragma once

#include <functional>
#include <memory>
#include <string>

#include <xtape/autograd/anomaly.hpp>
#include <xtape/autograd/observer.hpp>

/// Where a NaN or an infinity comes from:
///
///     DetectAnomaly guard(net.named_parameters());
///     Variable loss = ...;
///     loss.backward();       // throws NonFiniteError that says which operation, line and element it was
namespace xtape {

/// Tag: every operation is looked at when it is recorded.
struct AtOnce {};
inline constexpr AtOnce at_once{};

/// While it lives, what this thread records keeps its numbers, and a walk back over it throws NonFiniteError
///  * before it begins, when what it starts from is not finite: names the first operation on the way there whose output is
///    not finite though its arguments are, or the constant or parameter that was not finite to begin with. Numbers that
///    are not finite on purpose and do not get through, such as scores masked by -inf, are no cause;
///  * at the first rule that gives a gradient that is not finite for one that is, in any order of derivatives.
///
/// Operations that nothing records are not seen. A step costs about twice its time, and the memory of all
/// intermediate arrays; for training see check_finite(). After a throw in the midst of backward() no parameter's gradient has
/// changed, unless it was gradients of a parameter that added up to infinity; the tape is gone as far as it was walked.
class DetectAnomaly : KeepOutputs, public Observer {
public:
    explicit DetectAnomaly(VariableNames names = {});
    /// Throws from the operation itself, for a debugger to stop there: also for numbers that would not get through, and with
    /// no path to a loss, which is not there yet. What was recorded before is not looked at until an operation takes it and gives
    /// a number that is not finite: that one throws.
    explicit DetectAnomaly(AtOnce, VariableNames names = {});
    ~DetectAnomaly() override;

    /// What x is called in messages: a parameter, a constant or anything recorded. As VariableNames::add.
    void name(const std::string& text, const Variable& x, Where where = Where::here());

    /// Throws NonFiniteError when y is not finite, as a walk back from it would.
    void check(const Variable& y) const;

    void recorded(Node& node, const Array& y) override;
    void walking(const Tape& tape, const Variable& seed) override;
    void walked(const Tape& tape) noexcept override;
    void pulling(const Node& node, const Variable& g) override;
    void pulled(const Node& node, const bool* wanted, const Variable* gradients) override;
    void went_around(const Node& node, const Variable& gradient) override;
    void finished(const Node& node, const Variable& gradient) override;

private:
    class Watch;
    std::unique_ptr<Watch> watch_;
};

/// f(), a loss, at the price of a look at its elements: when they are not finite, f is called again under DetectAnomaly, with
/// this thread's random generator as it was, and the NonFiniteError thrown that says where it happened. An Error says so
/// when f then returns finite numbers, because it does not do the same twice (generators of its own, as Dropout has one).
Variable check_finite(const std::function<Variable()>& f, const VariableNames& names = {}, Where where = Where::here());

/// The same, and loss.backward() with a look at the gradients of these parameters. When it throws, the parameters' gradients
/// are what they were before.
Variable check_finite_gradients(const std::function<Variable()>& f, const NamedParameters& parameters,
                                Where where = Where::here());

}  // namespace xtape
