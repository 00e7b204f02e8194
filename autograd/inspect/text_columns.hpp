#pragma once

#include <string>
#include <vector>

#include <xtape/autograd/error.hpp>

/// Text of tables.
namespace xtape::inspect::text {

/// A table in columns of text: the first row is the head, with a rule below it; '<' or '>' for each column says to which side
/// it is set. `rules` are rows that a rule stands before.
std::string columns(const std::vector<std::vector<std::string>>& rows, const std::string& sides,
                    const std::vector<std::size_t>& rules = {});

/// "24 B", "1.5 kB", "12.3 MB": powers of 1000.
std::string bytes_text(double bytes);

/// "net.cpp:12", without folders; empty where there is no line.
std::string place_text(Where where);

/// Number of characters of a UTF-8 text.
std::size_t width_of(const std::string& text);

}  // namespace xtape::inspect::text
