#pragma once

#include <cstddef>
#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

#include <xtape/autograd/variable.hpp>

/// How gradient checks and transforms take what is to be differentiated: functions of Variables, and lists of these.
namespace xtape {

/// A function of any number of arguments, the type of f behind it forgotten.
using GradFunction = std::function<Variable(const std::vector<Variable>&)>;

/// What operations such as tanh are, by which they are told from functions of other things with the same name.
using PlainFunction = Variable (*)(Variable, Where);

namespace detail {

[[noreturn]] void throw_argument_count(const char* who, std::size_t wanted, std::size_t given, Where where);

template <std::size_t>
using AVariable = const Variable&;

/// Stands for functions that take a list.
inline constexpr std::size_t a_list = 17;

template <class F, bool before_where = false, std::size_t... I>
constexpr bool takes(std::index_sequence<I...>) {
    if constexpr (before_where)
        return std::is_invocable_r_v<Variable, F&, AVariable<I>..., Where>;
    else
        return std::is_invocable_r_v<Variable, F&, AVariable<I>...>;
}

/// The smallest number of Variables from N on that F takes, or that it takes before a Where; else a_list.
template <class F, std::size_t N, bool before_where = false, std::size_t First = N>
constexpr std::size_t arity() {
    // One question after the other: a generic lambda may not compile with what it need not be asked for.
    if constexpr (N < a_list) {
        if constexpr (takes<F, before_where>(std::make_index_sequence<N>()))
            return N;
        else
            return arity<F, N + 1, before_where, First>();
    } else if constexpr (before_where) {
        return a_list;
    } else {
        return arity<F, First, true>();
    }
}

/// The same, but as many as are given where F takes these: a variadic lambda takes any number.
template <class F, std::size_t N, std::size_t Given>
constexpr std::size_t arity_for() {
    if constexpr (Given <= N || Given >= a_list)
        return arity<F, N>();
    else if constexpr (takes<F>(std::make_index_sequence<Given>()))
        return Given;
    else
        return arity<F, N>();
}

template <class F, std::size_t N, std::size_t Given = N>
constexpr bool is_differentiable() {
    if constexpr (arity_for<F, N, Given>() < a_list)
        return true;
    else
        return std::is_invocable_r_v<Variable, F&, const std::vector<Variable>&>;
}

template <class F, std::size_t... I>
Variable spread(F& f, const std::vector<Variable>& xs, Where where, std::index_sequence<I...>) {
    if constexpr (takes<F>(std::index_sequence<I...>()))
        return f(xs[I]...);
    else
        return f(xs[I]..., where);
}

/// Calls f with the arguments spread out (`Given` Variables, or the smallest number from N on that it takes), else with the list.
/// `who` stands in the error where their number is another. Refers to f.
template <std::size_t N, std::size_t Given = N, class F>
GradFunction with_list(F& f, const char* who, Where where = {"", 0}) {
    constexpr std::size_t n = arity_for<F, N, Given>();
    return [&f, who, where](const std::vector<Variable>& xs) -> Variable {
        if constexpr (n == a_list) {
            return f(xs);
        } else {
            if (xs.size() != n) throw_argument_count(who, n, xs.size(), where);
            return spread(f, xs, where, std::make_index_sequence<n>());
        }
    };
}

}  // namespace detail

/// A function of one or more Variables that gives a Variable: any callable that takes them one by one, or as a std::vector.
/// A variadic lambda takes as many as are given one after another, and one of a list such as jvp()'s `{x, y}`. Refers to it for as
/// long as a call lasts, and remembers the caller's line.
class Function {
public:
    template <class F, class = std::enable_if_t<!std::is_base_of_v<Function, std::decay_t<F>> &&
                                                detail::is_differentiable<std::remove_reference_t<F>, 1>()>>
    Function(F&& f, Where where = Where::here()) : Function(detail::with_list<1>(f, "the function", where), where) {}
    Function(PlainFunction f, Where where = Where::here())
        : Function(detail::with_list<1>(*f, "the function", where), where) {}

    Variable operator()(const std::vector<Variable>& xs) const { return call_(xs); }
    Where where() const { return where_; }

protected:
    Function(GradFunction call, Where where) : call_(std::move(call)), where_(where) {}

private:
    GradFunction call_;
    Where where_;
};

/// A Function that is given n arguments, which is how many of them a variadic lambda is taken to have.
template <std::size_t n>
class FunctionOf : public Function {
public:
    FunctionOf(const Function& f) : Function(f) {}
    FunctionOf(PlainFunction f, Where where = Where::here()) : Function(f, where) {}
    template <class F, class = std::enable_if_t<!std::is_base_of_v<Function, std::decay_t<F>> &&
                                                detail::is_differentiable<std::remove_reference_t<F>, 1, n>()>>
    FunctionOf(F&& f, Where where = Where::here())
        : Function(detail::with_list<1, n>(f, "the function", where), where) {}
};

/// Something recorded: a Variable, or a function without arguments that records one, which is called at once, even within
/// a NoGrad. Remembers the caller's line.
class Recorded {
public:
    // Not constrained further: a variadic lambda that is meant for a Function may not compile when it is asked for none.
    template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, Recorded>>>
    Recorded(F&& f, Where where = Where::here()) : where_(where) {
        if constexpr (std::is_convertible_v<F, Variable>) {
            y_ = std::forward<F>(f);
        } else {
            static_assert(
                std::is_invocable_r_v<Variable, F&>,
                "what stands before a list of Variables is recorded from them, or a function without arguments");
            const EnableGrad scope;
            y_ = f();
        }
    }

    const Variable& variable() const { return y_; }
    Where where() const { return where_; }

private:
    Variable y_;
    Where where_;
};

}  // namespace xtape
