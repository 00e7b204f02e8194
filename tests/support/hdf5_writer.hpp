#pragma once

#include <string>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <hdf5.h>

namespace xtape::testing {

using Sizes = std::vector<hsize_t>;

/// An HDF5 file under construction, by the C library itself.
class Hdf5Writer {
public:
    explicit Hdf5Writer(std::string path)
        : path_(std::move(path)), file_(H5Fcreate(path_.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT)) {
        BOOST_REQUIRE(file_ >= 0);
    }
    Hdf5Writer(const Hdf5Writer&) = delete;
    Hdf5Writer& operator=(const Hdf5Writer&) = delete;

    /// Elements of `stored` type from memory of `native` type; `packed` in chunks by deflate.
    Hdf5Writer& add(const std::string& name, hid_t stored, const Sizes& sizes, hid_t native, const void* data,
                    const Sizes& packed = {}) {
        const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
        if (!packed.empty()) {
            H5Pset_chunk(properties, static_cast<int>(packed.size()), packed.data());
            H5Pset_deflate(properties, 9);
        }
        const hid_t space = H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr);
        const hid_t set = H5Dcreate2(file_, name.c_str(), stored, space, H5P_DEFAULT, properties, H5P_DEFAULT);
        BOOST_REQUIRE(set >= 0);
        if (data) BOOST_REQUIRE(H5Dwrite(set, native, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
        H5Dclose(set);
        H5Sclose(space);
        H5Pclose(properties);
        return *this;
    }

    Hdf5Writer& group(const std::string& name) {
        H5Gclose(H5Gcreate2(file_, name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
        return *this;
    }

    /// Finishes the file and gives its path.
    std::string close() {
        H5Fclose(file_);
        return path_;
    }

private:
    std::string path_;
    hid_t file_;
};

}  // namespace xtape::testing
