#pragma once

#include <string>
#include <vector>

/// Programs that draw for us.
namespace xtape {

/// Runs a program that is looked up in PATH, with `input` as its standard input; files rather than pipes, so that neither side
/// can wait for the other. False when it is not installed. Throws DataError with its words when it fails.
bool run_program(const std::vector<std::string>& command, const std::string& input);

}  // namespace xtape
