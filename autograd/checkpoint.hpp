#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include <xtape/autograd/function.hpp>

/// Less memory for more time: what a part of a model computes on the way is not kept for backward but computed again there
/// (Chen et al., arXiv:1604.06174; PyTorch's torch.utils.checkpoint).
namespace xtape {

namespace detail {

/// A Repeatable of any number of arguments.
struct Repeated {
    GradFunction now;    ///< what was handed over; to be called at once
    GradFunction later;  ///< what is kept: that, or a copy; if it has parameters of its own the second run finds out
    Where where;
};

}  // namespace detail

/// A function that is kept to be run again, with n arguments: any callable that takes Variables, or none. A module, or whatever
/// else has virtual functions, is referred to when it is an lvalue and must outlive the walk back; everything else, such as a
/// lambda, is copied or moved in, and what it refers to must outlive the walk back. Remembers the caller's line.
template <std::size_t n>
class Repeatable : public detail::Repeated {
public:
    Repeatable(PlainFunction f, Where at = Where::here()) : Repeated{{}, {}, at} {
        now = later = detail::with_list<0>(*f, "checkpoint: the function", at);
    }
    template <class F, class = std::enable_if_t<!std::is_base_of_v<detail::Repeated, std::decay_t<F>> &&
                                                detail::is_differentiable<std::remove_reference_t<F>, 0, n>()>>
    Repeatable(F&& f, Where at = Where::here()) : Repeated{{}, {}, at} {
        constexpr const char* name = "checkpoint: the function";
        if constexpr (std::is_lvalue_reference_v<F>) now = detail::with_list<0, n>(f, name, at);
        if constexpr (std::is_lvalue_reference_v<F> && std::is_polymorphic_v<std::remove_reference_t<F>>) {
            later = now;
        } else {
            const auto held = std::make_shared<std::decay_t<F>>(std::forward<F>(f));
            later = [held, call = detail::with_list<0, n>(*held, name, at)](const std::vector<Variable>& xs) {
                return call(xs);
            };
        }
        if (!now) now = later;
    }
};

namespace detail {
Variable checkpoint(const Repeated& f, std::vector<Variable> xs);
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
Variable checkpoint(const Repeatable<sizeof...(X)>& f, const X&... xs) {
    return detail::checkpoint(f, std::vector<Variable>{Variable(xs)...});
}

/// Whether this thread is running a checkpoint's function again: a layer that keeps statistics of its inputs leaves them
/// as they are then.
bool recomputing();

}  // namespace xtape
