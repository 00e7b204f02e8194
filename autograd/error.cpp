#include <xtape/autograd/error.hpp>

#include <cstring>

#include <fmt/format.h>

namespace xtape {

namespace {

const char* base_name(const char* path) {
    const char* slash = std::strrchr(path, '/');
    return slash ? slash + 1 : path;
}

}  // namespace

std::string to_string(Where where) { return fmt::format("{}:{}", base_name(where.file), where.line); }

/// Where no line of the user's is known, the place is left out.
Error::Error(const std::string& what, Where where)
    : std::runtime_error(where.line > 0 ? fmt::format("{}\n  recorded at {}", what, to_string(where)) : what) {}

}  // namespace xtape
