#include "support/nn.hpp"

#include <cstdio>
#include <cstdlib>

using namespace xtape;
using namespace xtape::nn_test;
namespace fs = std::filesystem;

namespace {

bool same_bits(const Array& a, const Array& b) {
    if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
    return dispatch(a.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const auto* bytes = reinterpret_cast<const char*>(a.data<T>());
        return std::equal(bytes, bytes + static_cast<std::size_t>(a.size()) * sizeof(T),
                          reinterpret_cast<const char*>(b.data<T>()));
    });
}

nn::Sequential small_net() {
    return {nn::Conv2d(1, 3, 3), nn::BatchNorm2d(3), relu, nn::Flatten(), nn::Dropout(0.5), nn::Linear(12, 2)};
}

/// Arrays that are easy to get wrong: both dtypes, no elements, no axes, special values, an unusual name.
nn::NamedArrays odd_arrays() {
    const double infinity = std::numeric_limits<double>::infinity();
    return {{"a.weight", Array(xt::xarray<float>{{1.5f, -0.0f, 3e-45f}, {1e38f, -1e-38f, 0.1f}})},
            {"wide", Array(xt::xarray<double>{0.1, infinity, std::nan(""), -infinity})},
            {"empty", Array::filled({3, 0, 2}, float32, 0)},
            {"scalar", Array::scalar(-7.25, float64)},
            {"größe \"x\"\n", Array::filled({1}, float32, 2)}};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(nn_state)

BOOST_AUTO_TEST_CASE(reloading_gives_the_same_bits) {
    const Folder folder;
    nn::Sequential net = small_net(), other = small_net();
    const Variable x = wave({5, 1, 4, 4}, 1, float32);
    for (int i = 0; i < 3; ++i) net(x);  // moves the running statistics
    net.eval(), other.eval();
    nn::save(net, folder / "net.safetensors", {{"epoch", "3"}, {"note", "näher"}});
    const nn::ParameterList before = other.parameters();
    const nn::Metadata metadata = nn::load(other, folder / "net.safetensors");
    BOOST_TEST(metadata.at("epoch") == "3");
    BOOST_TEST(metadata.at("note") == "näher");
    BOOST_TEST(same_bits(net(x).array(), other(x).array()));
    BOOST_TEST(same_bits(before[0].array(), net.get<nn::Conv2d>(0).weight.array()));  // parameters keep their identity
    BOOST_TEST(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator()) == 1);  // nothing left over

    nn::save(other, folder / "again.safetensors", metadata);
    BOOST_TEST(contents(folder / "again.safetensors") == contents(folder / "net.safetensors"));
}

BOOST_AUTO_TEST_CASE(arrays_of_every_kind) {
    const Folder folder;
    const nn::NamedArrays arrays = odd_arrays();
    nn::save_tensors(arrays, folder / "odd.safetensors");
    const nn::TensorFile file = nn::load_tensors(folder / "odd.safetensors");
    BOOST_TEST(file.metadata.empty());
    BOOST_REQUIRE(file.tensors.size() == arrays.size());
    for (const auto& [name, array] : arrays) {
        const auto found =
            std::find_if(file.tensors.begin(), file.tensors.end(), [&, n = name](auto& t) { return t.first == n; });
        BOOST_REQUIRE(found != file.tensors.end());
        BOOST_TEST(same_bits(found->second, array), name);
    }
    const std::string bytes = contents(folder / "odd.safetensors");
    BOOST_TEST(static_cast<unsigned char>(bytes[0]) % 8 == 0);  // the elements are aligned
    BOOST_TEST(bytes[8] == '{');

    nn::save_tensors({}, folder / "none.safetensors");
    BOOST_TEST(nn::load_tensors(folder / "none.safetensors").tensors.empty());
}

static boost::test_tools::assertion_result numpy_is_there(boost::unit_test::test_unit_id) {
    if (std::system(XTAPE_PYTHON " -c 'import numpy' 2>/dev/null") == 0) return true;
    boost::test_tools::assertion_result result(false);
    result.message() << XTAPE_PYTHON " has no numpy";
    return result;
}

