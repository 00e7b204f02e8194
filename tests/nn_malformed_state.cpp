#include "support/nn.hpp"

#include <xtape/autograd/storage.hpp>

using namespace xtape;
using namespace xtape::nn_test;
namespace fs = std::filesystem;

BOOST_AUTO_TEST_SUITE(nn_malformed_state)

static std::string with_length(std::uint64_t length, const std::string& rest) {
    std::string bytes;
    for (int i = 0; i < 8; ++i) bytes += static_cast<char>(length >> (8 * i) & 0xff);
    return bytes + rest;
}

static std::string file_of(const std::string& header, std::size_t data_bytes) {
    return with_length(header.size(), header) + std::string(data_bytes, '\1');
}

/// Loading these bytes is refused with this text and byte offset, before memory is asked for.
static void check_refused(const std::string& bytes, const std::string& text, std::uint64_t offset) {
    const Folder folder;
    const std::string path = folder / "bad.safetensors";
    std::ofstream(path, std::ios::binary) << bytes;
    storage::reset_peak();
    const std::size_t before = storage::stats().peak_bytes;
    const std::string found = message<DataError>([&] { nn::load_tensors(path); });
    check_contains(found, text);
    check_contains(found,
                   "\n  in " + path + " at byte " + std::to_string(offset) + "\n  recorded at nn_malformed_state.cpp:");
    BOOST_TEST(storage::stats().peak_bytes <= before + 4096);
}

BOOST_AUTO_TEST_CASE(a_good_file_written_by_hand) {
    const Folder folder;
    const std::string path = folder / "good.safetensors";
    std::ofstream(path, std::ios::binary)
        << file_of(R"({"b":{"data_offsets":[4,12],"shape":[2],"dtype":"F32"},"__metadata__":{"k":"v"},)"
                   R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}  )",
                   12);
    const nn::TensorFile file = nn::load_tensors(path);
    BOOST_REQUIRE(file.tensors.size() == 2U);
    BOOST_TEST(file.tensors[0].first == "a");
    BOOST_TEST(to_string(file.tensors[1].second.shape()) == "(2,)");
    BOOST_TEST(file.metadata.at("k") == "v");
}

BOOST_AUTO_TEST_CASE(malformed_frames) {
    check_refused("", "8 bytes: it has 0", 0);
    check_refused("1234567", "8 bytes: it has 7", 0);
    check_refused(with_length(3, "{}"), "header is longer than the file: 3 > 2 bytes", 0);
    check_refused(with_length(~std::uint64_t{0}, "{}"), "18446744073709551615 > 2 bytes", 0);
    check_refused(with_length(0, ""), "must begin with {", 8);
    check_refused(file_of(" {}", 0), "must begin with {", 8);
    check_refused(file_of("[]", 0), "must begin with {", 8);
    check_refused(file_of("{}", 5), "belong to no array: 5 after", 10);
}

BOOST_AUTO_TEST_CASE(a_header_over_the_limit) {
    const Folder folder;
    const std::string path = folder / "huge.safetensors";
    std::ofstream(path, std::ios::binary) << with_length(100'000'001, "{");
    fs::resize_file(path, 200'000'000);  // a hole on the disk
    check_contains(message<DataError>([&] { nn::load_tensors(path); }),
                   "header is too long: 100000001 > 100000000 bytes");
}

BOOST_AUTO_TEST_CASE(malformed_json) {
    check_refused(file_of("{", 0), "not valid JSON: syntax error while parsing object key", 9);
    check_refused(file_of(R"({"a":})", 0), "not valid JSON", 13);
    check_refused(file_of(R"({} x)", 0), "not valid JSON", 11);
    check_refused(file_of("{\"\xff\":{}}", 0), "not valid JSON", 10);
    check_refused(file_of("{\"" + std::string(100000, 'x'), 0), "not valid JSON", 100010);
    check_refused(file_of(R"({"a":)" + std::string(100000, '['), 0), "\"a\" must be an object, found [", 9);
    check_refused(file_of(R"({"a":3})", 0), "\"a\" must be an object, found 3", 9);
    check_refused(file_of(R"({"a":null})", 0), "\"a\" must be an object, found null", 9);
    check_refused(file_of(R"({"a":"F32"})", 0), "\"a\" must be an object, found \"F32\"", 9);
    check_refused(file_of(R"({"__metadata__":{"k":1}})", 0), "metadata \"k\" must be a string, found 1", 25);
    check_refused(file_of(R"({"__metadata__":{"k":"a","k":"b"}})", 0), "\"k\" of \"__metadata__\" comes twice", 33);
    check_refused(file_of(R"({"__metadata__":[]})", 0), "\"__metadata__\" must be an object, found [", 9);
}

