#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/datasets/csv.hpp>

#include "support/files.hpp"

using namespace xtape;
using namespace xtape::datasets;
using namespace xtape::testing;

namespace {

using Names = std::vector<std::string>;

/// The table in a file with this text.
Csv table(const std::string& text, const CsvOptions& options = {}) {
    const Folder folder;
    return read_csv(folder.write_text("table.csv", text), options);
}

void check(const Csv& csv, const Shape& shape, const std::vector<double>& numbers) {
    BOOST_TEST((csv.numbers.shape() == shape));
    BOOST_REQUIRE(csv.numbers.size() == static_cast<Index>(numbers.size()));
    for (std::size_t i = 0; i < numbers.size(); ++i) BOOST_TEST(csv.numbers.at(static_cast<Index>(i)) == numbers[i]);
}

void expect_text(const std::string& text, const std::vector<std::string>& pieces, const CsvOptions& options = {}) {
    const Folder folder;
    const std::string path = folder.write_text("table.csv", text);
    expect([&] { read_csv(path, options); }, path, pieces);
}

CsvOptions absent() { return {',', CsvHeader::absent, float32}; }

}  // namespace

BOOST_AUTO_TEST_SUITE(datasets_csv)

BOOST_AUTO_TEST_CASE(numbers_in_rows) {
    check(table("1,2,3\n4,5,6\n"), {2, 3}, {1, 2, 3, 4, 5, 6});
    check(table("1,2,3\r\n4,5,6\r\n"), {2, 3}, {1, 2, 3, 4, 5, 6});
    check(table("1,2,3\n4,5,6"), {2, 3}, {1, 2, 3, 4, 5, 6});
    check(table("1\n2\n\n\r\n"), {2, 1}, {1, 2});
    check(table("7"), {1, 1}, {7});
    check(table("\xEF\xBB\xBF"
                "7,8\n"),
          {1, 2}, {7, 8});
    BOOST_TEST((table("1\n").numbers.dtype() == float32));
}

BOOST_AUTO_TEST_CASE(every_way_to_write_a_number) {
    const CsvOptions exact{',', CsvHeader::detect, float64};
    check(table("-1,+2,-0,0.5,.25,1.,1e3,-2.5E-3,007\n", exact), {1, 9}, {-1, 2, 0, 0.5, 0.25, 1, 1000, -0.0025, 7});
    BOOST_TEST(std::signbit(table("-0\n", exact).numbers.at(0)));
    check(table(" 1 ,\t2,3\t, 4.5 \n", exact), {1, 4}, {1, 2, 3, 4.5});
    // rounded once to what is asked for; digits beyond 18 too
    const std::string tenth = "0.1,16777217,9007199254740993,123456789012345678901234567890\n";
    check(table(tenth, exact), {1, 4}, {0.1, 16777217, 9007199254740992, 123456789012345678901234567890.0});
    check(table(tenth), {1, 4}, {0.1f, 16777216, 9007199254740992, 123456789012345678901234567890.0f});
    const Csv odd = table("nan,inf,-inf,1e-500,-1e-60\n");
    BOOST_TEST(std::isnan(odd.numbers.at(0)));
    BOOST_TEST(odd.numbers.at(1) == std::numeric_limits<double>::infinity());
    BOOST_TEST(odd.numbers.at(2) == -std::numeric_limits<double>::infinity());
    BOOST_TEST(odd.numbers.at(3) == 0);
    BOOST_TEST(odd.numbers.at(4) == 0);
}

BOOST_AUTO_TEST_CASE(header_or_not) {
    const Csv named = table("label,pixel0,\"a, \"\"b\"\"\"\n1,2,3\n");
    BOOST_TEST((named.header == Names{"label", "pixel0", "a, \"b\""}));
    check(named, {1, 3}, {1, 2, 3});
    // numbers as names behind an empty one or a word, as pandas writes them
    BOOST_TEST((table(",0,1\n1,2,3\n").header == Names{"", "0", "1"}));
    BOOST_TEST((table("label,0,1\n1,2,3\n").header.size() == 3u));
    BOOST_TEST(table("1,2,3\n").header.empty());

    const CsvOptions present{',', CsvHeader::present, float32};
    const Csv forced = table("1,2\n3,4\n", present);
    BOOST_TEST((forced.header == Names{"1", "2"}));
    check(forced, {1, 2}, {3, 4});
    check(table("a,b\n"), {0, 2}, {});
    expect_text("a,b\n1,2\n", {"row 1, column 1:", "expected a number", "\"a\""}, absent());
}

BOOST_AUTO_TEST_CASE(delimiters) {
    for (const char delimiter : {';', '\t', '|', ' '}) {
        const std::string d(1, delimiter);
        const CsvOptions options{delimiter, CsvHeader::detect, float32};
        check(table("1" + d + "2.5\n3" + d + "4\n", options), {2, 2}, {1, 2.5, 3, 4});
    }
    for (const char delimiter : {'1', '.', '-', 'e', '\n', '"'})
        BOOST_CHECK_THROW(table("1\n", {delimiter, CsvHeader::detect, float32}), ValueError);
}

