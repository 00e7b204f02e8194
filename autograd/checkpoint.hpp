#pragma once

#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include <xtape/autograd/function.hpp>

/// Less memory for more time: what a part of a model computes on the way is not kept for backward but computed again there
/// (Chen et al., arXiv:1604.06174; PyTorch's torch.utils.checkpoint).
namespace xtape {

/// A function that is kept to be run again: any callable that takes Variables, or none. A module, or whatever else has virtual
/// functions, is referred to when it is an lvalue and must outlive the walk back; everything else, such as a lambda, is
/// copied or moved in, and what it refers to must outlive the walk back. Remembers the caller's line.
class Repeatable {
public:
    template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, Repeatable> &&
                                                detail::is_differentiable<std::remove_reference_t<F>, 0>()>>
    Repeatable(F&& f, Where where = Where::here()) : where_(where) {
        constexpr const char* name = "checkpoint: the function";
        if constexpr (std::is_lvalue_reference_v<F>) now_ = detail::with_list<0>(f, name, where);
        if constexpr (std::is_lvalue_reference_v<F> && std::is_polymorphic_v<std::remove_reference_t<F>>) {
            later_ = now_;
        } else {
            const auto held = std::make_shared<std::decay_t<F>>(std::forward<F>(f));
            later_ = [held, call = detail::with_list<0>(*held, name, where)](const std::vector<Variable>& xs) {
                return call(xs);
            };
        }
        if (!now_) now_ = later_;
    }

    /// What was handed over; to be called at once.
    const GradFunction& now() const { return now_; }
    /// What is kept: that, or a copy of it, of which it turns out in the second run if it has parameters of its own.
    const GradFunction& later() const { return later_; }
    Where where() const { return where_; }

private:
    GradFunction now_, later_;
    Where where_;
};

namespace detail {
Variable checkpoint(const Repeatable& f, std::vector<Variable> xs);
}

/// f(x...), of which only the arguments are kept: f is run once more when a gradient is asked for. The value and the
/// gradients have the same bits as without (but for the order of sums where something is used by f and elsewhere too).
/// Gradients reach the arguments and everything else that f uses, parameters and Variables it captured, by backward() and
/// by grad(), to any order; checkpoints nest.
///
/// Random numbers are the same in the second run, whatever generators they come from, and these do not move on; so are
/// StrictConvolution and the like. Other state that f changes, it changes twice: see recomputing(). Stable forms
/// (docs/recognised.md) are not seen across the border: let sigmoid and its loss be on the same side. Where nothing is
/// recorded this is f(x...). Throws ValueError when an argument has no value; the walk back throws TapeError when the second
/// run gives something else, as when a parameter was changed in between or a copy of f has parameters of its own.
template <class... X, class = std::enable_if_t<(std::is_constructible_v<Variable, const X&> && ...)>>
Variable checkpoint(const Repeatable& f, const X&... xs) {
    return detail::checkpoint(f, std::vector<Variable>{Variable(xs)...});
}

/// Whether this thread is running a checkpoint's function again: a layer that keeps statistics of its inputs leaves them
/// as they are then.
bool recomputing();

}  // namespace xtape
