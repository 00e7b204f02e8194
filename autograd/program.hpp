#pragma once

#include <filesystem>
#include <string>
#include <vector>

/// Programs that draw for us, and the files that they and we write.
namespace xtape {

/// Runs a program that is looked up in PATH, with `input` as its standard input; files rather than pipes, so that neither side
/// can wait for the other. False when it is not installed. Throws DataError with its words when it fails.
bool run_program(const std::vector<std::string>& command, const std::string& input);

/// Writes a whole file, through a temporary name, and makes its folder. Throws DataError.
void write_text(const std::filesystem::path& path, const std::string& text);

/// For whoever has a file written by somebody else: makes its folder and returns a name beside it to write to, which
/// put_in_place then renames. Throw DataError.
std::filesystem::path unfinished(const std::filesystem::path& path);
void put_in_place(const std::filesystem::path& unfinished, const std::filesystem::path& path);

}  // namespace xtape
