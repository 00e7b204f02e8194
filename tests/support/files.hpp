#pragma once

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <sys/resource.h>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/error.hpp>

/// For tests of readers: small files, whole and spoilt.
namespace xtape::testing {

using Bytes = std::vector<std::uint8_t>;

/// A folder that goes with the test.
struct Folder {
    std::filesystem::path path;
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "xtape-test-XXXXXX").string();
        BOOST_REQUIRE(mkdtemp(name.data()));
        path = name;
    }
    ~Folder() { std::filesystem::remove_all(path); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    std::string operator/(const std::string& name) const { return (path / name).string(); }

    std::string write(const std::string& name, const Bytes& bytes) const {
        std::ofstream(path / name, std::ios::binary)
            .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        return *this / name;
    }

    std::string write_text(const std::string& name, const std::string& text) const {
        return write(name, Bytes(text.begin(), text.end()));
    }

    /// The same packed by gzip itself: name.gz.
    std::string write_gzip(const std::string& name, const Bytes& bytes) const {
        write(name, bytes);
        BOOST_REQUIRE(std::system(("gzip '" + (*this / name) + "'").c_str()) == 0);
        return *this / (name + ".gz");
    }
};

/// While it lives, a file can have no more than so many bytes: writing further fails as on a full disk.
class LimitedFiles {
public:
    explicit LimitedFiles(rlim_t bytes) : signal_(std::signal(SIGXFSZ, SIG_IGN)) {
        BOOST_REQUIRE(getrlimit(RLIMIT_FSIZE, &before_) == 0);
        rlimit limited = before_;
        limited.rlim_cur = bytes;
        BOOST_REQUIRE(setrlimit(RLIMIT_FSIZE, &limited) == 0);
    }
    ~LimitedFiles() {
        setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, signal_);
    }
    LimitedFiles(const LimitedFiles&) = delete;
    LimitedFiles& operator=(const LimitedFiles&) = delete;

private:
    void (*signal_)(int);
    rlimit before_{};
};

/// The text of the DataError that f throws; empty when it throws none.
template <class F>
std::string data_error_of(F f) {
    try {
        f();
    } catch (const DataError& error) {
        return error.what();
    }
    return {};
}

/// The same of a write that fails at 1000 bytes.
template <class Write>
std::string error_of_full_disk(Write write) {
    const LimitedFiles limited(1000);
    return data_error_of(write);
}

inline Bytes contents(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(file), {});
}

inline Bytes cut(Bytes bytes, std::size_t size) {
    bytes.resize(size);
    return bytes;
}

inline Bytes joined(Bytes a, const Bytes& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

inline Bytes changed(Bytes bytes, std::size_t position, std::uint8_t value) {
    bytes[position] = value;
    return bytes;
}

/// Checks that reading fails with a text that starts with the file's name and holds every one of the pieces.
template <class Read>
void expect(Read read, const std::string& path, const std::vector<std::string>& pieces) {
    try {
        read();
        BOOST_ERROR(path + ": no error");
    } catch (const DataError& error) {
        const std::string text = error.what();
        BOOST_TEST(text.find(path) == 0u, text);
        for (const std::string& piece : pieces)
            BOOST_TEST(text.find(piece) != std::string::npos, text << " lacks: " << piece);
    }
}

/// The folder that an environment variable names, where real data are; empty, with a word about it, when there is none.
inline std::string folder_of_real_data(const char* variable) {
    const char* folder = std::getenv(variable);
    if (folder && std::filesystem::is_directory(folder)) return folder;
    BOOST_TEST_MESSAGE("skipped: the environment variable " << variable << " names no folder with the real data");
    return {};
}

}  // namespace xtape::testing
