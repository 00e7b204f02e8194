#pragma once

#include <array>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

#include <xtape/autograd/function.hpp>
#include <xtape/autograd/tape.hpp>
#include <xtape/autograd/variable_list.hpp>

/// Derivatives of functions, in the shapes that JAX and torch.func give them:
///
///     auto [loss, gradients] = value_and_grad(f, W, b);   // gradients[0] is dloss/dW
///     auto [y, pull] = vjp(f, x);       Variable dx = pull(seed);
///     auto [y, dy] = jvp(f, x, tangent);
///     Variable J = jacobian(f, x);      // y.shape + x.shape
///     Variable H = hessian(f, x);       // x.shape + x.shape
///     Variable Hv = hvp(f, x, v);
///
/// f is any callable from Variables to a Variable. It is called once, with arguments of its own that have the values of x...,
/// even within a NoGrad; what it captures is left alone. Results are constants, unless create_graph stands last: then they
/// are recorded as functions of x... and of what f captured.
///
/// By what a function captured, such as a module's parameters: give what is recorded, or a function without arguments that
/// records it, and then a list. `hvp(loss, net.parameters(), vectors)`, `hessian([&] { return loss_of(net(X), y); }, {W, b})`.
/// A Variable in the list must be a Parameter or on the tape.
///
/// All throw with the caller's line: TapeError when f returns a constant or, where one number is needed, another shape;
/// ShapeError or DtypeError when a seed, tangent or vector is not like what it belongs to; ValueError when their number is
/// another or an argument has no value. What f does not depend on has derivatives of zero.
namespace xtape {

/// Whether results are recorded: create_graph, or nothing.
struct GraphOption {
    GraphOption() = default;
    GraphOption(CreateGraph) : create(true) {}
    bool create = false;
};

namespace detail {

/// f called, and by what it is differentiated.
struct Called {
    Variable y;
    std::vector<Variable> xs;
    bool record;  ///< results are recorded
    Where where;
};

/// What is recorded already.
Called called(const char* transform, const Recorded& y, const VariableList& xs, bool create_graph);
/// The same after a call of f with arguments of its own.
Called call(const char* transform, const Function& f, const VariableList& xs, bool create_graph);

Variable value_of(const Called& f);
std::vector<Variable> gradients(const Called& f);
std::vector<Variable> pull(const Called& f, const Variable& seed, Where where);
std::pair<Variable, Variable> push(const char* transform, const Called& f, const std::vector<Variable>& tangents);

enum class Way { fewer, forward, reverse };
std::vector<Variable> jacobian(const Called& f, Way way);
/// [i][j]: the gradient in i differentiated by j.
std::vector<std::vector<Variable>> hessian(const Called& f);

template <class... Args>
inline constexpr bool are_arguments = gradients_in<Args...> > 0 && ((std::is_constructible_v<Variable, const Args&> ||
                                                                     std::is_same_v<Args, CreateGraph>)&&...);

/// A Function of as many arguments as there are Variables.
template <class... Args>
using FunctionOfAll = FunctionOf<gradients_in<Args...>>;

/// f called with Variables that may have create_graph behind them.
template <class... Args>
Called call_with(const char* transform, const Function& f, const Args&... args) {
    std::vector<Variable> xs;
    (collect(xs, args), ...);
    return call(transform, f, std::move(xs), gradients_in<Args...> < sizeof...(Args));
}

}  // namespace detail

// --------------------------------------------------------------------------------------------------------- gradients

/// df/dx for every x, f giving one number: one Variable, or an array of them for structured bindings.
template <class... Args, class = std::enable_if_t<detail::are_arguments<Args...>>>
auto grad(const detail::FunctionOfAll<Args...>& f, const Args&... xs) {
    return detail::unlisted<detail::gradients_in<Args...>>(detail::gradients(detail::call_with("grad", f, xs...)));
}

/// f(x...) and the same gradients: `auto [loss, dW] = value_and_grad(f, W);`
template <class... Args, class = std::enable_if_t<detail::are_arguments<Args...>>>
auto value_and_grad(const detail::FunctionOfAll<Args...>& f, const Args&... xs) {
    const detail::Called called = detail::call_with("value_and_grad", f, xs...);
    auto gradients = detail::unlisted<detail::gradients_in<Args...>>(detail::gradients(called));
    return std::pair(detail::value_of(called), std::move(gradients));
}
std::pair<Variable, std::vector<Variable>> value_and_grad(const Recorded& loss, const VariableList& xs,
                                                          GraphOption graph = {});

// ------------------------------------------------------------------------------------- products with the Jacobian

/// What vjp() gives beside the value: may be called any number of times. n is the number of arguments, 0 for a list.
template <std::size_t n>
class VjpFunction {
public:
    explicit VjpFunction(detail::Called called) : called_(std::move(called)) {}

