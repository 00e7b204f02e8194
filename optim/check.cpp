#include <xtape/optim/check.hpp>

#include <cmath>

#include <fmt/format.h>

namespace xtape::optim {

void check(bool ok, const std::string& text, Where where) {
    if (!ok) throw ValueError(text, where);
}

void check_not_negative(const char* what, const char* name, double value, Where where) {
    if (!std::isfinite(value) || value < 0)
        throw ValueError(fmt::format("{}: {} must be finite and not negative: {}", what, name, value), where);
}

void check_range(const char* what, const char* name, double value, double low, double high, Where where) {
    if (!(value >= low && value < high))
        throw ValueError(fmt::format("{}: {} is outside [{}, {}): {}", what, name, low, high, value), where);
}

void check_like(const char* what, const std::string& name, const Array& array, const Array& model, Where where) {
    if (array.shape() != model.shape())
        throw ShapeError(fmt::format("{}: {} is not shaped like its parameter: {} != {}", what, name,
                                     to_string(array.shape()), to_string(model.shape())),
                         where);
    if (array.dtype() != model.dtype())
        throw DtypeError(fmt::format("{}: {} has another dtype than its parameter: {} != {}", what, name,
                                     name_of(array.dtype()), name_of(model.dtype())),
                         where);
}

}  // namespace xtape::optim
