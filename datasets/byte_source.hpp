#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace xtape::datasets {

/// The bytes of a file one after the other, unpacked when it is gzip.
class ByteSource {
public:
    /// Opens a plain file, or a gzip one by its first two bytes. Throws DataError when it is missing or no regular
    /// file, or is named .gz without being gzip.
    static std::unique_ptr<ByteSource> open(const std::string& path);
    virtual ~ByteSource() = default;

    /// Up to `count` further bytes; fewer only at the end, where everything has been checked. Throws DataError.
    virtual std::size_t read(std::uint8_t* out, std::size_t count) = 0;

    /// How many bytes there are in all, when that is known beforehand.
    virtual std::optional<std::uint64_t> size() const = 0;
};

/// The file of that name, or the same with .gz behind it, whichever is there. Throws DataError.
std::string plain_or_packed(const std::string& path);

}  // namespace xtape::datasets