BOOST_AUTO_TEST_CASE(gzip) {
    const Folder folder;
    const std::string text = "a,b\n1,2\n3,4\n";
    const std::string path = folder.write_gzip("table.csv", Bytes(text.begin(), text.end()));
    check(read_csv(path), {2, 2}, {1, 2, 3, 4});
    const Bytes packed = contents(path);
    const std::string cut_short = folder.write("cut.csv.gz", cut(packed, packed.size() - 9));
    expect([&] { read_csv(cut_short); }, cut_short, {"packed byte", "cut short"});
}

BOOST_AUTO_TEST_CASE(text_in_a_number_field) {
    expect_text("1,2\n3,cat\n", {"row 2, column 2:", "expected a number", "\"cat\""});
    expect_text("a,b\n1,2\n3,4x\n", {"row 3, column 2:", "\"4x\""});
    expect_text("1,2\n3,\n", {"row 2, column 2:", "\"\""});
    expect_text("1,2\n,4\n", {"row 2, column 1:", "\"\""});
    expect_text("1,2\n3 4,5\n", {"row 2, column 1:", "\"3 4\""});
    expect_text("1,2\n0x10,5\n", {"row 2, column 1:"});
    expect_text("1,2\n+-3,5\n", {"row 2, column 1:"});
    expect_text("1,2\n1e400,5\n", {"row 2, column 1:", "\"1e400\""});
    expect_text("1,2\n1e39,5\n", {"row 2, column 1:"});  // too large for float32
    check(table("1,2\n1e39,5\n", {',', CsvHeader::detect, float64}), {2, 2}, {1, 2, 1e39, 5});
    expect_text("1,2\n" + std::string(1000, 'z') + ",5\n", {"row 2, column 1:", "\"" + std::string(40, 'z') + "\""});
    expect_text(std::string("1,2\n3\0,4\n", 9), {"row 2, column 1:"});
}

BOOST_AUTO_TEST_CASE(ragged_rows) {
    expect_text("1,2,3\n4,5\n", {"row 2, column 3:", "expected 3 fields as in the first row", "found 2"});
    expect_text("1,2,3\n4,5,6,7\n", {"row 2, column 4:", "expected 3 fields", "found 4"});
    expect_text("a,b\n1,2,3\n", {"row 2, column 3:", "expected 2 fields as in the header", "found 3"});
    expect_text("1,2\n\n3,4\n", {"row 2, column 1:"});
    expect_text("1,2\n3,4,\n", {"row 2, column 3:", "found 3"});
    // cut off in the middle of a row
    expect_text("10,20,30\n40,50,60\n70,8", {"row 3, column 3:", "expected 3 fields", "found 2"});
}

BOOST_AUTO_TEST_CASE(sizes_that_the_text_cannot_hold) {
    // A million columns times a million rows would be 4 terabytes; the file has 3 MB.
    const std::string wide(1000000, ','), many(1000000, '\n');
    expect_text("a" + wide + many + "1", {"row 2, column 1:", "expected 1000001 fields as in the header", "found 0"});
}

BOOST_AUTO_TEST_CASE(no_table) {
    const Folder folder;
    expect_text("", {"row 1, column 1:", "empty"});
    expect_text("\n\r\n\n", {"empty"});
    expect([&] { read_csv(folder / "nowhere.csv"); }, folder / "nowhere.csv", {"no such file"});
    expect([&] { read_csv(folder.path.string()); }, folder.path.string(), {"is a directory"});
}

BOOST_AUTO_TEST_CASE(large_tables_in_pieces) {
    // Some 5 MB, so that there are several pieces; the first of two mistakes is reported, whichever piece comes first.
    std::string text = "name,value,third\n";
    std::vector<double> numbers;
    std::vector<std::size_t> lines;
    for (int i = 0; i < 200000; ++i) {
        lines.push_back(text.size());
        text += std::to_string(i) + "," + std::to_string(i % 1000) + ".125,-" + std::to_string(7 * i) + "\n";
        numbers.insert(numbers.end(), {double(i), i % 1000 + 0.125, -7.0 * i});
    }
    const Csv csv = table(text, {',', CsvHeader::detect, float64});
    BOOST_TEST((csv.numbers.shape() == Shape{200000, 3}));
    BOOST_TEST(std::equal(numbers.begin(), numbers.end(), csv.numbers.data<double>()));

    text[lines[190000]] = 'x';
    text[lines[150000]] = 'y';
    expect_text(text, {"row 150002, column 1:", "\"y"});
}

BOOST_AUTO_TEST_SUITE_END()
