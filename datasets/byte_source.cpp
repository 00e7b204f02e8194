#include <xtape/datasets/byte_source.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <new>
#include <utility>

#include <fmt/format.h>
#include <zlib.h>

#include <xtape/autograd/error.hpp>

namespace xtape::datasets {
namespace {

namespace fs = std::filesystem;

/// A regular file, read front to back.
class PlainSource final : public ByteSource {
public:
    PlainSource(const std::string& path, std::uint64_t size)
        : path_(path), size_(size), file_(std::fopen(path.c_str(), "rb"), &std::fclose) {
        if (!file_) throw DataError(fmt::format("{}: cannot be opened: {}", path, std::strerror(errno)));
    }

    std::size_t read(std::uint8_t* out, std::size_t count) override {
        const std::size_t got = std::fread(out, 1, count, file_.get());
        offset_ += got;
        if (got < count && std::ferror(file_.get()))
            throw DataError(fmt::format("{}: byte {}: cannot be read: {}", path_, offset_, std::strerror(errno)));
        return got;
    }

    std::optional<std::uint64_t> size() const override { return size_; }
    std::uint64_t offset() const { return offset_; }
    void rewind() {
        std::rewind(file_.get());
        offset_ = 0;
    }

private:
    std::string path_;
    std::uint64_t size_;
    std::uint64_t offset_ = 0;
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

/// gzip (RFC 1952), of one member or several; lengths and CRC are checked where a member ends.
class GzipSource final : public ByteSource {
public:
    GzipSource(const std::string& path, std::unique_ptr<PlainSource> packed) : path_(path), packed_(std::move(packed)) {
        const int gzip_only = 16 + MAX_WBITS;
        if (inflateInit2(&stream_, gzip_only) != Z_OK) throw std::bad_alloc();
    }
    ~GzipSource() override { inflateEnd(&stream_); }
    GzipSource(const GzipSource&) = delete;
    GzipSource& operator=(const GzipSource&) = delete;

    std::size_t read(std::uint8_t* out, std::size_t count) override {
        std::size_t done = 0;
        while (done < count && begin_member()) {
            const auto room = static_cast<uInt>(std::min<std::size_t>(count - done, INT_MAX));
            stream_.next_out = out + done;
            stream_.avail_out = room;
            const int status = inflate(&stream_, Z_NO_FLUSH);
            done += room - stream_.avail_out;
            if (status == Z_STREAM_END) {
                inside_ = false;
                inflateReset(&stream_);
            } else if (status != Z_OK && status != Z_BUF_ERROR) {
                broken(fmt::format("gzip is damaged: {}", stream_.msg ? stream_.msg : zError(status)));
            }
        }
        return done;
    }

    std::optional<std::uint64_t> size() const override { return {}; }

private:
    /// Whether there is something to unpack: refills the buffer, looks for a further member where one has ended.
    bool begin_member() {
        if (!refill()) {
            if (inside_) broken("gzip is cut short: expected more packed bytes or the trailer");
            return false;
        }
        if (!inside_) {
            if (stream_.next_in[0] != 0x1f)
                broken("bytes after the end of the gzip data: expected the end of the file");
            inside_ = true;
        }
        return true;
    }

    bool refill() {
        if (stream_.avail_in == 0) {
            stream_.next_in = buffer_.data();
            stream_.avail_in = static_cast<uInt>(packed_->read(buffer_.data(), buffer_.size()));
        }
        return stream_.avail_in > 0;
    }

    [[noreturn]] void broken(const std::string& what) const {
        throw DataError(fmt::format("{}: packed byte {}: {}", path_, packed_->offset() - stream_.avail_in, what));
    }

    std::string path_;
    std::unique_ptr<PlainSource> packed_;
    z_stream stream_{};
    bool inside_ = true;  // of a member: an empty file is cut short
    std::array<std::uint8_t, 1 << 16> buffer_;
};

}  // namespace

std::unique_ptr<ByteSource> ByteSource::open(const std::string& path) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (!fs::exists(status)) throw DataError(fmt::format("{}: no such file", path));
    if (fs::is_directory(status)) throw DataError(fmt::format("{}: is a directory, expected a file", path));
    if (!fs::is_regular_file(status)) throw DataError(fmt::format("{}: is not a regular file", path));
    const std::uint64_t size = fs::file_size(path, error);
    if (error) throw DataError(fmt::format("{}: its size cannot be read: {}", path, error.message()));

    auto plain = std::make_unique<PlainSource>(path, size);
    std::array<std::uint8_t, 2> magic{};
    const std::size_t got = plain->read(magic.data(), magic.size());
    plain->rewind();
    if (got == 2 && magic[0] == 0x1f && magic[1] == 0x8b) return std::make_unique<GzipSource>(path, std::move(plain));
    if (fs::path(path).extension() == ".gz") {
        const auto found = got < 2 ? fmt::format("{} bytes", got) : fmt::format("0x{:02x}{:02x}", magic[0], magic[1]);
        throw DataError(fmt::format("{}: byte 0: not gzip: expected 0x1f8b, found {}", path, found));
    }
    return plain;
}

std::string plain_or_packed(const std::string& path) {
    std::error_code ignored;
    if (fs::exists(path, ignored)) return path;
    if (const std::string packed = path + ".gz"; fs::exists(packed, ignored)) return packed;
    throw DataError(fmt::format("{}: no such file, nor {}.gz", path, fs::path(path).filename().string()));
}

}  // namespace xtape::datasets