BOOST_AUTO_TEST_CASE(malformed_entries) {
    const auto entry = [](const std::string& fields) { return file_of("{\"a\":{" + fields + "}}", 8); };
    const std::string dtype = R"("dtype":"F32",)", shape = R"("shape":[2],)", offsets = R"("data_offsets":[0,8])";
    check_refused(entry(shape + offsets), "\"a\" has no dtype", 9);
    check_refused(entry(dtype + offsets), "\"a\" has no shape", 9);
    check_refused(entry(dtype + R"("shape":[2])"), "\"a\" needs two data_offsets", 9);
    check_refused(entry(R"("dtype":"I64",)" + shape + offsets), "dtype of \"a\" must be F32 or F64: I64", 14);
    check_refused(entry(R"("dtype":"nonsense",)" + shape + offsets), "must be F32 or F64: nonsense", 14);
    check_refused(entry(R"("dtype":32,)" + shape + offsets), "dtype of \"a\" must be a string, found 32", 14);
    check_refused(entry(dtype + R"("shape":2,)" + offsets), "shape of \"a\" must be a list, found 2", 28);
    check_refused(entry(dtype + R"("shape":[-2],)" + offsets), "integers >= 0, found -2", 28);
    check_refused(entry(dtype + R"("shape":[2.5],)" + offsets), "integers >= 0, found 2.5", 28);
    check_refused(entry(dtype + R"("shape":[1e400],)" + offsets), "not valid JSON: number overflow parsing '1e400'",
                  41);
    check_refused(entry(dtype + R"("shape":[[2]],)" + offsets), "integers >= 0, found [", 28);
    check_refused(entry(dtype + R"("shape":["2"],)" + offsets), "integers >= 0, found \"2\"", 28);
    check_refused(entry(dtype + R"("shape":[18446744073709551616],)" + offsets), "found 18446744073709551616", 28);
    check_refused(entry(dtype + R"("shape":[18446744073709551615],)" + offsets), "larger than any array", 28);
    check_refused(entry(dtype + R"("shape":[4294967296,4294967296],)" + offsets), "shape beyond any array", 9);
    check_refused(entry(dtype + R"("shape":[4611686018427387904,4,0],)" + R"("data_offsets":[0,0])"),
                  "beyond any array", 9);
    check_refused(entry(dtype + R"("shape":[1,1,1,1,1,1,1,1,2],)" + offsets), "more than 8 axes", 28);
    check_refused(entry(dtype + shape + R"("data_offsets":[0,8,8])"), "two integers >= 0, found 8", 40);
    check_refused(entry(dtype + shape + R"("data_offsets":[8])"), "needs two data_offsets", 9);
    check_refused(entry(dtype + shape + R"("data_offsets":[0,-8])"), "two integers >= 0, found -8", 40);
    check_refused(entry(dtype + shape + R"("data_offsets":{})"), "data_offsets of \"a\" must be a list, found {", 40);
    check_refused(entry(dtype + shape + offsets + R"(,"more":1)"), "\"more\" of \"a\" has no meaning", 61);
    check_refused(entry(dtype + dtype + shape + offsets), "\"dtype\" of \"a\" comes twice", 28);
    const std::string whole = "\"a\":{" + dtype + shape + offsets + "}";
    check_refused(file_of("{" + whole + "," + whole + "}", 8), "\"a\" comes twice", 10 + whole.size());
    check_refused(file_of(R"({"\"\\":{}})", 0), "\"\"\\\" has no dtype", 9);
}

BOOST_AUTO_TEST_CASE(malformed_places) {
    const auto entry = [](const char* name, const char* count, const char* offsets) {
        return std::string("\"") + name + R"(":{"dtype":"F32","shape":[)" + count + R"(],"data_offsets":[)" + offsets +
               "]}";
    };
    const auto two = [&](const std::string& a, const std::string& b, std::size_t bytes) {
        return file_of("{" + a + "," + b + "}", bytes);
    };
    check_refused(file_of("{" + entry("a", "2", "0,12") + "}", 8),
                  "ends beyond the file: data_offsets [0, 12] of 8 bytes", 9);
    check_refused(file_of("{" + entry("a", "2", "8,0") + "}", 8), "ends before it begins: data_offsets [8, 0]", 9);
    check_refused(file_of("{" + entry("a", "2", "0,4") + "}", 4), "float32 (2,) needs 8 bytes, [0, 4] are 4", 9);
    check_refused(file_of("{" + entry("a", "1000000000000", "0,4") + "}", 4), "needs 4000000000000 bytes", 9);
    check_refused(file_of("{" + entry("a", "1", "4,8") + "}", 8), "leaves a hole before it: it begins at 4", 9);
    const std::string first = entry("a", "2", "0,8");
    check_refused(two(first, entry("b", "1", "4,8"), 8),
                  "\"b\" overlaps another array: it begins at 4, that one ends at 8", 10 + first.size());
    check_refused(two(first, entry("b", "1", "12,16"), 16), "\"b\" leaves a hole", 10 + first.size());
    check_refused(two(first, entry("b", "1", "8,12"), 15), "belong to no array: 3 after",
                  8 + 2 + first.size() + 1 + entry("b", "1", "8,12").size() + 12);
    check_refused(file_of("{" + entry("a", "1", "18446744073709551612,18446744073709551616") + "}", 4), "two integers",
                  40);
}

BOOST_AUTO_TEST_CASE(every_truncation_is_refused) {
    const Folder folder;
    nn::save_tensors({{"a", Array::filled({3}, float32, 1)}, {"b", Array::filled({2, 2}, float64, 2)}},
                     folder / "whole.safetensors");
    const std::string whole = contents(folder / "whole.safetensors");
    for (std::size_t size = 0; size < whole.size(); ++size) {
        std::ofstream(folder / "cut.safetensors", std::ios::binary | std::ios::trunc) << whole.substr(0, size);
        BOOST_CHECK_THROW(nn::load_tensors(folder / "cut.safetensors"), DataError);
    }
}

BOOST_AUTO_TEST_SUITE_END()