BOOST_AUTO_TEST_CASE(numpy_reads_the_same_arrays, *boost::unit_test::precondition(numpy_is_there)) {
    const Folder folder;
    nn::NamedArrays arrays = small_net().state();
    for (auto& named : odd_arrays())
        if (named.first.find(' ') == std::string::npos) arrays.push_back(named);
    const std::string path = folder / "net.safetensors", printed = folder / "printed";
    nn::save_tensors(arrays, path, {{"made by", "xtape"}});
    const std::string command =
        XTAPE_PYTHON " " XTAPE_SOURCE_DIR "/tests/safetensors_numpy.py '" + path + "' > '" + printed + "'";
    BOOST_REQUIRE(std::system(command.c_str()) == 0);

    std::vector<std::string> expected;
    for (const auto& [name, array] : arrays) {
        std::string line = name + " " + name_of(array.dtype());
        for (Index size : array.shape()) line += " " + std::to_string(size);
        line += " ";
        dispatch(array.dtype(), [&, values = array](auto tag) {
            const auto* bytes = reinterpret_cast<const unsigned char*>(values.template data<decltype(tag)>());
            for (std::size_t i = 0; i < static_cast<std::size_t>(values.size()) * sizeof(tag); ++i) {
                char digits[3];
                std::snprintf(digits, sizeof digits, "%02x", bytes[i]);
                line += digits;
            }
        });
        expected.push_back(line);
    }
    std::vector<std::string> got;
    std::ifstream file(printed);
    for (std::string line; std::getline(file, line);) got.push_back(line);
    std::sort(expected.begin(), expected.end());
    std::sort(got.begin(), got.end());
    BOOST_TEST(got == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(one_report_of_everything_that_does_not_fit) {
    const Folder folder;
    nn::Sequential net{nn::Linear(2, 3), relu, nn::Linear(3, 4), nn::Linear(4, 1)};
    const nn::NamedArrays before = net.state();
    nn::save_tensors({{"0.weight", Array::filled({2, 3}, float32, 9)},
                      {"0.bias", Array::filled({3}, float64, 9)},
                      {"2.weight", Array::filled({4, 3}, float32, 9)},
                      {"2.bias", Array::filled({4}, float32, 9)},
                      {"head.weight", Array::filled({4, 1}, float32, 9)}},
                     folder / "other.safetensors");
    const int line = __LINE__ + 1;
    const std::string text = message<DataError>([&] { nn::load(net, folder / "other.safetensors"); });
    BOOST_TEST(text ==
               folder / "other.safetensors" +
                   " does not fit Sequential: 2 missing, 1 unexpected, 1 of another shape, 1 of another dtype\n"
                   "  missing: 3.weight\n  missing: 3.bias\n  unexpected: head.weight\n"
                   "  shape: 2.weight is (4, 3), should be (3, 4)\n  dtype: 0.bias is float64, should be float32\n"
                   "  recorded at nn_state.cpp:" +
                   std::to_string(line));
    const nn::NamedArrays after = net.state();
    for (std::size_t i = 0; i < before.size(); ++i) BOOST_TEST(same_bits(before[i].second, after[i].second));
}

BOOST_AUTO_TEST_CASE(states_in_memory) {
    nn::Sequential net = small_net();
    const Variable x = wave({5, 1, 4, 4}, 1, float32);
    const nn::NamedArrays best = net.state();
    net(x);
    net.get<nn::Linear>(5).weight -= Variable(1.0);
    nn::restore(net, best);
    const nn::NamedArrays now = net.state();
    for (std::size_t i = 0; i < best.size(); ++i) BOOST_TEST(same_bits(best[i].second, now[i].second));
    check_contains(message<DataError>([&] { nn::restore(net, {}); }), "8 missing, 0 unexpected");
}

BOOST_AUTO_TEST_CASE(what_cannot_be_saved) {
    const Folder folder;
    const Array one = Array::filled({1}, float32, 1);
    const std::string path = folder / "no.safetensors";
    check_contains(message<ValueError>([&] { nn::save_tensors({{"a", one}, {"a", one}}, path); }), "\"a\" comes twice");
    check_contains(message<ValueError>([&] { nn::save_tensors({{"__metadata__", one}}, path); }), "__metadata__");
    check_contains(message<ValueError>([&] { nn::save_tensors({{"a", Array()}}, path); }), "\"a\" has no value");
    check_contains(message<ValueError>([&] { nn::save_tensors({{"\xff", one}}, path); }), "UTF-8");
    check_contains(message<DataError>([&] {
                       nn::save_tensors({{"a", one}}, folder / "none/x.safetensors");
                   }),
                   "cannot create");
    BOOST_TEST(fs::is_empty(folder.path));

    fs::create_directories(folder.path /
                           "taken.safetensors");  // cannot be renamed over: the old stays, no rubbish is left
    check_contains(message<DataError>([&] {
                       nn::save_tensors({{"a", one}}, folder / "taken.safetensors");
                   }),
                   "cannot write");
    BOOST_TEST(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator()) == 1);
    check_contains(message<DataError>([&] { nn::load_tensors(folder / "taken.safetensors"); }), "is not a file");
    check_contains(message<DataError>([&] { nn::load_tensors(folder / "absent.safetensors"); }), "cannot open");
}

BOOST_AUTO_TEST_CASE(a_save_that_fails_leaves_the_old_file_as_it_was) {
    const Folder folder;
    const std::string path = folder / "net.safetensors";
    nn::save_tensors({{"a", Array::filled({2}, float32, 1)}}, path);
    const std::string before = contents(path);
    const int line = __LINE__ + 2;
    const std::string error = testing::error_of_full_disk([&] {
        nn::save_tensors({{"a", Array::filled({1000}, float32, 2)}}, path);
    });
    BOOST_TEST(error ==
               "cannot write " + path + ": File too large\n  recorded at nn_state.cpp:" + std::to_string(line));
    BOOST_TEST(contents(path) == before);
    BOOST_TEST(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator()) == 1);
}

BOOST_AUTO_TEST_SUITE_END()
