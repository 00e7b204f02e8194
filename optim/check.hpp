#pragma once

#include <string>

#include <xtape/autograd/array.hpp>

/// Checks of arguments that the files of this folder share.
namespace xtape::optim {

/// Throws ValueError with this text unless ok.
void check(bool ok, const std::string& text, Where where);

/// Throws ValueError unless value is finite and >= 0.
void check_not_negative(const char* what, const char* name, double value, Where where);

/// Throws ValueError unless low <= value < high.
void check_range(const char* what, const char* name, double value, double low, double high, Where where);

/// Throws ShapeError or DtypeError unless `array` has the shape and dtype of `model`.
void check_like(const char* what, const std::string& name, const Array& array, const Array& model, Where where);

}  // namespace xtape::optim
