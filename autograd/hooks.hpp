#pragma once

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include <xtape/autograd/variable.hpp>

/// Hooks: functions that are called with a Variable's gradient on its way back, to look at it or to put another in its place
/// (PyTorch's Tensor.register_hook):
///
///     Variable h = relu(matmul(X, W));
///     h.register_hook([](const Variable& g) { print(norm(g)); });         // looks
///     W.register_hook([](const Variable& g) { return clip(g, -1, 1); });  // replaces
namespace xtape {

/// Any function of a Variable that returns nothing or a Variable; one with a value takes the gradient's place.
///
/// It sees the gradient in full, all contributions added up, once in every walk that needs it. Hooks of one Variable are
/// called in the order they were registered, each with what the one before it made of the gradient; what the last one
/// gives is what grad() returns, backward() adds to a parameter, and the walk carries on. Under create_graph the gradient is
/// recorded and so is what a hook does with it; otherwise both are constants. A hook may throw, which ends the walk: backward() has
/// added to the parameters before it by then, and to the others not. A hook that holds what it is registered on keeps both alive.
///
/// What a stable form (docs/recognised.md) goes around, such as the sigmoid in log(sigmoid(z)), is shown what comes past it
/// too. A hook that gives something else is best registered before the stable form is recorded, which then is none: the gradient
/// goes through the hook alone. Registered later, the replacement is carried on less what came past, which is NaN where
/// that is infinite. A hook that gives its argument back replaces nothing.
class GradientHook {
public:
    template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, GradientHook> &&
                                                std::is_invocable_v<F&, const Variable&>>>
    GradientHook(F f)
        : call_([f = std::move(f)](const Variable& gradient) mutable -> Variable {
              if constexpr (std::is_void_v<std::invoke_result_t<F&, const Variable&>>)
                  return f(gradient), Variable();
              else
                  return f(gradient);
          }),
          replaces_(!std::is_void_v<std::invoke_result_t<F&, const Variable&>>) {}

    Variable operator()(const Variable& gradient) const { return call_(gradient); }
    /// Whether it returns anything.
    bool replaces() const { return replaces_; }

private:
    std::function<Variable(const Variable&)> call_;
    bool replaces_;
};

namespace detail {
struct RegisteredHook;
}

/// Takes a hook away again. It may be thrown away itself, and outlive what was hooked.
class HookHandle {
public:
    HookHandle() = default;
    explicit HookHandle(std::weak_ptr<detail::RegisteredHook> hook) : hook_(std::move(hook)) {}

    /// From now on the hook is not called; nothing where that is so already. A hook may remove itself.
    void remove();

private:
    std::weak_ptr<detail::RegisteredHook> hook_;
};

}  // namespace xtape
