#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include <xtape/autograd/function.hpp>
#include <xtape/autograd/lasting_name.hpp>
#include <xtape/autograd/node.hpp>

/// Operations of the user's own.
namespace xtape {

/// Stands in custom() for the rule of an argument that nothing is differentiated by.
struct NoGradient {};
inline constexpr NoGradient no_gradient{};

namespace detail {

void check_custom_argument(const char* name, std::size_t argument, const Variable& x, Where where);
Array check_custom_result(const char* name, Variable y, Where where);
Variable check_custom_gradient(const char* name, std::size_t argument, Variable gradient, Where where);

template <class Indices, class Forward, class... Rules>
class CustomOperation;

}  // namespace detail

/// An operation with rules: calling it records one node.
template <class Forward, class... Rules>
using CustomOperation = detail::CustomOperation<std::index_sequence_for<Rules...>, Forward, Rules...>;

/// An operation of the user's own, for good and under a name that errors, gradient checks and inspection show:
///
///     const auto cube = custom("cube", [](const Variable& x) { return x * x * x; },
///                              [](const Variable& g, const Variable& y, const Variable& x) { return 3 * g * square(x); });
///     Variable y = cube(x);
///     check_grads(cube, x);
///
/// `forward` is called with constants, one for each rule, and nothing that it does is recorded; it returns a Variable or an
/// Array, which it may compute in any way. Each rule is called as rule(g, y, x...) with the gradient of the result, the
/// result and all arguments, and returns the gradient of its own argument, in that one's shape. A rule is an
/// expression over operations, so that it can be differentiated again; a rule that computes otherwise is right at first
/// order only. no_gradient stands for the rule of an argument that is a constant to it, as labels are. What `forward`
/// captured gets no gradient: make it an argument.
///
/// The result is called with as many Variables as there are rules. Throws ValueError when one, or what `forward` or a rule
/// returned, has no value; the walk back throws TapeError, naming the operation, when a gradient has another shape.
template <class Forward, class... Rules>
CustomOperation<Forward, Rules...> custom(const std::string& name, Forward forward, Rules... rules) {
    return {detail::lasting_name(name), std::move(forward), std::move(rules)...};
}

namespace detail {

template <std::size_t... I, class Forward, class... Rules>
class CustomOperation<std::index_sequence<I...>, Forward, Rules...> {
    static_assert(sizeof...(Rules) > 0, "custom: give one rule for each argument");
    static_assert(std::is_invocable_r_v<Variable, Forward&, AVariable<I>...>,
                  "custom: forward must take as many Variables as there are rules, and return a Variable or an Array");
    static_assert(((std::is_same_v<Rules, NoGradient> ||
                    std::is_invocable_r_v<Variable, Rules&, AVariable<0>, AVariable<0>, AVariable<I>...>)&&...),
                  "custom: a rule is called as rule(g, y, x...) with all arguments x and returns a Variable");

public:
    CustomOperation(const char* name, Forward forward, Rules... rules)
        : name_(name),
          forward_(std::move(forward)),
          rules_(std::make_shared<std::tuple<Rules...>>(std::move(rules)...)) {}

    Variable operator()(AVariable<I>... xs, Where where = Where::here()) const {
        (check_custom_argument(name_, I, xs, where), ...);
        Array y = forward_without_tape(where, xs...);
        if (!recording() || !((xs.requires_grad() && differentiates<Rules>) || ...)) return Variable(std::move(y));
        return record(name_, where, std::move(y), edge<I, Rules>(xs, where)...);
    }

    const char* name() const { return name_; }

private:
    template <class Rule>
    static constexpr bool differentiates = !std::is_same_v<Rule, NoGradient>;

    Array forward_without_tape(Where where, AVariable<I>... xs) const {
        const NoGrad constant;
        return check_custom_result(name_, forward_(xs.detach()...), where);
    }

    /// Every argument is kept, for any rule may use it.
    template <std::size_t Argument, class Rule>
    auto edge(const Variable& x, Where where) const {
        return keeping(differentiates<Rule> ? x : x.detach(), [name = name_, rules = rules_, where](
                                                                  const Variable& g, const Variable& y, Arguments in) {
            if constexpr (differentiates<Rule>)
                return check_custom_gradient(name, Argument, std::get<Argument>(*rules)(g, y, in[I]...), where);
            else
                return Variable();  // never asked for
        });
    }

    const char* name_;
    mutable Forward forward_;
    std::shared_ptr<std::tuple<Rules...>> rules_;
};

}  // namespace detail
}  // namespace xtape
