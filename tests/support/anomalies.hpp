#pragma once

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/anomaly.hpp>

/// What tests of NonFiniteError share.
namespace xtape::testing {

/// What f throws; an error of the test when that is nothing.
inline Anomaly caught(const std::function<void()>& f, std::string* text = nullptr) {
    try {
        f();
    } catch (const NonFiniteError& error) {
        if (text) *text = error.what();
        return error.found();
    }
    BOOST_ERROR("nothing was found");
    return {};
}

inline void check_names(const std::vector<Anomaly::Step>& path, const std::vector<std::string>& expected) {
    std::vector<std::string> names;
    for (const auto& step : path) names.push_back(step.operation);
    BOOST_TEST(names == expected, boost::test_tools::per_element());
}

inline void check_place(const Anomaly& found, const std::string& operation, const char* file, int line,
                        const Shape& element) {
    BOOST_TEST(found.operation == operation);
    BOOST_TEST(std::string(found.where.file) == file);
    BOOST_TEST(found.where.line == line);
    BOOST_TEST(found.element == element, to_string(found.element) << " for " << to_string(element));
}

inline void check_contains(const std::string& text, const std::string& part) {
    BOOST_TEST(text.find(part) != std::string::npos, text << " has no " << part);
}

}  // namespace xtape::testing
