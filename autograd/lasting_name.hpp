#pragma once

#include <string>

namespace xtape::detail {

/// The same text, kept for ever: what a node may be called, which may live as long as the program. Throws ValueError when it
/// is empty.
const char* lasting_name(const std::string& name);

/// Whether that gave it, by its address: an operation of the user's own may share its name's text with one of the library's.
bool is_lasting_name(const char* name);

}  // namespace xtape::detail
