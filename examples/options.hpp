#pragma once

#include <cstdint>
#include <filesystem>
#include <iostream>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>

#include <xtape/xtape.hpp>

/// What all examples can be told: --help, --seed, --threads, --out, --format.
struct Options : CLI::App {
    std::uint64_t seed = 0;
    int threads = 0;
    std::filesystem::path out;
    std::string format = "svg";

    Options(const std::string& what, std::filesystem::path default_out) : CLI::App(what), out(std::move(default_out)) {
        option("--seed", seed, "of all random numbers");
        option("--threads", threads, "to use at most; 0: all of the machine's. Results do not depend on it")
            ->check(CLI::NonNegativeNumber);
        option("--out", out, "folder for what is drawn and written");
        option("--format", format, "of curves")->check(CLI::IsMember({"svg", "png"}));
    }

    template <class T>
    CLI::Option* option(const std::string& name, T& value, const std::string& what) {
        return add_option(name, value, what)->capture_default_str();
    }

    /// Where to draw curves of this name.
    std::filesystem::path curves(const std::string& name) const { return out / (name + "." + format); }

    /// Parses the command line and runs the example, which returns whether all went well.
    template <class Example>
    int run(int argc, char** argv, Example example) {
        try {
            parse(argc, argv);
            xtape::set_threads(threads);
            xtape::random::seed(seed);
            std::filesystem::create_directories(out);
            return example() ? 0 : 1;
        } catch (const CLI::ParseError& error) {
            return exit(error);
        } catch (const std::exception& error) {
            std::cerr << error.what() << '\n';
            return 1;
        }
    }
};
