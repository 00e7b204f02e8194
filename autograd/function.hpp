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

namespace detail {

[[noreturn]] void throw_argument_count(const char* who, std::size_t wanted, std::size_t given, Where where);

template <std::size_t>
using AVariable = const Variable&;

/// Stands for functions that take a list.
inline constexpr std::size_t a_list = 17;

template <class F, std::size_t... I>
constexpr bool takes(std::index_sequence<I...>) {
    return std::is_invocable_r_v<Variable, F&, AVariable<I>...>;
}
template <class F, std::size_t... I>
constexpr bool takes_where(std::index_sequence<I...>) {
    return std::is_invocable_r_v<Variable, F&, AVariable<I>..., Where>;
}

/// The smallest number of Variables from N on that F takes, before a Where where it needs that; else a_list.
template <class F, std::size_t N>
constexpr std::size_t arity() {
    // One question after the other: a generic lambda may not compile with what it need not be asked for.
    if constexpr (N == a_list)
        return N;
    else if constexpr (takes<F>(std::make_index_sequence<N>()))
        return N;
    else if constexpr (takes_where<F>(std::make_index_sequence<N>()))
        return N;
    else
        return arity<F, N + 1>();
}

/// The same, but as many as are given where F takes these: a variadic lambda takes any number.
template <class F, std::size_t N, std::size_t Given>
constexpr std::size_t arity_for() {
    if constexpr (Given <= N || Given >= a_list)
        return arity<F, N>();
    else if constexpr (takes<F>(std::make_index_sequence<Given>()))
        return Given;
    else if constexpr (takes_where<F>(std::make_index_sequence<Given>()))
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
/// Refers to it for as long as a call lasts, and remembers the caller's line.
class Function {
public:
    template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, Function> &&
                                                detail::is_differentiable<std::remove_reference_t<F>, 1>()>>
    Function(F&& f, Where where = Where::here())
        : call_(detail::with_list<1>(f, "the function", where)), where_(where) {}

    Variable operator()(const std::vector<Variable>& xs) const { return call_(xs); }
    Where where() const { return where_; }

private:
    GradFunction call_;
    Where where_;
};

/// Something recorded: a Variable, or a function without arguments that records one, which is called at once, even within
/// a NoGrad. Remembers the caller's line.
class Recorded {
public:
    Recorded(const Variable& y, Where where = Where::here()) : y_(y), where_(where) {}
    template <class F, class = std::enable_if_t<std::is_invocable_r_v<Variable, F&>>>
    Recorded(F&& f, Where where = Where::here()) : where_(where) {
        const EnableGrad scope;
        y_ = f();
    }

    const Variable& variable() const { return y_; }
    Where where() const { return where_; }

private:
    Variable y_;
    Where where_;
};

}  // namespace xtape
