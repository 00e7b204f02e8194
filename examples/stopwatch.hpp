#pragma once

#include <algorithm>
#include <chrono>
#include <vector>

/// Median time of a call in milliseconds, over `rounds` after a few to warm up.
template <class F>
double milliseconds(F f, int rounds = 21) {
    std::vector<double> times;
    for (int i = -3; i < rounds; ++i) {
        const auto begin = std::chrono::steady_clock::now();
        f();
        const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - begin;
        if (i >= 0) times.push_back(taken.count());
    }
    std::nth_element(times.begin(), times.begin() + rounds / 2, times.end());
    return times[static_cast<std::size_t>(rounds / 2)];
}
