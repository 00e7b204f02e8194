#include <xtape/datasets/idx.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>

#include <fmt/format.h>
#include <zlib.h>

#include <xtape/autograd/atomic_file.hpp>
#include <xtape/datasets/byte_source.hpp>

namespace xtape::datasets {
namespace {

constexpr std::uint32_t unsigned_byte = 0x08;  // the third byte of the magic number: the element type

std::uint32_t big_endian(const std::uint8_t* b) {
    return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
}

std::uint64_t header_size(Index rank) { return 4 + 4 * static_cast<std::uint64_t>(rank); }

class IdxReader {
public:
    IdxReader(const std::string& path, Index rank) : path_(path), rank_(rank), source_(ByteSource::open(path)) {}

    Idx read() {
        Idx idx;
        idx.shape = header();
        idx.bytes = body(static_cast<std::uint64_t>(idx.shape.count()));
        return idx;
    }

private:
    [[noreturn]] void fail(std::uint64_t offset, const std::string& what) const {
        throw DataError(fmt::format("{}: byte {}: {}", path_, offset, what));
    }

    std::uint32_t word(std::uint64_t offset, const char* what) {
        std::array<std::uint8_t, 4> bytes{};
        const std::size_t got = source_->read(bytes.data(), bytes.size());
        if (got < bytes.size())
            fail(offset + got, fmt::format("the header is cut short within the {}: expected {} bytes of header", what,
                                           header_size(rank_)));
        return big_endian(bytes.data());
    }

    Shape header() {
        const std::uint32_t expected = unsigned_byte << 8 | static_cast<std::uint32_t>(rank_);
        const std::uint32_t magic = word(0, "magic number");
        if (magic != expected)
            fail(0,
                 fmt::format("wrong magic number: expected {} (0x{:08x}: unsigned bytes, {} axes), found {} (0x{:08x})",
                             expected, expected, rank_, magic, magic));
        Shape shape;
        std::uint64_t count = 1;
        bool empty = false;
        constexpr auto limit = static_cast<std::uint64_t>(std::numeric_limits<Index>::max()) / sizeof(double);
        for (Index axis = 0; axis < rank_; ++axis) {
            const std::uint32_t size = word(header_size(axis), "sizes");
            shape.push_back(static_cast<Index>(size));
            empty = empty || size == 0;
            // The other sizes count even when one is 0, so that no later product of some of them overflows.
            if (size > 0 && count > limit / size)
                fail(header_size(axis),
                     fmt::format("absurd sizes {}: expected at most {} bytes", to_string(shape), limit));
            count *= std::max(size, std::uint32_t{1});
        }
        if (const auto size = source_->size()) check_size(*size, empty ? 0 : count, shape);
        return shape;
    }

    void check_size(std::uint64_t held, std::uint64_t promised, const Shape& shape) const {
        const std::uint64_t expected = header_size(rank_) + promised;
        if (held < expected)
            fail(held, fmt::format("the body is cut short: expected {} bytes for sizes {}, the file has {}", expected,
                                   to_string(shape), held));
        if (held > expected)
            fail(expected, fmt::format("bytes after the body: expected {} bytes for sizes {}, the file has {}",
                                       expected, to_string(shape), held));
    }

    std::vector<std::uint8_t> body(std::uint64_t count) {
        constexpr std::uint64_t chunk = 1 << 20;
        std::vector<std::uint8_t> bytes;
        while (bytes.size() < count) {
            // The header may promise anything: at most as much again as has come already.
            const std::uint64_t before = bytes.size();
            const std::uint64_t more = std::min(count - before, std::max(chunk, before));
            bytes.resize(static_cast<std::size_t>(before + more));
            const std::size_t got = source_->read(bytes.data() + before, static_cast<std::size_t>(more));
            if (got < more)
                fail(header_size(rank_) + before + got,
                     fmt::format("the body is cut short: expected {} bytes after the header, found {}", count,
                                 before + got));
        }
        std::uint8_t extra = 0;
        if (source_->read(&extra, 1) > 0)  // also makes gzip check its trailer
            fail(header_size(rank_) + count, fmt::format("bytes after the body: expected {} after the header", count));
        return bytes;
    }

    std::string path_;
    Index rank_;
    std::unique_ptr<ByteSource> source_;
};

void write_bytes(const std::string& path, const std::vector<std::uint8_t>& bytes, bool packed) {
    AtomicFile whole(path);
    // "T": zlib writes the bytes as they are.
    std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(whole.temporary().c_str(), packed ? "wb" : "wbT"), &gzclose);
    if (!file) throw DataError(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
    const bool written = gzfwrite(bytes.data(), 1, bytes.size(), file.get()) == bytes.size();
    if (gzclose(file.release()) != Z_OK || !written)
        throw DataError(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
    whole.commit();
}

}  // namespace

Idx read_idx(const std::string& path, Index rank) {
    if (rank < 1 || rank > Shape::max_rank)
        throw ValueError(fmt::format("read_idx: rank must be 1 to {}: {}", Shape::max_rank, rank));
    return IdxReader(path, rank).read();
}

void write_idx(const std::string& path, const Idx& content) {
    // Divides instead of multiplying: a product of sizes may overflow.
    std::size_t left = content.bytes.size();
    bool fits = !content.shape.empty();
    for (Index size : content.shape) {
        if (size < 0 || size > Index{UINT32_MAX})
            throw ShapeError(fmt::format("write_idx: sizes must fit 32 bits: {}", to_string(content.shape)));
        const auto divisor = static_cast<std::size_t>(size);
        fits = fits && (divisor == 0 ? left == 0 : left % divisor == 0);
        if (divisor > 0) left /= divisor;
    }
    const bool empty = content.shape.contains(0);
    if (!fits || left != (empty ? 0u : 1u))
        throw ShapeError(fmt::format("write_idx: {} bytes do not fill the shape {}", content.bytes.size(),
                                     to_string(content.shape)));
    std::vector<std::uint8_t> bytes{0, 0, unsigned_byte, static_cast<std::uint8_t>(content.shape.rank())};
    for (Index size : content.shape)
        for (int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<std::uint8_t>(size >> shift));
    bytes.insert(bytes.end(), content.bytes.begin(), content.bytes.end());
    write_bytes(path, bytes, path.size() >= 3 && path.compare(path.size() - 3, 3, ".gz") == 0);
}

Variable read_idx_images(const std::string& path) {
    const Idx idx = read_idx(path, 3);
    Array images = Array::uninitialized({idx.shape[0], 1, idx.shape[1], idx.shape[2]}, float32);
    std::transform(idx.bytes.begin(), idx.bytes.end(), images.mutable_data<float>(), to_unit);
    return images;
}

IntArray read_idx_labels(const std::string& path, Index classes) {
    const Idx idx = read_idx(path, 1);
    const auto wrong = std::find_if(idx.bytes.begin(), idx.bytes.end(), [&](Index label) { return label >= classes; });
    if (wrong != idx.bytes.end())
        throw DataError(fmt::format("{}: byte {}: label out of range: expected 0 to {}, found {}", path,
                                    8 + (wrong - idx.bytes.begin()), classes - 1, *wrong));
    IntArray labels = IntArray::from_shape({idx.bytes.size()});
    std::copy(idx.bytes.begin(), idx.bytes.end(), labels.begin());
    return labels;
}

}  // namespace xtape::datasets
