#include <xtape/autograd/atomic_file.hpp>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace xtape {

namespace {

/// The folder's entry is flushed too; some file systems cannot, and then it is written a little later.
void flush_folder_of(const std::filesystem::path& path) {
    const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
    const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return;
    ::fsync(descriptor);
    ::close(descriptor);
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path, Where where) : path_(std::move(path)), where_(where) {
    static std::atomic<unsigned> count{0};
    do {  // a name may be left over from a process that was killed
        temporary_ = fmt::format("{}.{}-{}.part", path_.string(), ::getpid(), count++);
        descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (descriptor_ < 0 && errno == EEXIST);
    if (descriptor_ < 0) fail("create", errno);
}

AtomicFile::~AtomicFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!committed_) ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, std::size_t bytes) {
    written_ = true;
    for (const char* at = static_cast<const char*>(data); bytes > 0;) {
        const ssize_t written = ::write(descriptor_, at, bytes);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) fail("write", errno);
        at += written;
        bytes -= static_cast<std::size_t>(written);
    }
}

void AtomicFile::commit() {
    struct stat status = {};  // of the name: another program may have put a file of its own there
    if (::stat(temporary_.c_str(), &status) != 0) fail("write", errno);
    if (!written_ && status.st_size == 0)
        throw DataError(fmt::format("cannot write {}: nothing was written to it", path_.string()), where_);
    if (::fsync(descriptor_) != 0 || ::close(std::exchange(descriptor_, -1)) != 0) fail("write", errno);
    if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail("write", errno);
    committed_ = true;
    flush_folder_of(path_);
}

void AtomicFile::fail(const char* what, int error) const {
    throw DataError(fmt::format("cannot {} {}: {}", what, path_.string(), std::system_category().message(error)),
                    where_);
}

void make_folders_of(const std::filesystem::path& path) {
    if (!path.has_parent_path()) return;
    std::error_code failure;
    std::filesystem::create_directories(path.parent_path(), failure);
    if (failure)
        throw DataError(fmt::format("cannot make the folder {}: {}", path.parent_path().string(), failure.message()));
}

void write_text(const std::filesystem::path& path, const std::string& text) {
    make_folders_of(path);
    AtomicFile file(path);
    file.write(text.data(), text.size());
    file.commit();
}

}  // namespace xtape
