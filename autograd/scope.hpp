#pragma once

#include <utility>

namespace xtape {

/// Sets a flag of this thread for as long as it lives; scopes nest.
class ScopedFlag {
public:
    ScopedFlag(bool& flag, bool value) : flag_(flag), before_(std::exchange(flag, value)) {}
    ~ScopedFlag() { flag_ = before_; }
    ScopedFlag(const ScopedFlag&) = delete;
    ScopedFlag& operator=(const ScopedFlag&) = delete;

private:
    bool& flag_;
    bool before_;
};

}  // namespace xtape
