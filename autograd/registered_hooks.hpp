#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include <xtape/autograd/hooks.hpp>

/// What a node keeps of the hooks registered on it. For the engine.
namespace xtape::detail {

class Hooks {
public:
    /// Whether there was ever one in this program: where there was none, walks need not look for them.
    static bool any() { return any_.load(std::memory_order_relaxed); }

    HookHandle add(GradientHook hook, Where where);

    /// What the hooks put in the place of a node's gradient; without a value when they only looked. Throws TapeError when
    /// that is shaped otherwise.
    Variable run(const Node& node, const Variable& gradient) const;

private:
    static inline std::atomic<bool> any_{false};
    std::vector<std::shared_ptr<RegisteredHook>> list_;
};

}  // namespace xtape::detail
