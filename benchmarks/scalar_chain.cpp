// The cost of recording: 2000 operations on single numbers, forward and backward, per operation.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <vector>

#include <xtape/xtape.hpp>

using namespace xtape;

int main() {
    constexpr int operations = 2000, rounds = 200;
    using Clock = std::chrono::steady_clock;
    const auto nanoseconds = [](Clock::duration time) {
        return std::chrono::duration<double, std::nano>(time).count() / operations;
    };
    const auto median = [](std::vector<double>& times) {
        std::nth_element(times.begin(), times.begin() + rounds / 2, times.end());
        return times[rounds / 2];
    };

    Parameter rate = xt::xarray<float>(0.999f);
    const Variable factor = xt::xarray<float>(1.0001f);
    std::vector<double> forward, backward, both;
    for (int round = 0; round < rounds; ++round) {
        const auto begin = Clock::now();
        Variable y = rate;
        for (int i = 0; i < operations / 4; ++i) {
            y = y * factor;
            y = y + 0.001;
            y = y * rate;
            y = y - factor;
        }
        const auto recorded = Clock::now();
        rate.zero_grad();
        y.backward();
        y = {};
        const auto end = Clock::now();
        forward.push_back(nanoseconds(recorded - begin));
        backward.push_back(nanoseconds(end - recorded));
        both.push_back(nanoseconds(end - begin));
    }
    std::cout << "scalar chain, per operation: forward " << median(forward) << " ns, backward and freeing "
              << median(backward) << " ns, together " << median(both) << " ns (median of " << rounds << ")\n";
}
