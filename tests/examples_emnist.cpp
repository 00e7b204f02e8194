#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/datasets/idx.hpp>

#include "support/files.hpp"

using namespace xtape;
using namespace xtape::datasets;
using namespace xtape::testing;

namespace {

const std::string program = XTAPE_EXAMPLES "/cnn_emnist";

/// Images of 8 x 8 that can be told apart: the character 'A' has bright columns, 'b' bright rows.
struct Part {
    Idx images, labels;

    explicit Part(Index size) : images{{size, 8, 8}, {}}, labels{{size}, {}} {
        for (Index i = 0; i < size; ++i) {
            labels.bytes.push_back(static_cast<std::uint8_t>(i % 2));
            for (Index r = 0; r < 8; ++r)
                for (Index c = 0; c < 8; ++c)
                    images.bytes.push_back(static_cast<std::uint8_t>(((i % 2 ? r : c) + i / 2) % 4 < 2 ? 255 - i : 0));
        }
    }

    std::string csv() const {
        std::string text;
        for (std::size_t i = 0; i < labels.bytes.size(); ++i) {
            text += std::to_string(labels.bytes[i]);
            for (std::size_t p = 0; p < 64; ++p) text += "," + std::to_string(images.bytes[64 * i + p]);
            text += "\r\n";
        }
        return text;
    }
};

const Part train_part(40), test_part(10);

std::string header() {
    std::string names = "label";
    for (int i = 1; i <= 64; ++i) names += ",pixel" + std::to_string(i);
    return names + "\r\n";
}

/// What the example printed, its errors too, and how it ended.
struct Run {
    int status;
    std::string text;

    std::string last_line() const {
        const std::size_t end = text.find_last_not_of('\n') + 1, begin = text.substr(0, end).rfind('\n') + 1;
        return text.substr(begin, end - begin);
    }
    /// Of the last line's form "test loss: ... test accuracy: ...".
    double accuracy() const {
        std::smatch found;
        const std::string line = last_line();
        const bool fits =
            std::regex_match(line, found, std::regex(R"(test loss: \d+\.\d{4} test accuracy: ([01]\.\d{4}))"));
        BOOST_TEST(fits, text);
        return fits ? std::stod(found[1]) : -1;
    }
};

Run run(const Folder& folder, const std::string& arguments) {
    const std::string log = folder / "log";
    const std::string command =
        "'" + program + "' " + arguments + " --out '" + (folder / "out") + "' > '" + log + "' 2>&1";
    const int status = std::system(command.c_str());
    const Bytes bytes = contents(log);
    return {status, std::string(bytes.begin(), bytes.end())};
}

boost::test_tools::assertion_result example_is_built(boost::unit_test::test_unit_id) {
    boost::test_tools::assertion_result built(std::filesystem::exists(program));
    built.message() << program << " is not built";
    return built;
}

/// The folder's files of a split called tiny, a CSV file of each part, and the mapping.
void write_data(const Folder& folder) {
    for (const auto& [part, name] : {std::pair(&train_part, "tiny-train"), std::pair(&test_part, "tiny-test")}) {
        write_idx(folder / (std::string(name) + "-images-idx3-ubyte.gz"), part->images);
        write_idx(folder / (std::string(name) + "-labels-idx1-ubyte"), part->labels);
        folder.write_text(std::string(name) + ".csv", part->csv());
        folder.write_text(std::string(name) + "-with-header.csv", header() + part->csv());
    }
    folder.write_text("tiny-mapping.txt", "0 65\r\n1 98\r\n");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(examples_emnist, *boost::unit_test::precondition(example_is_built))

BOOST_AUTO_TEST_CASE(every_form_of_the_data_gives_the_same) {
    const Folder folder;
    write_data(folder);
    const std::string recipe = " --epochs 2 --batch 8 --seed 3";
    const Run idx = run(folder, "--data '" + folder.path.string() + "' --split tiny" + recipe);
    BOOST_TEST(idx.status == 0);
    BOOST_TEST(idx.accuracy() == 1);
    BOOST_TEST(idx.text.find("36 images to train on, 4 to validate, 10 to test") != std::string::npos, idx.text);
    for (const char* file : {"history.csv", "model.safetensors"})
        BOOST_TEST(std::filesystem::exists(folder.path / "out" / file), file);
    for (const char* picture : {"curves", "confusion", "samples"}) {
        const auto is_there = [&](const char* end) {
            return std::filesystem::exists(folder.path / "out" / (std::string(picture) + end));
        };
        BOOST_TEST((is_there(".svg") || is_there(".png") || is_there(".csv")),
                   picture);  // .csv where there is no gnuplot
    }
    for (const std::string end : {".csv", "-with-header.csv"}) {
        const Run csv =
            run(folder, "--train '" + (folder / ("tiny-train" + end)) + "' --test '" + (folder / ("tiny-test" + end)) +
                            "' --mapping '" + (folder / "tiny-mapping.txt") + "'" + recipe);
        BOOST_TEST(csv.last_line() == idx.last_line(), csv.text);
    }
}

BOOST_AUTO_TEST_CASE(best_trains_too) {
    const Folder folder;
    write_data(folder);
    const std::string data = "--data '" + folder.path.string() + "' --split tiny --best --epochs 2 --batch 8";
    const Run all = run(folder, data);
    BOOST_TEST(all.status == 0);
    BOOST_TEST(all.accuracy() >= 0);
    BOOST_TEST(all.text.find("40 images to train on, 0 to validate") != std::string::npos, all.text);
    BOOST_TEST(run(folder, data + " --validation 0.25").text.find("30 images to train on, 10 to validate") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_is_wrong_is_said) {
    const Folder folder;
    const Run missing = run(folder, "--data '" + folder.path.string() + "' --split none");
    BOOST_TEST(missing.status != 0);
    BOOST_TEST(missing.text.find(folder / "none-train-images-idx3-ubyte") != std::string::npos, missing.text);
    BOOST_TEST(run(folder, "--train one.csv").text.find("--test") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
