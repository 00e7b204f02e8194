#include <xtape/datasets/hdf5.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <mutex>
#include <vector>

#include <fmt/format.h>
#include <hdf5.h>

#include <xtape/datasets/byte_source.hpp>

namespace xtape::datasets {
namespace {

/// The library is not made for several threads unless it was built so, and prints its errors unless told not to.
class Library {
public:
    Library() : lock_(mutex()) {
        H5Eget_auto2(H5E_DEFAULT, &print_, &data_);
        H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    }
    ~Library() { H5Eset_auto2(H5E_DEFAULT, print_, data_); }
    Library(const Library&) = delete;
    Library& operator=(const Library&) = delete;

private:
    static std::mutex& mutex() {
        static std::mutex one;
        return one;
    }

    std::lock_guard<std::mutex> lock_;
    H5E_auto2_t print_ = nullptr;
    void* data_ = nullptr;
};

/// Something of the library's that must be closed; negative when it could not be had.
class Handle {
public:
    Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
    ~Handle() {
        if (id_ >= 0) close_(id_);
    }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

    operator hid_t() const { return id_; }

private:
    hid_t id_;
    herr_t (*close_)(hid_t);
};

/// What the library says about its last failure: where it began.
std::string reason() {
    std::string text;
    const auto first = [](unsigned depth, const H5E_error2_t* error, void* out) -> herr_t {
        if (depth == 0 && error->desc) *static_cast<std::string*>(out) = error->desc;
        return 0;
    };
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, first, &text);
    return text.empty() ? "the library gives no reason" : text;
}

const char* name_of_class(H5T_class_t type) {
    switch (type) {
    case H5T_STRING:
        return "text";
    case H5T_COMPOUND:
        return "records";
    case H5T_ENUM:
        return "an enumeration";
    case H5T_ARRAY:
        return "arrays";
    case H5T_VLEN:
        return "lists";
    default:
        return "something else";
    }
}

/// One dataset of an open file, held against what the file has before anything is read.
class Dataset {
public:
    Dataset(const std::string& path, const std::string& name)
        : path_(path),
          name_(name),
          file_size_(size_of_file()),
          file_(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), &H5Fclose),
          set_(open(), &H5Dclose),
          type_(H5Dget_type(set_), &H5Tclose) {
        check_type();
        read_shape();
        check_storage();
    }

    const Shape& shape() const { return shape_; }
    bool is_integer() const { return H5Tget_class(type_) == H5T_INTEGER; }
    bool is_unsigned() const { return H5Tget_sign(type_) == H5T_SGN_NONE; }

    /// All elements, converted to `type` on the way.
    void read(hid_t type, void* out) const {
        if (shape_.count() > 0 && H5Dread(set_, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) < 0)
            fail("cannot be read: " + reason());
    }

    [[noreturn]] void fail(const std::string& what) const {
        throw DataError(fmt::format("{}: dataset {}: {}", path_, name_, what));
    }

    /// The same about the element at a place of the rows laid end to end.
    [[noreturn]] void fail_at(Index element, const std::string& what) const {
        std::vector<Index> at(static_cast<std::size_t>(shape_.rank()));
        for (Index axis = shape_.rank() - 1; axis >= 0; element /= shape_[axis], --axis)
            at[static_cast<std::size_t>(axis)] = element % shape_[axis];
        fail(fmt::format("element ({}): {}", fmt::join(at, ", "), what));
    }

private:
    std::uint64_t size_of_file() const {
        const auto size = ByteSource::open(path_)->size();
        if (!size) throw DataError(fmt::format("{}: byte 0: is gzip, expected HDF5 (unpack it first)", path_));
        return *size;
    }

    hid_t open() const {
        if (file_ < 0) {
            const std::string why = reason();
            const bool is_hdf5 = H5Fis_hdf5(path_.c_str()) > 0;
            if (!is_hdf5) throw DataError(fmt::format("{}: byte 0: not HDF5: expected its signature", path_));
            throw DataError(fmt::format("{}: byte {}: damaged or cut short: {}", path_, file_size_, why));
        }
        const hid_t set = H5Dopen2(file_, name_.c_str(), H5P_DEFAULT);
        if (set < 0) {
            const std::string why = reason();
            fail(fmt::format("no such dataset, or it is damaged: {}; the file has: {}", why, contents()));
        }
        return set;
    }

