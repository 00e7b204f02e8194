#pragma once

#include <string>

namespace xtape::detail {

/// The same text, kept for ever: what a node may be called, which may live as long as the program. Throws ValueError when it
/// is empty.
const char* lasting_name(const std::string& name);

}  // namespace xtape::detail
