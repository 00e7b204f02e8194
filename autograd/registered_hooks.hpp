#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

#include <xtape/autograd/hooks.hpp>

/// What a node keeps of the hooks registered on it. For the engine.
namespace xtape::detail {

class Hooks {
public:
    Hooks() { ++living_; }
    ~Hooks() { --living_; }
    Hooks(const Hooks&) = delete;
    Hooks& operator=(const Hooks&) = delete;

    /// Whether any node of this program has one: where none has, walks need not look for them.
    static bool any() { return living_.load(std::memory_order_relaxed) > 0; }

    HookHandle add(GradientHook hook, Where where);

    /// Whether one of them returns anything.
    bool may_replace() const;

    /// What the hooks put in the place of a node's gradient; without a value when they only looked. Throws TapeError when
    /// that is shaped otherwise.
    Variable run(const Node& node, const Variable& gradient) const;

private:
    static inline std::atomic<std::size_t> living_{0};
    std::vector<std::shared_ptr<RegisteredHook>> list_;
};

}  // namespace xtape::detail
