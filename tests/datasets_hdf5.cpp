#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <hdf5.h>

#include <xtape/datasets/hdf5.hpp>

#include "support/files.hpp"
#include "support/hdf5_writer.hpp"

using namespace xtape;
using namespace xtape::datasets;
using namespace xtape::testing;

namespace {

using Writer = Hdf5Writer;

const std::uint8_t pixels[24] = {0,  1,  2,  3,  4,  5,  6,  7,   8,   9,   10,  11,
                                 12, 13, 14, 15, 16, 17, 18, 250, 251, 252, 253, 255};
const double classes[3] = {0, 1, 1};

/// A file such as the cats and dogs are in.
std::string sample(const Folder& folder) {
    return Writer(folder / "sample.hdf5")
        .add("X_train", H5T_STD_U8LE, {2, 3, 4}, H5T_NATIVE_UINT8, pixels)
        .add("Y_train", H5T_IEEE_F64LE, {3, 1}, H5T_NATIVE_DOUBLE, classes)
        .close();
}

void expect_numbers(const std::string& path, const std::string& dataset, const std::vector<std::string>& pieces) {
    expect([&] { read_hdf5(path, dataset); }, path, pieces);
}

void expect_integers(const std::string& path, const std::string& dataset, const std::vector<std::string>& pieces) {
    expect([&] { read_hdf5_integers(path, dataset); }, path, pieces);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(datasets_hdf5)

BOOST_AUTO_TEST_CASE(images_and_labels) {
    const Folder folder;
    const std::string path = sample(folder);
    for (const DType dtype : {float32, float64}) {
        const Array x = read_hdf5(path, "X_train", dtype);
        BOOST_TEST((x.shape() == Shape{2, 3, 4}));
        BOOST_TEST((x.dtype() == dtype));
        for (Index i = 0; i < 24; ++i) BOOST_TEST(x.at(i) == pixels[i]);
    }
    const Array y = read_hdf5(path, "Y_train");
    BOOST_TEST((y.shape() == Shape{3, 1}));
    BOOST_TEST((y.dtype() == float32));
    const IntArray labels = read_hdf5_integers(path, "Y_train");
    BOOST_TEST((labels.dimension() == 2u && labels.size() == 3u));
    for (std::size_t i = 0; i < 3; ++i) BOOST_TEST(labels(i, 0) == static_cast<std::int64_t>(classes[i]));
    const IntArray bytes = read_hdf5_integers(path, "X_train");
    BOOST_TEST(bytes.dimension() == 3u);
    BOOST_TEST(bytes(1, 2, 3) == 255);
}

BOOST_AUTO_TEST_CASE(every_kind_of_number) {
    const Folder folder;
    const std::int64_t whole[4] = {-5, 0, 7, 100};
    const double broken[4] = {-1.5, 0, 0.25, 1e30};
    Writer writer(folder / "kinds.h5");
    const std::vector<std::pair<std::string, hid_t>> integers{{"i8", H5T_STD_I8LE},   {"i16be", H5T_STD_I16BE},
                                                              {"i32", H5T_STD_I32LE}, {"i32be", H5T_STD_I32BE},
                                                              {"i64", H5T_STD_I64LE}, {"i64be", H5T_STD_I64BE}};
    const std::vector<std::pair<std::string, hid_t>> floats{
        {"f32", H5T_IEEE_F32LE}, {"f32be", H5T_IEEE_F32BE}, {"f64", H5T_IEEE_F64LE}, {"f64be", H5T_IEEE_F64BE}};
    for (const auto& [name, type] : integers) writer.add(name, type, {4}, H5T_NATIVE_INT64, whole);
    for (const auto& [name, type] : floats) writer.add(name, type, {4}, H5T_NATIVE_DOUBLE, broken);
    const std::string path = writer.close();
    for (const auto& [name, type] : integers) {
        const IntArray read = read_hdf5_integers(path, name);
        const Array converted = read_hdf5(path, name, float64);
        for (std::size_t i = 0; i < 4; ++i) {
            BOOST_TEST(read(i) == whole[i]);
            BOOST_TEST(converted.at(static_cast<Index>(i)) == static_cast<double>(whole[i]));
        }
    }
    for (const auto& [name, type] : floats)
        for (Index i = 0; i < 4; ++i)
            BOOST_TEST(static_cast<float>(read_hdf5(path, name, float64).at(i)) == static_cast<float>(broken[i]));
}

BOOST_AUTO_TEST_CASE(any_rank_group_and_packing) {
    const Folder folder;
    std::vector<float> numbers(256);
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i) / 8;
    Writer writer(folder / "ranks.h5");
    writer.add("scalar", H5T_IEEE_F32LE, {}, H5T_NATIVE_FLOAT, numbers.data() + 3)
        .add("eight", H5T_IEEE_F32LE, Sizes(8, 2), H5T_NATIVE_FLOAT, numbers.data())
        .add("nine", H5T_IEEE_F32LE, Sizes(9, 1), H5T_NATIVE_FLOAT, numbers.data())
        .add("none", H5T_IEEE_F32LE, {0, 28}, H5T_NATIVE_FLOAT, numbers.data())
        .add("packed", H5T_IEEE_F32LE, {16, 16}, H5T_NATIVE_FLOAT, numbers.data(), {5, 7})
        .group("inner")
        .add("inner/set", H5T_IEEE_F32LE, {1}, H5T_NATIVE_FLOAT, numbers.data() + 8);
    const std::string path = writer.close();
    BOOST_TEST((read_hdf5(path, "scalar").shape() == Shape{}));
    BOOST_TEST(read_hdf5(path, "scalar").at(0) == 0.375);
    BOOST_TEST((read_hdf5(path, "eight").shape() == Shape::filled(8, 2)));
    BOOST_TEST((read_hdf5(path, "none").shape() == Shape{0, 28}));
    BOOST_TEST(read_hdf5(path, "inner/set").at(0) == 1);
    for (const char* name : {"eight", "packed"})
        for (Index i = 0; i < 256; ++i) BOOST_TEST(read_hdf5(path, name).at(i) == static_cast<double>(i) / 8);
    expect_numbers(path, "nine", {"dataset nine:", "at most 8 axes", "found 9"});
    expect_numbers(path, "inner", {"dataset inner:", "no such dataset"});
}

BOOST_AUTO_TEST_CASE(missing_file_or_dataset) {
    const Folder folder;
    expect_numbers(folder / "nowhere.h5", "x", {"no such file"});
    expect_numbers(folder.path.string(), "x", {"is a directory"});
    const std::string path = sample(folder);
    expect_numbers(path, "X_test", {"dataset X_test:", "no such dataset", "the file has: X_train, Y_train"});
    expect_integers(path, "a/b/c", {"dataset a/b/c:", "no such dataset"});
    expect_numbers(path, "", {"no such dataset"});
}

BOOST_AUTO_TEST_CASE(wrong_type) {
    const Folder folder;
    const hid_t text = H5Tcopy(H5T_C_S1), record = H5Tcreate(H5T_COMPOUND, 8);
    H5Tset_size(text, 4);
    H5Tinsert(record, "a", 0, H5T_NATIVE_INT32);
    H5Tinsert(record, "b", 4, H5T_NATIVE_INT32);
    const std::string path = Writer(folder / "types.h5")
                                 .add("names", text, {2}, text, "cat\0dog")
                                 .add("records", record, {1}, record, "01234567")
                                 .close();
    H5Tclose(text);
    H5Tclose(record);
    expect_numbers(path, "names", {"dataset names:", "wrong type", "found text"});
    expect_integers(path, "records", {"dataset records:", "wrong type", "found records"});
}

BOOST_AUTO_TEST_CASE(numbers_that_are_no_integers) {
    const Folder folder;
    const double broken[4] = {1, 2, 2.5, 4}, huge[1] = {1e300}, none[1] = {NAN};
    const std::uint64_t large[2] = {1, 1ull << 63};
    const std::string path = Writer(folder / "integers.h5")
                                 .add("broken", H5T_IEEE_F64LE, {2, 2}, H5T_NATIVE_DOUBLE, broken)
                                 .add("huge", H5T_IEEE_F64LE, {1}, H5T_NATIVE_DOUBLE, huge)
                                 .add("none", H5T_IEEE_F64LE, {1}, H5T_NATIVE_DOUBLE, none)
                                 .add("large", H5T_STD_U64LE, {2}, H5T_NATIVE_UINT64, large)
                                 .close();
    expect_integers(path, "broken", {"dataset broken:", "element (1, 0)", "expected a whole number", "2.5"});
    expect_integers(path, "huge", {"element (0)", "expected a whole number"});
    expect_integers(path, "none", {"element (0)", "expected a whole number"});
    expect_integers(path, "large", {"element (1)", "too large", "9223372036854775808"});
}

BOOST_AUTO_TEST_CASE(no_hdf5) {
    const Folder folder;
    expect_numbers(folder.write("empty", {}), "x", {"byte 0:", "not HDF5"});
    expect_numbers(folder.write_text("text.h5", "a,b\n1,2\n"), "x", {"byte 0:", "not HDF5"});
    expect_numbers(folder.write_gzip("packed", contents(sample(folder))), "X_train", {"byte 0:", "gzip"});
}

BOOST_AUTO_TEST_CASE(cut_short_anywhere) {
    const Folder folder;
    const Bytes whole = contents(sample(folder));
    for (std::size_t size = 8; size < whole.size(); size += 61) {
        const std::string path = folder.write("cut.h5", cut(whole, size));
        expect_numbers(path, "X_train", {"byte " + std::to_string(size) + ":", "cut short"});
    }
}

BOOST_AUTO_TEST_CASE(sizes_that_the_file_cannot_hold) {
    const Folder folder;
    const hsize_t many = hsize_t{1} << 40;
    Writer writer(folder / "sizes.h5");
    // Chunks and elements are laid down only when they are written: these promise and hold nothing.
    writer.add("absent", H5T_STD_U8LE, {many}, H5T_NATIVE_UINT8, nullptr, {1024})
        .add("absurd", H5T_STD_U8LE, {many, many}, H5T_NATIVE_UINT8, nullptr, {1024, 1024})
        .add("zero", H5T_STD_U8LE, {0, many, many}, H5T_NATIVE_UINT8, nullptr, {1, 1024, 1024})
        .add("unwritten", H5T_STD_U8LE, {4}, H5T_NATIVE_UINT8, nullptr);
    const std::string path = writer.close();
    expect_numbers(path, "absent", {"dataset absent:", "sizes (1099511627776,) promise", "has 0"});
    expect_numbers(path, "absurd", {"dataset absurd:", "absurd sizes (1099511627776, 1099511627776)"});
    expect_numbers(path, "zero", {"absurd sizes (0, 1099511627776, 1099511627776)"});
    expect_integers(path, "unwritten", {"sizes (4,) promise 4 bytes", "has 0"});
}

BOOST_AUTO_TEST_CASE(sizes_changed_in_the_file) {
    const Folder folder;
    std::vector<std::uint8_t> numbers(64);
    const std::string path =
        Writer(folder / "small.h5").add("x", H5T_STD_U8LE, {3, 21}, H5T_NATIVE_UINT8, numbers.data()).close();
    Bytes bytes = contents(path);
    // The dataspace is stored as two little-endian words of 8 bytes.
    const Bytes sizes{3, 0, 0, 0, 0, 0, 0, 0, 21, 0, 0, 0, 0, 0, 0, 0};
    const auto found = std::search(bytes.begin(), bytes.end(), sizes.begin(), sizes.end());
    BOOST_REQUIRE(found != bytes.end());
    found[4] = 1;  // 3 + 2^32 rows
    expect_numbers(folder.write("large.h5", bytes), "x", {"dataset x:", "(4294967299, 21)", "promise"});
}

BOOST_AUTO_TEST_CASE(damaged_packing) {
    const Folder folder;
    std::vector<float> numbers(4096);
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i * i % 977);
    const std::string path =
        Writer(folder / "packed.h5").add("x", H5T_IEEE_F32LE, {4096}, H5T_NATIVE_FLOAT, numbers.data(), {4096}).close();
    Bytes bytes = contents(path);
    const Bytes head{0x78, 0xda};  // zlib's, at the highest level
    const auto found = std::search(bytes.begin(), bytes.end(), head.begin(), head.end());
    BOOST_REQUIRE(found != bytes.end());
    std::fill_n(found + 20, 40, std::uint8_t{0xff});
    expect_numbers(folder.write("damaged.h5", bytes), "x", {"dataset x:", "cannot be read"});
}

