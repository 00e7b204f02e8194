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

Error::Error(const std::string& what, Where where)
    : std::runtime_error(fmt::format("{}\n  recorded at {}", what, to_string(where))) {}

}  // namespace xtape
