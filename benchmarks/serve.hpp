#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

/// What the C++ programs of both sides share: the numbers that everything begins with, and the protocol in which the runner
/// asks for measurements. pytorch/serve.py is the same in Python.
///
///     program ROW CASE THREADS
///
/// makes a row ready, prints lines "output NAME NUMBER..." for comparison with the other side, then "ready", and answers
/// each line of its input with one line: "run N" with the seconds of N runs, "peak" with the most bytes it ever had resident.
namespace bench {

/// Number i of an endless list of well-mixed 32-bit numbers, another list for every seed.
inline std::uint32_t mixed(std::uint32_t seed, std::size_t i) {
    std::uint32_t h = static_cast<std::uint32_t>(i) * 0x9E3779B1u + seed * 0x632BE5ABu;
    h = (h ^ (h >> 15)) * 0x85EBCA77u;
    h = (h ^ (h >> 13)) * 0xC2B2AE3Du;
    return h ^ (h >> 16);
}

/// `count` numbers, uniform in [-scale, scale).
inline std::vector<float> numbers(std::uint32_t seed, std::size_t count, double scale = 1) {
    std::vector<float> result(count);
    for (std::size_t i = 0; i < count; ++i)
        result[i] = static_cast<float>(scale * (static_cast<double>(mixed(seed, i)) * 0x1p-31 - 1));
    return result;
}

/// `count` labels in [0, classes).
inline std::vector<std::int64_t> labels(std::uint32_t seed, std::size_t count, std::uint32_t classes) {
    std::vector<std::int64_t> result(count);
    for (std::size_t i = 0; i < count; ++i) result[i] = mixed(seed, i) % classes;
    return result;
}

/// Prints an array for comparison: its norm, and all its elements or 500 of them.
inline void output(const std::string& name, const float* values, std::size_t count) {
    constexpr std::size_t most = 500;
    double squares = 0;
    for (std::size_t i = 0; i < count; ++i) squares += static_cast<double>(values[i]) * static_cast<double>(values[i]);
    std::printf("output %s %.9g", name.c_str(), std::sqrt(squares));
    for (std::size_t i = 0; i < std::min(count, most); ++i)
        std::printf(" %.9g", static_cast<double>(values[count <= most ? i : mixed(0, i) % count]));
    std::printf("\n");
}

inline void output(const std::string& name, const std::vector<double>& values) {
    const std::vector<float> floats(values.begin(), values.end());
    output(name, floats.data(), floats.size());
}

/// What is timed: one run.
using Run = std::function<void()>;
/// Makes a row ready: prints its outputs, returns what is timed. Gets the name of the case.
using Row = std::function<Run(const std::string& which)>;

/// Runs of a function that prints its outputs when it is told to: it is told so once.
template <class Pass>
Run silent_after_first(Pass pass) {
    pass(true);
    return [pass = std::move(pass)]() mutable { pass(false); };
}

inline std::size_t peak_resident_bytes() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;)
        if (std::size_t kilobytes = 0; word == "VmHWM:" && status >> kilobytes) return kilobytes * 1024;
    throw std::runtime_error("no VmHWM in /proc/self/status");
}

inline double seconds_of(const Run& run, int count) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < count; ++i) run();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// The whole of main().
inline int serve(int argc, char** argv, const std::map<std::string, Row>& rows, void (*set_threads)(int)) {
    try {
        if (argc != 4) throw std::invalid_argument("usage: " + std::string(argv[0]) + " ROW CASE THREADS");
        set_threads(std::stoi(argv[3]));
        const Run run = rows.at(argv[1])(argv[2]);
        std::cout << "ready" << std::endl;
        for (std::string command; std::cin >> command;) {
            if (int count = 0; command == "run" && std::cin >> count)
                std::printf("%.9g\n", seconds_of(run, count));
            else if (command == "peak")
                std::printf("%zu\n", peak_resident_bytes());
            else
                throw std::invalid_argument("no such command: " + command);
            std::fflush(stdout);
        }
        return 0;
    } catch (const std::exception& error) {
        std::cerr << argv[0] << ": " << error.what() << "\n";
        return 1;
    }
}

}  // namespace bench