BOOST_AUTO_TEST_CASE(cats_and_dogs) {
    const std::string folder = folder_of_real_data("XTAPE_CATDOG");
    if (folder.empty()) return;
    struct Part {
        std::string file, x, y;
        Index count;
    };
    for (const Part& part :
         {Part{"/trainset.hdf5", "X_train", "Y_train", 1000}, Part{"/testset.hdf5", "X_test", "Y_test", 200}}) {
        const Array x = read_hdf5(folder + part.file, part.x);
        BOOST_TEST((x.shape() == Shape{part.count, 64, 64}));
        double greatest = 0;
        for (Index i = 0; i < x.size(); ++i) greatest = std::max(greatest, x.at(i));
        BOOST_TEST(greatest == 254);
        // Elements lie in a block from byte 2048 on.
        const Bytes bytes = contents(folder + part.file);
        for (Index i = 0; i < x.size(); i += 997) BOOST_TEST(x.at(i) == bytes[static_cast<std::size_t>(2048 + i)]);

        const IntArray y = read_hdf5_integers(folder + part.file, part.y);
        BOOST_TEST(y.size() == static_cast<std::size_t>(part.count));
        Index dogs = 0;
        for (const std::int64_t label : y) dogs += label;
        BOOST_TEST(2 * dogs == part.count);
    }
}

BOOST_AUTO_TEST_SUITE_END()
