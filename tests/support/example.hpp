#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <string>

#include <boost/test/unit_test.hpp>

#include "files.hpp"

/// For tests that run the examples as a user runs them; their folder is XTAPE_EXAMPLES.
namespace xtape::testing {

inline bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

inline std::string text_of(const std::string& path) {
    const Bytes bytes = contents(path);
    return {bytes.begin(), bytes.end()};
}

/// What an example printed, its errors too, how it ended and what it left behind.
struct Run {
    Folder folder;
    int status;
    std::string text;

    Run(const std::string& program, const std::string& arguments) {
        const std::string log = folder / "log";
        const std::string command = "'" XTAPE_EXAMPLES "/" + program + "' " + arguments + " --out '" +
                                    (folder / "out") + "' > '" + log + "' 2>&1";
        status = std::system(command.c_str());
        text = text_of(log);
    }

    std::string last_line() const {
        const std::size_t end = text.find_last_not_of('\n') + 1, begin = text.substr(0, end).rfind('\n') + 1;
        return text.substr(begin, end - begin);
    }
    /// The first group of a pattern in the text, as a number.
    double number(const std::string& pattern) const {
        std::smatch found;
        const bool there = std::regex_search(text, found, std::regex(pattern));
        BOOST_TEST(there, pattern << " is not in: " << text);
        return there ? std::stod(found[1]) : -1;
    }
    std::string file(const std::string& name) const { return text_of(folder / ("out/" + name)); }
    /// Whether a picture was drawn, or its numbers written where gnuplot is not installed.
    bool drew(const std::string& name) const {
        const std::filesystem::path picture = folder / ("out/" + name);
        std::filesystem::path numbers = picture;
        return std::filesystem::exists(picture) || std::filesystem::exists(numbers.replace_extension(".csv"));
    }
};

inline long lines(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

inline boost::test_tools::assertion_result examples_are_built(boost::unit_test::test_unit_id) {
    boost::test_tools::assertion_result built(std::filesystem::exists(XTAPE_EXAMPLES "/custom_loss"));
    built.message() << "the examples are not built";
    return built;
}

}  // namespace xtape::testing
