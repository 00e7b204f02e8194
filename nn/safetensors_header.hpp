#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <xtape/nn/safetensors.hpp>

/// The header of a safetensors file, to and from text.
namespace xtape::nn::safetensors {

/// More is refused, as the reference implementation does.
inline constexpr std::uint64_t max_header_bytes = 100'000'000;
/// Bytes before the header.
inline constexpr std::uint64_t length_bytes = 8;

/// The file being read, for errors.
struct Source {
    const std::string& path;
    Where where;

    /// "safetensors: what", file, byte offset, user's line.
    [[noreturn]] void fail(std::uint64_t offset, const std::string& what) const;
};

struct Entry {
    std::string name;
    DType dtype;
    Shape shape;
    std::uint64_t begin;  ///< of its elements, counted from the end of the header
    std::uint64_t end;
    std::uint64_t offset;  ///< of its name in the file
};

struct Header {
    std::vector<Entry> entries;  ///< in the order of their elements, which follow each other without a gap
    Metadata metadata;
};

/// Checks everything there is to check without the elements: afterwards every entry's bytes are its shape's and
/// dtype's, and together they are exactly the `data_bytes` after the header. Throws DataError.
Header parse(const std::string& json, std::uint64_t data_bytes, const Source& source);

/// The header of these arrays in this order, with the spaces that align the elements behind it to 8 bytes.
/// Throws ValueError on text that is not UTF-8.
std::string format(const NamedArrays& tensors, const Metadata& metadata, Where where);

}  // namespace xtape::nn::safetensors