    /// The names at the root of the file.
    std::string contents() const {
        H5G_info_t group{};
        H5Gget_info(file_, &group);
        std::vector<std::string> names;
        for (hsize_t i = 0; i < group.nlinks && i < 20; ++i) {
            char name[256];
            if (H5Lget_name_by_idx(file_, "/", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT) >= 0)
                names.emplace_back(name);
        }
        return names.empty() ? "nothing" : fmt::format("{}", fmt::join(names, ", "));
    }

    void check_type() const {
        const H5T_class_t type = H5Tget_class(type_);
        if (type != H5T_INTEGER && type != H5T_FLOAT)
            fail(fmt::format("wrong type: expected integers or floating-point numbers, found {}", name_of_class(type)));
    }

    void read_shape() {
        const Handle space(H5Dget_space(set_), &H5Sclose);
        const int rank = H5Sget_simple_extent_ndims(space);
        if (rank < 0 || H5Sget_simple_extent_type(space) == H5S_NULL) fail("has no shape");
        if (rank > Shape::max_rank) fail(fmt::format("expected at most {} axes, found {}", Shape::max_rank, rank));
        std::vector<hsize_t> sizes(static_cast<std::size_t>(rank));
        H5Sget_simple_extent_dims(space, sizes.data(), nullptr);
        constexpr hsize_t limit = static_cast<hsize_t>(std::numeric_limits<Index>::max()) / sizeof(double);
        hsize_t count = 1;
        for (const hsize_t size : sizes) {
            // The other sizes count even when one is 0, so that no later product of some of them overflows.
            if (size > 0 && count > limit / size)
                fail(fmt::format("absurd sizes ({}): expected at most {} elements", fmt::join(sizes, ", "), limit));
            count *= size > 0 ? size : 1;
        }
        for (const hsize_t size : sizes) shape_.push_back(static_cast<Index>(size));
    }

    /// Whether the file can hold as many elements as the shape promises.
    void check_storage() const {
        if (shape_.count() == 0) return;
        const Handle properties(H5Dget_create_plist(set_), &H5Pclose);
        const H5D_layout_t layout = H5Pget_layout(properties);
        if (layout == H5D_VIRTUAL || H5Pget_external_count(properties) > 0)
            fail("its elements are in other files: not supported");
        const std::uint64_t held = H5Dget_storage_size(set_);
        const std::uint64_t promised = static_cast<std::uint64_t>(shape_.count()) * H5Tget_size(type_);
        // Packed it may be smaller, but deflate packs to no less than a thousandth.
        constexpr std::uint64_t least_packed = 2048, negligible = 1 << 20;
        const bool packed = layout == H5D_CHUNKED;
        if (held > file_size_ || held == 0 ||
            (packed ? held < (promised - std::min(promised, negligible)) / least_packed : held < promised))
            fail(fmt::format("sizes {} promise {} bytes, the file has {} of them", to_string(shape_), promised,
                             std::min(held, file_size_)));
    }

    std::string path_, name_;
    std::uint64_t file_size_;
    Handle file_, set_, type_;
    Shape shape_;
};

}  // namespace

Array read_hdf5(const std::string& path, const std::string& dataset, DType dtype) {
    const Library library;
    const Dataset set(path, dataset);
    Array array = Array::uninitialized(set.shape(), dtype);
    dispatch(dtype, [&](auto tag) {
        using T = decltype(tag);
        set.read(dtype == float32 ? H5T_NATIVE_FLOAT : H5T_NATIVE_DOUBLE, array.mutable_data<T>());
    });
    return array;
}

IntArray read_hdf5_integers(const std::string& path, const std::string& dataset) {
    const Library library;
    const Dataset set(path, dataset);
    const std::vector<std::size_t> sizes(set.shape().begin(), set.shape().end());
    IntArray result = IntArray::from_shape(sizes);
    if (set.is_integer()) {
        set.read(set.is_unsigned() ? H5T_NATIVE_UINT64 : H5T_NATIVE_INT64, result.data());
        for (Index i = 0; set.is_unsigned() && i < set.shape().count(); ++i)
            if (const std::int64_t value = result.data()[i]; value < 0)
                set.fail_at(i, fmt::format("too large: {}", static_cast<std::uint64_t>(value)));
        return result;
    }
    std::vector<double> numbers(result.size());
    set.read(H5T_NATIVE_DOUBLE, numbers.data());
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        if (!(std::abs(numbers[i]) <= 0x1p53) || numbers[i] != std::trunc(numbers[i]))
            set.fail_at(static_cast<Index>(i), fmt::format("expected a whole number, found {}", numbers[i]));
        result.data()[i] = static_cast<std::int64_t>(numbers[i]);
    }
    return result;
}

}  // namespace xtape::datasets
