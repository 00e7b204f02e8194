#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/datasets/idx.hpp>
#include <xtape/datasets/image_set.hpp>

#include "support/files.hpp"

using namespace xtape;
using namespace xtape::datasets;
using namespace xtape::testing;
namespace fs = std::filesystem;

namespace {

/// Two images of 2 x 3, byte by byte as the format says.
const Bytes images{0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 0, 1, 2, 3, 4, 5, 250, 251, 252, 253, 254, 255};
const Bytes labels{0, 0, 8, 1, 0, 0, 0, 2, 7, 9};

/// The same packed by zlib through write_idx, which another test compares with `images`.
Bytes packed_images(const Folder& folder) {
    write_idx(folder / "packed.gz", {{2, 2, 3}, Bytes(images.begin() + 16, images.end())});
    return contents(folder / "packed.gz");
}

void expect_images(const std::string& path, const std::vector<std::string>& pieces) {
    expect([&] { read_idx_images(path); }, path, pieces);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(datasets_idx)

BOOST_AUTO_TEST_CASE(reads_images_and_labels) {
    const Folder folder;
    const Variable x = read_idx_images(folder.write("images", images));
    BOOST_TEST((x.shape() == Shape{2, 1, 2, 3}));
    BOOST_TEST((x.dtype() == float32));
    for (Index i = 0; i < 12; ++i)
        BOOST_TEST(x.array().data<float>()[i] == static_cast<float>(i < 6 ? i : 244 + i) / 255.0f);
    BOOST_TEST(x.array().at(11) == 1.0);

    const IntArray y = read_idx_labels(folder.write("labels", labels), 10);
    BOOST_TEST((y == IntArray{7, 9}));
}

BOOST_AUTO_TEST_CASE(reads_gzip_whatever_the_name) {
    const Folder folder;
    const Bytes packed = packed_images(folder);
    for (const char* name : {"images.gz", "images"}) {
        const Idx idx = read_idx(folder.write(name, packed), 3);
        BOOST_TEST((idx.shape == Shape{2, 2, 3}));
        BOOST_TEST((idx.bytes == Bytes(images.begin() + 16, images.end())));
    }
}

BOOST_AUTO_TEST_CASE(reads_gzip_of_several_members) {
    const Folder folder;
    // Two members whose contents together are one file: the labels' header, then their bytes, both made by gzip itself.
    const std::string head = folder.write("head", cut(labels, 8)), tail = folder.write("tail", Bytes{7, 9});
    const std::string both = folder / "both.gz";
    const std::string command = "gzip -c '" + head + "' > '" + both + "' && gzip -c '" + tail + "' >> '" + both + "'";
    BOOST_REQUIRE(std::system(command.c_str()) == 0);
    BOOST_TEST((read_idx_labels(both, 10) == IntArray{7, 9}));
}

BOOST_AUTO_TEST_CASE(writes_what_it_reads) {
    const Folder folder;
    const Bytes pixels(images.begin() + 16, images.end());
    write_idx(folder / "plain", {{2, 2, 3}, pixels});
    BOOST_TEST((contents(folder / "plain") == images));

    write_idx(folder / "packed.gz", {{2, 2, 3}, pixels});
    const std::string unpack = "gzip -dc '" + (folder / "packed.gz") + "' > '" + (folder / "unpacked") + "'";
    BOOST_REQUIRE(std::system(unpack.c_str()) == 0);
    BOOST_TEST((contents(folder / "unpacked") == images));

    BOOST_CHECK_THROW(write_idx(folder / "x", {{2, 2}, Bytes(3)}), ShapeError);
    BOOST_CHECK_THROW(write_idx(folder / "x", {{}, Bytes(1)}), ShapeError);
    BOOST_CHECK_THROW(write_idx(folder / "x", {{-1, -4}, Bytes(4)}), ShapeError);
    BOOST_CHECK_THROW(write_idx(folder / "x", {{0, 4}, Bytes(4)}), ShapeError);
    BOOST_CHECK_THROW(write_idx(folder / "x", {{1l << 33}, Bytes(4)}), ShapeError);
    BOOST_CHECK_THROW(write_idx(folder / "none/x", {{1}, Bytes(1)}), DataError);
}

BOOST_AUTO_TEST_CASE(a_write_that_fails_leaves_the_old_file_as_it_was) {
    const Folder folder;
    for (const char* name : {"plain", "packed.gz"}) {
        const std::string path = folder.write(name, labels);
        Idx random{{5000}, {}};  // no packing makes it small
        for (std::uint32_t i = 0; i < 5000; ++i)
            random.bytes.push_back(static_cast<std::uint8_t>(i * 2654435761u >> 24));
        const std::string error = error_of_full_disk([&] { write_idx(path, random); });
        BOOST_TEST(error == "cannot write " + path + ": File too large");
        BOOST_TEST((contents(path) == labels));
    }
    BOOST_TEST(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 2);
}

BOOST_AUTO_TEST_CASE(more_than_one_chunk) {
    const Folder folder;
    Idx large{{3, 1000, 1001}, {}};
    for (std::uint32_t i = 0; i < 3 * 1000 * 1001; ++i)
        large.bytes.push_back(static_cast<std::uint8_t>(i * 2654435761u >> 24));
    for (const char* name : {"large", "large.gz"}) {
        write_idx(folder / name, large);
        BOOST_TEST((read_idx(folder / name, 3).bytes == large.bytes));
    }
}

BOOST_AUTO_TEST_CASE(empty_sets) {
    const Folder folder;
    const Bytes none{0, 0, 8, 3, 0, 0, 0, 0, 0, 0, 0, 28, 0, 0, 0, 28};
    BOOST_TEST((read_idx_images(folder.write("none", none)).shape() == Shape{0, 1, 28, 28}));
    BOOST_TEST(read_idx_labels(folder.write("nolabels", {0, 0, 8, 1, 0, 0, 0, 0}), 10).size() == 0u);
}

BOOST_AUTO_TEST_CASE(missing_file_and_directory) {
    const Folder folder;
    expect_images(folder / "nowhere", {"no such file"});
    expect_images(folder.path.string(), {"is a directory"});
    expect_images("/dev/null", {"not a regular file"});
    BOOST_CHECK_THROW(read_idx(folder / "nowhere", 0), ValueError);
    BOOST_CHECK_THROW(read_idx(folder / "nowhere", 9), ValueError);
}

BOOST_AUTO_TEST_CASE(truncated_header) {
    const Folder folder;
    expect_images(folder.write("empty", {}), {"byte 0:", "header is cut short", "magic", "expected 16 bytes"});
    expect_images(folder.write("three", cut(images, 3)), {"byte 3:", "header is cut short"});
    expect_images(folder.write("fifteen", cut(images, 15)), {"byte 15:", "header is cut short", "sizes"});
}

BOOST_AUTO_TEST_CASE(truncated_body) {
    const Folder folder;
    expect_images(folder.write("short", cut(images, 27)),
                  {"byte 27:", "body is cut short", "expected 28 bytes", "has 27"});
    expect_images(folder.write("header", cut(images, 16)), {"byte 16:", "body is cut short"});
}

BOOST_AUTO_TEST_CASE(trailing_bytes) {
    const Folder folder;
    expect_images(folder.write("long", joined(images, {0})),
                  {"byte 28:", "bytes after the body", "expected 28 bytes", "has 29"});
}

BOOST_AUTO_TEST_CASE(wrong_magic) {
    const Folder folder;
    expect_images(folder.write("labels", labels), {"byte 0:", "wrong magic number", "expected 2051", "found 2049"});
    expect_images(folder.write("float", changed(images, 2, 0x0d)), {"byte 0:", "wrong magic number"});
    expect_images(folder.write("little", changed(images, 0, 3)), {"byte 0:", "wrong magic number"});
    const std::string path = folder.write("images", images);
    expect([&] { read_idx_labels(path, 10); }, path, {"expected 2049", "found 2051"});
}

BOOST_AUTO_TEST_CASE(absurd_sizes) {
    const Folder folder;
    Bytes huge = cut(images, 16);
    for (std::size_t i = 4; i < 16; ++i) huge[i] = 0xff;
    expect_images(folder.write("huge", huge), {"byte 8:", "absurd sizes", "(4294967295, 4294967295)"});
    // Possible, but not there: 3.4 terabytes.
    Bytes large{0, 0, 8, 3, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 28, 0, 0, 0, 28};
    expect_images(folder.write("large", large), {"byte 16:", "body is cut short"});
    // A zero does not hide an overflow of the others.
    Bytes zero = huge;
    for (std::size_t i = 4; i < 8; ++i) zero[i] = 0;
    expect_images(folder.write("zero", zero), {"byte 12:", "absurd sizes"});
}

BOOST_AUTO_TEST_CASE(absurd_sizes_in_gzip) {
    const Folder folder;
    const Bytes large{0, 0, 8, 3, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 28, 0, 0, 0, 28, 1, 2, 3};
    expect_images(folder.write_gzip("large", large), {"byte 19:", "body is cut short", "found 3"});
}

BOOST_AUTO_TEST_CASE(malformed_content_in_gzip) {
    const Folder folder;
    expect_images(folder.write_gzip("empty", {}), {"byte 0:", "header is cut short"});
    expect_images(folder.write_gzip("header", cut(images, 9)), {"byte 9:", "header is cut short"});
    expect_images(folder.write_gzip("body", cut(images, 20)),
                  {"byte 20:", "body is cut short", "expected 12 bytes", "found 4"});
    expect_images(folder.write_gzip("long", joined(images, {1, 2})), {"byte 28:", "bytes after the body"});
    expect_images(folder.write_gzip("magic", labels), {"byte 0:", "wrong magic number"});
}

BOOST_AUTO_TEST_CASE(not_gzip) {
    const Folder folder;
    expect_images(folder.write("images.gz", images), {"byte 0:", "not gzip", "expected 0x1f8b", "found 0x0000"});
    expect_images(folder.write("empty.gz", {}), {"not gzip", "found 0 bytes"});
    expect_images(folder.write("one.gz", {0x1f}), {"not gzip", "found 1 bytes"});
    expect_images(folder.write("only-magic.gz", {0x1f, 0x8b}), {"packed byte 2:", "cut short"});
    expect_images(folder.write("no-deflate.gz", {0x1f, 0x8b, 0x07, 0, 0, 0, 0, 0, 0, 0, 0, 0}),
                  {"packed byte", "damaged"});
}

BOOST_AUTO_TEST_CASE(gzip_cut_short_anywhere) {
    const Folder folder;
    const Bytes packed = packed_images(folder);
    for (std::size_t size = 2; size < packed.size(); ++size) {
        const std::string path = folder.write("cut.gz", cut(packed, size));
        expect_images(path, {"packed byte " + std::to_string(size) + ":", "gzip is cut short"});
    }
}

BOOST_AUTO_TEST_CASE(gzip_damaged) {
    const Folder folder;
    const Bytes packed = packed_images(folder);
    const std::size_t size = packed.size();
    const auto flip = [&](std::size_t i) { return changed(packed, i, static_cast<std::uint8_t>(packed[i] ^ 0x10)); };
    expect_images(folder.write("crc.gz", flip(size - 8)), {"packed byte", "damaged", "incorrect data check"});
    expect_images(folder.write("length.gz", flip(size - 1)), {"packed byte", "damaged", "incorrect length check"});
    // Any damage after the header is noticed, but in the last packed byte, where it may lie in the filling bits.
    for (std::size_t i = 10; i < size; ++i)
        if (i != size - 9) BOOST_CHECK_THROW(read_idx_images(folder.write("flip.gz", flip(i))), DataError);
    expect_images(folder.write("more.gz", joined(packed, {0, 0})),
                  {"packed byte " + std::to_string(size) + ":", "bytes after the end"});
    expect_images(folder.write("half.gz", joined(packed, {0x1f})), {"cut short"});
}

BOOST_AUTO_TEST_CASE(label_out_of_range) {
    const Folder folder;
    const std::string path = folder.write("labels", labels);
    expect([&] { read_idx_labels(path, 9); }, path, {"byte 9:", "label out of range", "expected 0 to 8", "found 9"});
    expect([&] { read_idx_labels(path, 7); }, path, {"byte 8:", "found 7"});
}

BOOST_AUTO_TEST_CASE(counts_differ) {
    const Folder folder;
    const std::vector<std::string> classes(10, "thing");
    const std::string x = folder.write("images", images);
    const std::string y = folder.write("labels", {0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3});
    expect([&] { read_image_set(x, y, classes); }, y, {"counts differ", "expected 2 labels", "found 3", x});
}

BOOST_AUTO_TEST_CASE(folder_of_four_files) {
    const Folder folder;
    expect([&] { fashion_mnist(folder.path.string()); }, folder / "train-images-idx3-ubyte", {"no such file", ".gz"});
    folder.write("train-images-idx3-ubyte", images);
    folder.write("train-labels-idx1-ubyte", labels);
    write_idx(folder / "t10k-images-idx3-ubyte.gz", {{1, 2, 2}, {0, 51, 102, 255}});
    write_idx(folder / "t10k-labels-idx1-ubyte.gz", {{1}, {4}});
    const ImageSets sets = fashion_mnist(folder.path.string());
    BOOST_TEST(sets.train.size() == 2);
    BOOST_TEST(sets.train.classes[9] == "Ankle boot");
    BOOST_TEST((sets.test.images.shape() == Shape{1, 1, 2, 2}));
    BOOST_TEST(sets.test.labels(0) == 4);
    BOOST_TEST(mnist(folder.path.string()).test.classes[4] == "4");

    const ImageSet second = select(sets.train, IntArray{1});
    BOOST_TEST(second.images.array().at(0) == sets.train.images.array().at(6));
    BOOST_TEST((second.labels == IntArray{9}));
    BOOST_CHECK_THROW(select(sets.train, IntArray{2}), ShapeError);
    BOOST_CHECK_THROW(select(sets.train.labels, IntArray{-1}), ShapeError);
}

BOOST_AUTO_TEST_CASE(fashion_mnist_itself) {
    const std::string folder = "/usr/share/datasets/fashion-mnist";
    if (!fs::exists(folder)) {
        BOOST_TEST_MESSAGE("skipped: " << folder << " is not there (package dataset-fashion-mnist)");
        return;
    }
    const ImageSets sets = fashion_mnist(folder);
    BOOST_TEST((sets.train.images.shape() == Shape{60000, 1, 28, 28}));
    BOOST_TEST((sets.test.images.shape() == Shape{10000, 1, 28, 28}));
    const std::int64_t first[] = {9, 0, 0, 3, 0, 2, 7, 2, 5, 5};  // as published
    for (std::size_t i = 0; i < 10; ++i) BOOST_TEST(sets.train.labels(i) == first[i]);
    BOOST_TEST(sets.test.labels(0) == 9);
    std::vector<int> train(10, 0), test(10, 0);
    for (std::int64_t label : sets.train.labels) ++train[static_cast<std::size_t>(label)];
    for (std::int64_t label : sets.test.labels) ++test[static_cast<std::size_t>(label)];
    for (std::size_t c = 0; c < 10; ++c) BOOST_TEST((train[c] == 6000 && test[c] == 1000));
    // The mean and deviation of the training pixels that are quoted everywhere: 0.2860 and 0.3530.
    double sum = 0, square = 0;
    const Array& x = sets.train.images.array();
    for (Index i = 0; i < x.size(); ++i) {
        sum += x.at(i);
        square += x.at(i) * x.at(i);
    }
    const double mean = sum / static_cast<double>(x.size());
    BOOST_TEST(std::abs(mean - 0.2860) < 5e-5);
    BOOST_TEST(std::abs(std::sqrt(square / static_cast<double>(x.size()) - mean * mean) - 0.3530) < 5e-5);
}

BOOST_AUTO_TEST_SUITE_END()
