#pragma once

#include <stdexcept>
#include <string>

namespace xtape {

/// The place in the user's program that called an operation; filled in by a default argument.
struct Where {
    const char* file;
    int line;

    static constexpr Where here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
        return {file, line};
    }
};

/// "model.cpp:31": the file without its folders.
std::string to_string(Where where);

/// Base of everything xtape throws: the condition first, then the numbers, then the user's line.
class Error : public std::runtime_error {
public:
    explicit Error(const std::string& what) : std::runtime_error(what) {}
    Error(const std::string& what, Where where);
};

/// Shapes, axes, sizes or indices that do not fit together.
class ShapeError : public Error {
    using Error::Error;
};

/// Arrays of different element types met, or an element type was asked for that the array does not have.
class DtypeError : public Error {
    using Error::Error;
};

/// A gradient was asked for that the tape cannot give: a constant, a tape already freed, a wrong seed.
class TapeError : public Error {
    using Error::Error;
};

/// An argument is outside its range: a negative rate, a probability above one, an unknown name.
class ValueError : public Error {
    using Error::Error;
};

/// A file is missing, malformed or cut short; the text names the file, the byte offset and what was expected.
class DataError : public Error {
    using Error::Error;
};

}  // namespace xtape