    /// Seed times Jacobian, for a seed like y: the gradient of sum(seed * y) in each argument.
    auto operator()(const Variable& seed, Where where = Where::here()) const {
        auto gradients = detail::pull(called_, seed, where);
        if constexpr (n == 0)
            return gradients;
        else
            return detail::unlisted<n>(std::move(gradients));
    }

private:
    detail::Called called_;
};

/// f(x...) and the function that pulls seeds back through it.
template <class... Args, class = std::enable_if_t<detail::are_arguments<Args...>>>
auto vjp(const detail::FunctionOfAll<Args...>& f, const Args&... xs) {
    detail::Called called = detail::call_with("vjp", f, xs...);
    Variable y = detail::value_of(called);
    return std::pair(std::move(y), VjpFunction<detail::gradients_in<Args...>>(std::move(called)));
}
std::pair<Variable, VjpFunction<0>> vjp(const Recorded& y, const VariableList& xs, GraphOption graph = {});

/// f(x) and Jacobian times tangent, for a tangent like x: how y moves when x does. Takes a recorded walk back and a second one
/// over that (Jamie Townsend, "A new trick for calculating Jacobian vector products", 2017): about three times f itself and the
/// memory of a gradient, whatever the sizes.
std::pair<Variable, Variable> jvp(const Function& f, const Variable& x, const Variable& tangent,
                                  GraphOption graph = {});
/// The same when all of several arguments move: `jvp(f, {x, y}, {dx, dy})`.
std::pair<Variable, Variable> jvp(const Function& f, const VariableList& xs, const VariableList& tangents,
                                  GraphOption graph = {});
template <int = 0>  // so that what can be called with Variables is taken for a Function
std::pair<Variable, Variable> jvp(const Recorded& y, const VariableList& xs, const VariableList& tangents,
                                  GraphOption graph = {}) {
    return detail::push("jvp", detail::called("jvp", y, xs, graph.create), tangents.list());
}

// ------------------------------------------------------------------------------------------------------- Jacobians

/// All derivatives of all elements, y.shape + x.shape for each x: by a row for each element of y or by a column for each
/// element of all x, whichever are fewer. Throws ShapeError when that makes more than 8 axes.
template <class... Args, class = std::enable_if_t<detail::are_arguments<Args...>>>
auto jacobian(const detail::FunctionOfAll<Args...>& f, const Args&... xs) {
    return detail::unlisted<detail::gradients_in<Args...>>(
        detail::jacobian(detail::call_with("jacobian", f, xs...), detail::Way::fewer));
}
std::vector<Variable> jacobian(const Recorded& y, const VariableList& xs, GraphOption graph = {});

/// The same by columns: forward.
template <class... Args, class = std::enable_if_t<detail::are_arguments<Args...>>>
auto jacfwd(const detail::FunctionOfAll<Args...>& f, const Args&... xs) {
    return detail::unlisted<detail::gradients_in<Args...>>(
        detail::jacobian(detail::call_with("jacfwd", f, xs...), detail::Way::forward));
}
std::vector<Variable> jacfwd(const Recorded& y, const VariableList& xs, GraphOption graph = {});

/// The same by rows: in reverse.
template <class... Args, class = std::enable_if_t<detail::are_arguments<Args...>>>
auto jacrev(const detail::FunctionOfAll<Args...>& f, const Args&... xs) {
    return detail::unlisted<detail::gradients_in<Args...>>(
        detail::jacobian(detail::call_with("jacrev", f, xs...), detail::Way::reverse));
}
std::vector<Variable> jacrev(const Recorded& y, const VariableList& xs, GraphOption graph = {});

// -------------------------------------------------------------------------------------------------- second derivatives

/// All second derivatives of f, which gives one number: x.shape + x.shape; for several x an array of arrays, [i][j] of shape
/// x_i.shape + x_j.shape. A walk back for each element.
template <class... Args, class = std::enable_if_t<detail::are_arguments<Args...>>>
auto hessian(const detail::FunctionOfAll<Args...>& f, const Args&... xs) {
    constexpr std::size_t n = detail::gradients_in<Args...>;
    auto blocks = detail::hessian(detail::call_with("hessian", f, xs...));
    if constexpr (n == 1) {
        return std::move(blocks[0][0]);
    } else {
        std::array<std::array<Variable, n>, n> result;
        for (std::size_t i = 0; i < n; ++i) result[i] = detail::unlisted<n>(std::move(blocks[i]));
        return result;
    }
}
/// The same as one matrix (n, n) over all n numbers of a list, one Variable after the other.
Variable hessian(const Recorded& loss, const VariableList& xs, GraphOption graph = {});

/// The Hessian of a loss times vectors, without the Hessian: the gradient is recorded once, each product is one walk back
/// over it. What hvp() gives when it is asked again and again, as by an eigenvalue iteration.
class HessianProduct {
public:
    /// Throws as hessian().
    HessianProduct(const Recorded& loss, const VariableList& xs, GraphOption graph = {});
    explicit HessianProduct(detail::Called called);

    /// One vector for each x and like it.
    std::vector<Variable> operator()(const VariableList& vectors, Where where = Where::here()) const;
    const std::vector<Variable>& gradients() const { return gradients_; }

private:
    detail::Called called_;
    std::vector<Variable> gradients_;
};

/// Hessian of f at x times v, which is like x.
Variable hvp(const Function& f, const Variable& x, const Variable& v, GraphOption graph = {});
/// The same for several arguments: `hvp(f, {W, b}, {vW, vb})`.
std::vector<Variable> hvp(const Function& f, const VariableList& xs, const VariableList& vectors,
                          GraphOption graph = {});
template <int = 0>  // as for jvp
std::vector<Variable> hvp(const Recorded& loss, const VariableList& xs, const VariableList& vectors,
                          GraphOption graph = {}) {
    return HessianProduct(loss, xs, graph)(vectors, loss.where());
}

/// x as a constant: nothing is differentiated through it. The same as x.detach(), by the name that JAX has for it.
inline Variable stop_gradient(Variable x) { return Variable(std::move(x).array()); }

}  // namespace xtape
