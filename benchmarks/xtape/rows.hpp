#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>

#include <xtape/xtape.hpp>

#include "../serve.hpp"

/// What xtape's rows are made with.
namespace bench {

using Rows = std::map<std::string, Row>;

void add_networks(Rows& rows);
void add_perceptrons(Rows& rows);
void add_operations(Rows& rows);
void add_primitives(Rows& rows);
void add_memory(Rows& rows);

/// numbers(seed, ...) in a shape.
xtape::Array array(std::uint32_t seed, const xtape::Shape& shape, double scale = 1);
/// 0 or 1, in a shape.
xtape::Array bits(std::uint32_t seed, const xtape::Shape& shape);
xtape::IntArray label_array(std::uint32_t seed, std::size_t count, std::uint32_t classes);

void output(const std::string& name, const xtape::Array& values);

}  // namespace bench
