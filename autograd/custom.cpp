#include <xtape/autograd/custom.hpp>

#include <fmt/format.h>

namespace xtape::detail {

void check_custom_argument(const char* name, std::size_t argument, const Variable& x, Where where) {
    if (!x) throw ValueError(fmt::format("{}: argument {} has no value", name, argument + 1), where);
}

Array check_custom_result(const char* name, Variable y, Where where) {
    if (!y) throw ValueError(fmt::format("{}: forward returned nothing", name), where);
    return std::move(y).array();
}

Variable check_custom_gradient(const char* name, std::size_t argument, Variable gradient, Where where) {
    if (!gradient)
        throw ValueError(fmt::format("{}: the rule of argument {} returned nothing", name, argument + 1), where);
    return gradient;
}

}  // namespace xtape::detail
