#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/datasets/csv.hpp>
#include <xtape/datasets/emnist.hpp>
#include <xtape/datasets/idx.hpp>

#include "support/files.hpp"

using namespace xtape;
using namespace xtape::datasets;
using namespace xtape::testing;

namespace {

using Names = std::vector<std::string>;

/// Two images of 3 x 3, as they are stored: the first holds 0 ... 8 row by row.
const Bytes pixels{0, 1, 2, 3, 4, 5, 6, 7, 8, 255, 0, 0, 128, 0, 0, 64, 0, 0};

/// The four files of a split, and its mapping.
void write_split(const Folder& folder, const std::string& name, const Bytes& labels, const std::string& mapping,
                 const std::string& end = "") {
    for (const char* part : {"-train", "-test"}) {
        write_idx(folder / (name + part + "-images-idx3-ubyte" + end), {{2, 3, 3}, pixels});
        write_idx(folder / (name + part + "-labels-idx1-ubyte" + end), {{2}, labels});
    }
    if (!mapping.empty()) folder.write_text(name + "-mapping.txt", mapping);
}

std::string csv_row(int label, std::size_t first) {
    std::string row = std::to_string(label);
    for (std::size_t i = first; i < first + 9; ++i) row += "," + std::to_string(pixels[i]);
    return row + "\n";
}

bool equal_images(const ImageSet& a, const ImageSet& b) {
    const Array &x = a.images.array(), &y = b.images.array();
    return x.shape() == y.shape() && a.labels == b.labels &&
           std::equal(x.data<float>(), x.data<float>() + x.size(), y.data<float>());
}

void expect_mapping(const std::string& text, const std::vector<std::string>& pieces) {
    const Folder folder;
    const std::string path = folder.write_text("mapping.txt", text);
    expect([&] { read_emnist_mapping(path); }, path, pieces);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(datasets_emnist)

BOOST_AUTO_TEST_CASE(the_four_files_of_a_split) {
    const Folder folder;
    write_split(folder, "emnist-balanced", {1, 0}, "0 48\r\n1 65\r\n");
    write_split(folder, "emnist47", {0, 1}, "0 97\n1 98\n", ".gz");
    for (const char* split : {"balanced", "emnist-balanced"}) {
        const ImageSets sets = emnist(folder.path.string(), split);
        BOOST_TEST((sets.train.classes == Names{"0", "A"}));
        BOOST_TEST((sets.train.labels == IntArray{1, 0}));
        BOOST_TEST((sets.train.images.shape() == Shape{2, 1, 3, 3}));
        BOOST_TEST(equal_images(sets.train, sets.test));
        // upright: what was stored in row 0 stands in column 0
        for (Index row = 0; row < 3; ++row)
            for (Index column = 0; column < 3; ++column)
                BOOST_TEST(sets.train.images.array().at(3 * row + column) ==
                           static_cast<float>(3 * column + row) / 255.0f);
    }
    const ImageSets stored = emnist(folder.path.string(), "emnist47", "", Orientation::stored);
    BOOST_TEST((stored.train.classes == Names{"a", "b"}));
    for (Index i = 0; i < 18; ++i)
        BOOST_TEST(stored.train.images.array().at(i) ==
                   static_cast<float>(pixels[static_cast<std::size_t>(i)]) / 255.0f);
}

BOOST_AUTO_TEST_CASE(letters_count_from_one) {
    const Folder folder;
    write_split(folder, "emnist-letters", {2, 1}, "1 65 97\n2 66 98\n");
    const ImageSets sets = emnist(folder.path.string(), "letters");
    BOOST_TEST((sets.train.classes == Names{"Aa", "Bb"}));
    BOOST_TEST((sets.train.labels == IntArray{1, 0}));

    write_idx(folder / "emnist-letters-test-labels-idx1-ubyte", {{2}, {1, 0}});
    const std::string path = folder / "emnist-letters-test-labels-idx1-ubyte";
    expect([&] { emnist(folder.path.string(), "letters"); }, path, {"byte 9:", "label out of range", "found 0"});
    write_idx(path, {{2}, {3, 1}});
    expect([&] { emnist(folder.path.string(), "letters"); }, path, {"byte 8:", "label out of range", "found 3"});
}

BOOST_AUTO_TEST_CASE(mapping_of_another_name) {
    const Folder folder;
    write_split(folder, "emnist47", {0, 1}, "");
    const auto classes = [&] { return emnist(folder.path.string(), "emnist47").train.classes; };
    expect([&] { classes(); }, folder / "emnist47-mapping.txt", {"no such file, nor mapping.txt", "0 other files"});
    folder.write_text("emnist-balanced-mapping.txt", "0 48\n1 49\n");
    BOOST_TEST((classes() == Names{"0", "1"}));
    folder.write_text("emnist-letters-mapping.txt", "1 65 97\n");
    expect([&] { classes(); }, folder / "emnist47-mapping.txt", {"2 other files there end in mapping.txt"});
    folder.write_text("mapping.txt", "0 50\n1 51\n");
    BOOST_TEST((classes() == Names{"2", "3"}));
    folder.write_text("emnist47-mapping.txt", "0 52\n1 53\n");
    BOOST_TEST((classes() == Names{"4", "5"}));
    const std::string chosen = folder.write_text("chosen.txt", "0 54\n1 55\n");
    BOOST_TEST((emnist(folder.path.string(), "emnist47", chosen).test.classes == Names{"6", "7"}));
}

BOOST_AUTO_TEST_CASE(malformed_mapping) {
    expect_mapping("", {"empty"});
    expect_mapping("0 48\n2 50\n", {"row 2, column 1:", "expected label 1, found 2"});
    expect_mapping("5 48\n", {"row 1, column 1:", "0 or 1, found 5"});
    expect_mapping("0 48\n1 7\n", {"row 2, column 2:", "code of a character", "found 7"});
    expect_mapping("0 48\n1 300\n", {"row 2, column 2:", "0 to 255", "300"});
    expect_mapping("0 48\n1 A\n", {"row 2, column 2:", "\"A\""});
    expect_mapping("0\n1\n", {"row 1, column 1:", "a label and one or two"});
    expect_mapping("0 48 1 2\n", {"row 1,"});
    expect_mapping("0 48\n1 49 97\n", {"row 2, column 3:", "expected 2 fields", "found 3"});
}

BOOST_AUTO_TEST_CASE(missing_files) {
    const Folder folder;
    const std::string images = folder / "emnist-byclass-train-images-idx3-ubyte";
    expect([&] { emnist(folder.path.string(), "emnist-byclass"); }, images, {"no such file", ".gz"});
    write_split(folder, "emnist-byclass", {0, 1}, "0 48\n1 49\n");
    std::filesystem::remove(folder / "emnist-byclass-test-labels-idx1-ubyte");
    expect([&] { emnist(folder.path.string(), "byclass"); }, folder / "emnist-byclass-test-labels-idx1-ubyte",
           {"no such file"});
}

BOOST_AUTO_TEST_CASE(kaggles_form) {
    const Folder folder;
    write_split(folder, "emnist-balanced", {1, 0}, "0 48\n1 65\n");
    const std::string rows = csv_row(1, 0) + csv_row(0, 9);
    std::string names = "label";
    for (int i = 1; i <= 9; ++i) names += "," + std::to_string(i) + "x1";
    for (const Orientation orientation : {Orientation::upright, Orientation::stored}) {
        const ImageSet expected = emnist(folder.path.string(), "balanced", "", orientation).train;
        // not one sample is lost, with a header or without
        for (const std::string& text : {rows, names + "\r\n" + rows}) {
            const std::string path = folder.write_text("emnist-balanced-train.csv", text);
            BOOST_TEST(equal_images(read_emnist_csv(path, "", orientation), expected));
            BOOST_TEST((read_emnist_csv(path, "", orientation).classes == Names{"0", "A"}));
        }
    }
    const std::string mapping = folder.write_text("other.txt", "1 65 97\n2 66 98\n");
    const std::string path = folder.write_text("x.csv", csv_row(2, 0));
    BOOST_TEST((read_emnist_csv(path, mapping).labels == IntArray{1}));
    BOOST_TEST((read_emnist_csv(path, mapping).classes == Names{"Aa", "Bb"}));
}

BOOST_AUTO_TEST_CASE(malformed_csv) {
    const Folder folder;
    folder.write_text("mapping.txt", "0 48\n1 65\n");
    const auto expect_text = [&](const std::string& text, const std::vector<std::string>& pieces) {
        const std::string path = folder.write_text("some-train.csv", text);
        expect([&] { read_emnist_csv(path); }, path, pieces);
    };
    expect_text(csv_row(1, 0) + csv_row(2, 0), {"row 2, column 1:", "label out of range", "0 to 1, found 2"});
    expect_text("1,2,3,4\n", {"row 1, column 4:", "square image", "found 4 fields"});
    expect_text("1\n", {"row 1, column 1:", "square image"});
    expect_text("1,2,3,4,256\n", {"row 1, column 5:", "whole number from 0 to 255", "\"256\""});
    expect_text("1,2,3,4,-1\n", {"row 1, column 5:", "\"-1\""});
    expect_text("1,2,3,0.5,1\n", {"row 1, column 4:", "\"0.5\""});
    expect_text("label,a,b,c,d\n1,2,3,4,5\n1,2,3\n", {"row 3, column 4:", "as in the header", "found 3"});
}

BOOST_AUTO_TEST_CASE(emnist47_itself) {
    const std::string folder = folder_of_real_data("XTAPE_EMNIST");
    if (folder.empty()) return;
    const ImageSets sets = emnist(folder, "emnist47");
    BOOST_TEST((sets.train.images.shape() == Shape{36660, 1, 28, 28}));
    BOOST_TEST((sets.test.images.shape() == Shape{6110, 1, 28, 28}));
    std::string characters;
    for (const std::string& name : sets.train.classes) characters += name;
    BOOST_TEST(characters == "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt");
    std::vector<int> train(47), test(47);
    for (const std::int64_t label : sets.train.labels) ++train[static_cast<std::size_t>(label)];
    for (const std::int64_t label : sets.test.labels) ++test[static_cast<std::size_t>(label)];
    BOOST_TEST((train == std::vector<int>(47, 780)));
    BOOST_TEST((test == std::vector<int>(47, 130)));

    // Upright, a 1 is taller than it is wide, and a T has its bar at the top.
    double height = 0, width = 0, upper = 0, lower = 0;
    for (Index i = 0; i < sets.test.size(); ++i) {
        const std::string& name = sets.test.classes[static_cast<std::size_t>(sets.test.labels(i))];
        const float* x = sets.test.images.array().data<float>() + i * 784;
        for (Index r = 0; r < 28; ++r)
            for (Index c = 0; c < 28; ++c, ++x) {
                if (name == "1") height += *x * std::abs(static_cast<double>(r) - 13.5);
                if (name == "1") width += *x * std::abs(static_cast<double>(c) - 13.5);
                if (name == "T" && r < 10) upper += *x;
                if (name == "T" && r >= 18) lower += *x;
            }
    }
    BOOST_TEST(height > 2 * width);
    BOOST_TEST(upper > 1.5 * lower);
}

BOOST_AUTO_TEST_CASE(csv_of_100_000_real_images_is_the_idx_file) {
    const std::string source = folder_of_real_data("XTAPE_EMNIST");
    if (source.empty()) return;
    const Idx images = read_idx(source + "/emnist47-train-images-idx3-ubyte.gz", 3);
    const Idx labels = read_idx(source + "/emnist47-train-labels-idx1-ubyte.gz", 1);
    const std::size_t rows = 100'000, distinct = labels.bytes.size();  // fewer: they come again from the first one on
    std::string text;
    text.reserve(rows * 2000);
    for (std::size_t i = 0; i < rows; ++i) {
        text += std::to_string(labels.bytes[i % distinct]);
        for (std::size_t p = 0; p < 784; ++p) text += "," + std::to_string(images.bytes[784 * (i % distinct) + p]);
        text += "\n";
    }
    const Folder folder;
    folder.write("mapping.txt", contents(source + "/emnist-balanced-mapping.txt"));
    const std::string path = folder.write_text("real-train.csv", text);

    const ImageSet expected = emnist(source, "emnist47").train, found = read_emnist_csv(path);
    BOOST_TEST((found.classes == expected.classes));
    BOOST_TEST((found.images.shape() == Shape{static_cast<Index>(rows), 1, 28, 28}));
    std::size_t equal = 0;
    for (std::size_t i = 0; i < rows; ++i) {
        const float* one = found.images.array().data<float>() + 784 * i;
        const float* other = expected.images.array().data<float>() + 784 * (i % distinct);
        equal += found.labels(i) == expected.labels(i % distinct) && std::equal(one, one + 784, other);
    }
    BOOST_TEST(equal == rows);

    const Csv csv = read_csv(path);
    BOOST_TEST((csv.numbers.shape() == Shape{static_cast<Index>(rows), 785}));
    std::size_t same = 0;
    for (std::size_t i = 0; i < rows; ++i) {
        const float* row = csv.numbers.data<float>() + 785 * i;
        const std::uint8_t* bytes = images.bytes.data() + 784 * (i % distinct);
        same += row[0] == static_cast<float>(labels.bytes[i % distinct]) &&
                std::equal(row + 1, row + 785, bytes,
                           [](float number, std::uint8_t byte) { return number == static_cast<float>(byte); });
    }
    BOOST_TEST(same == rows);
}

BOOST_AUTO_TEST_SUITE_END()
