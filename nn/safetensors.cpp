#include <xtape/nn/safetensors.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <xtape/autograd/atomic_file.hpp>
#include <xtape/nn/safetensors_header.hpp>

namespace xtape::nn {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors files hold little-endian numbers");

namespace {

[[noreturn]] void throw_system(const char* what, const std::string& path, Where where) {
    throw DataError(fmt::format("safetensors: cannot {} {}: {}", what, path, std::strerror(errno)), where);
}

/// A file that is read.
class File {
public:
    explicit File(const std::string& path) : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
    ~File() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    explicit operator bool() const { return descriptor_ >= 0; }
    int descriptor() const { return descriptor_; }

    /// Bytes read, fewer than asked for only at the file's end; -1 on failure.
    std::int64_t read(void* data, std::size_t bytes) {
        char* at = static_cast<char*>(data);
        while (bytes > 0) {
            const ssize_t got = ::read(descriptor_, at, bytes);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return -1;
            if (got == 0) break;
            at += got;
            bytes -= static_cast<std::size_t>(got);
        }
        return at - static_cast<char*>(data);
    }

private:
    int descriptor_;
};

template <class F>
decltype(auto) with_bytes(const Array& array, F&& f) {
    const auto bytes = static_cast<std::size_t>(array.size()) * size_of(array.dtype());
    return dispatch(array.dtype(),
                    [&](auto tag) { return f(const_cast<Array&>(array).mutable_data<decltype(tag)>(), bytes); });
}

void check_names(const NamedArrays& tensors, Where where) {
    std::set<std::string> known;
    for (const auto& [name, array] : tensors) {
        if (name == "__metadata__") throw ValueError("save: an array cannot be called __metadata__", where);
        if (!array) throw ValueError(fmt::format("save: \"{}\" has no value", name), where);
        if (!known.insert(name).second) throw ValueError(fmt::format("save: \"{}\" comes twice", name), where);
    }
}

}  // namespace

void save_tensors(const NamedArrays& tensors, const std::string& path, const Metadata& metadata, Where where) {
    check_names(tensors, where);
    NamedArrays ordered = tensors;  // wider elements first, so that all of them are aligned
    std::stable_partition(ordered.begin(), ordered.end(), [](const auto& t) { return t.second.dtype() == float64; });
    const std::string header = safetensors::format(ordered, metadata, where);
    if (header.size() > safetensors::max_header_bytes)
        throw ValueError(fmt::format("save: names and metadata take {} bytes, more than {}", header.size(),
                                     safetensors::max_header_bytes),
                         where);

    AtomicFile file(path, where);
    const std::uint64_t length = header.size();
    file.write(&length, sizeof length);
    file.write(header.data(), header.size());
    for (const auto& [name, array] : ordered)
        with_bytes(array, [&](const void* data, std::size_t bytes) { file.write(data, bytes); });
    file.commit();
}

TensorFile load_tensors(const std::string& path, Where where) {
    using namespace safetensors;
    File file(path);
    struct stat status = {};
    if (!file || ::fstat(file.descriptor(), &status) != 0) throw_system("open", path, where);
    if (!S_ISREG(status.st_mode)) throw DataError(fmt::format("safetensors: {} is not a file", path), where);

    const Source source{path, where};
    const auto size = static_cast<std::uint64_t>(status.st_size);
    std::uint64_t offset = 0;
    const auto read = [&](void* data, std::uint64_t bytes) {
        const std::int64_t got = file.read(data, bytes);
        if (got < 0) throw_system("read", path, where);
        if (static_cast<std::uint64_t>(got) != bytes)
            source.fail(offset, fmt::format("the file ended while it was read: {} of {} bytes", got, bytes));
        offset += bytes;
    };

    if (size < length_bytes)
        source.fail(0, fmt::format("the file must begin with the header's length, 8 bytes: it has {}", size));
    std::uint64_t header_bytes = 0;
    read(&header_bytes, length_bytes);
    if (header_bytes > size - length_bytes)
        source.fail(
            0, fmt::format("the header is longer than the file: {} > {} bytes", header_bytes, size - length_bytes));
    if (header_bytes > max_header_bytes)
        source.fail(0, fmt::format("the header is too long: {} > {} bytes", header_bytes, max_header_bytes));
    std::string json(header_bytes, ' ');
    read(json.data(), header_bytes);
    Header header = parse(json, size - length_bytes - header_bytes, source);

    TensorFile result;
    result.metadata = std::move(header.metadata);
    for (Entry& entry : header.entries) {
        const Array array = Array::uninitialized(entry.shape, entry.dtype);
        with_bytes(array, [&](void* data, std::size_t bytes) { read(data, bytes); });
        result.tensors.emplace_back(std::move(entry.name), array);
    }
    return result;
}

}  // namespace xtape::nn
