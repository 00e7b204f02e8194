#pragma once

#include <initializer_list>
#include <string>

#include <boost/test/unit_test.hpp>

/// For tests of what users read when they made a mistake.
namespace xtape::testing {

/// Runs f, which must throw an E that has all these parts and names this line of the file.
template <class E, class F>
void expect(F f, const std::string& file, int line, std::initializer_list<const char*> parts) {
    const std::string where = "\n  recorded at " + file.substr(file.rfind('/') + 1) + ":" + std::to_string(line);
    try {
        f();
    } catch (const E& error) {
        const std::string text = error.what();
        for (const char* part : parts) BOOST_TEST(text.find(part) != std::string::npos, part << " is not in: " << text);
        BOOST_TEST(text.find(where) != std::string::npos, where << " is not in: " << text);
        return;
    } catch (const std::exception& error) {
        BOOST_ERROR("line " << line << ": another error: " << error.what());
        return;
    }
    BOOST_ERROR("line " << line << ": no error");
}

}  // namespace xtape::testing

/// The expression throws an error of this type that says the parts, which stand in braces, and the line of this macro.
#define EXPECT(type, expression, ...)                                                                                  \
    xtape::testing::expect<type>([&] { (void)(expression); }, __FILE__, __LINE__, __VA_ARGS__)
