#pragma once

#include <xtape/autograd/tape.hpp>

namespace xtape::testing {

/// x, counting how often its rule is called.
inline Variable counted(const Variable& x, int& calls) {
    auto dx = on(x, [&calls](const Variable& g) {
        ++calls;
        return g;
    });
    return record("counted", Where::here(), x.array(), std::move(dx));
}

}  // namespace xtape::testing
