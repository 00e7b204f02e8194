#pragma once

#include <memory>
#include <string>
#include <utility>

#include <xtape/autograd/observer.hpp>

/// Parts of a model, so that whoever looks at a tape can say which layer an operation belongs to.
namespace xtape {

/// One call of a part: a layer's, say. Two calls of the same layer are two of these.
struct Part {
    std::shared_ptr<const Part> outer;  ///< the call that this one was made from, or null
    const void* owner;                  ///< what is called
    std::string label;                  ///< "Linear(3136, 128)"
};

/// While it lives, what this thread records belongs to a part of a model. It costs nothing unless an Observer looks on.
class PartScope {
public:
    /// `label()` is only asked for when somebody looks. A part within a call of the same owner is that call: whoever knows
    /// more, as a Sequential knows a layer's position, speaks first.
    template <class Label>
    PartScope(const void* owner, Label label) {
        if (Observer::current() && !is_innermost(owner)) enter(owner, label());
    }
    ~PartScope() {
        if (entered_) leave();
    }
    PartScope(const PartScope&) = delete;
    PartScope& operator=(const PartScope&) = delete;

    /// The innermost part of this thread, or null.
    static std::shared_ptr<const Part> current();

private:
    static bool is_innermost(const void* owner);
    void enter(const void* owner, std::string label);
    static void leave();

    bool entered_ = false;
};

}  // namespace xtape
