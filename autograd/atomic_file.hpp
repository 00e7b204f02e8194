#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include <xtape/autograd/error.hpp>

/// How everything here writes files, so that nobody ever finds half of one.
namespace xtape {

/// A file that appears whole or not at all: it is written under a temporary name beside its own, flushed, and renamed over
/// what stood there. One that dies without commit() leaves what stood there as it was and nothing else behind.
///
/// Whatever the system refuses is a DataError: what could not be done, the path, the system's reason.
class AtomicFile {
public:
    /// Creates the temporary file, in a folder that must be there. `where` is the user's line, if it is known.
    explicit AtomicFile(std::filesystem::path path, Where where = {"", 0});
    ~AtomicFile();
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;

    /// The temporary name, for another program or library that writes the file.
    const std::filesystem::path& temporary() const { return temporary_; }

    /// Appends these bytes, none included.
    void write(const void* data, std::size_t bytes);

    /// Flushes to the disk and renames; the last that is done with it. A file that nobody wrote to is an error.
    void commit();

private:
    [[noreturn]] void fail(const char* what, int error) const;

    std::filesystem::path path_;
    std::filesystem::path temporary_;
    Where where_;
    int descriptor_;
    bool written_ = false;
    bool committed_ = false;
};

/// Makes the folders that a file is to stand in. Throws DataError.
void make_folders_of(const std::filesystem::path& path);

/// Writes a text as a whole file, and makes its folders. Throws DataError.
void write_text(const std::filesystem::path& path, const std::string& text);

}  // namespace xtape
