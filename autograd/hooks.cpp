#include <xtape/autograd/hooks.hpp>

#include <algorithm>
#include <atomic>

#include <fmt/format.h>

#include <xtape/autograd/node.hpp>
#include <xtape/autograd/registered_hooks.hpp>

namespace xtape {

namespace detail {

struct RegisteredHook {
    RegisteredHook(GradientHook hook, Where at) : call(std::move(hook)), where(at) {}

    const GradientHook call;
    const Where where;
    std::atomic<bool> removed{false};
};

void DeleteHooks::operator()(Hooks* hooks) const { delete hooks; }

HookHandle Hooks::add(GradientHook hook, Where where) {
    const auto removed = [](const auto& each) { return each->removed.load(); };
    list_.erase(std::remove_if(list_.begin(), list_.end(), removed), list_.end());
    list_.push_back(std::make_shared<RegisteredHook>(std::move(hook), where));
    return HookHandle(list_.back());
}

bool Hooks::may_replace() const {
    return std::any_of(list_.begin(), list_.end(),
                       [](const auto& each) { return !each->removed && each->call.replaces(); });
}

namespace {

/// Whether both are one array at one place of the tape.
bool is_same(const Variable& a, const Variable& b) {
    return a.node() == b.node() && a.shape() == b.shape() && a.dtype() == b.dtype() &&
           a.array().identity() == b.array().identity();
}

}  // namespace

Variable Hooks::run(const Node& node, const Variable& gradient) const {
    const auto list = list_;  // a hook may register others
    Variable replacement;
    for (const auto& hook : list) {
        if (hook->removed) continue;
        const Variable& shown = replacement ? replacement : gradient;
        Variable given = hook->call(shown);
        if (!given || is_same(given, shown)) continue;
        if (given.shape() != node.shape || given.dtype() != node.dtype)
            throw TapeError(fmt::format("register_hook: a hook on {} gave a gradient of {} {} for one of {} {}",
                                        node.name, to_string(given.shape()), name_of(given.dtype()),
                                        to_string(node.shape), name_of(node.dtype)),
                            hook->where);
        replacement = std::move(given);
    }
    return replacement;
}

namespace {

HookHandle register_on(const NodePtr& node, GradientHook hook, Where where) {
    if (!node) throw TapeError("register_hook: a constant has no gradient", where);
    if (!node->hooks) node->hooks.reset(new Hooks);
    return node->hooks->add(std::move(hook), where);
}

}  // namespace
}  // namespace detail

void HookHandle::remove() {
    if (const auto hook = hook_.lock()) hook->removed = true;
}

HookHandle Variable::register_hook(GradientHook hook, Where where) const {
    return detail::register_on(node_, std::move(hook), where);
}
HookHandle Parameter::register_hook(GradientHook hook, Where where) const {
    return detail::register_on(leaf_, std::move(hook), where);
}
HookHandle ParameterRef::register_hook(GradientHook hook, Where where) const {
    return detail::register_on(leaf_, std::move(hook), where);
}

}  // namespace xtape
