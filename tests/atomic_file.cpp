#include <xtape/autograd/atomic_file.hpp>

#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string>

#include "support/files.hpp"

/// A file is there as a whole or not at all; write_text is the shortest way to one.
using namespace xtape;
using namespace xtape::testing;
namespace fs = std::filesystem;

namespace {

std::string text_of(const std::string& path) {
    const Bytes bytes = contents(path);
    return {bytes.begin(), bytes.end()};
}

auto files_in(const Folder& folder) {
    return std::distance(fs::directory_iterator(folder.path), fs::directory_iterator());
}

void write(AtomicFile& file, const std::string& text) { file.write(text.data(), text.size()); }

}  // namespace

BOOST_AUTO_TEST_SUITE(atomic_file)

BOOST_AUTO_TEST_CASE(what_stood_there_stands_until_the_file_is_whole) {
    const Folder folder;
    const std::string path = folder.write_text("a.txt", "old");
    AtomicFile file(path);
    write(file, "new ");
    write(file, "words");
    BOOST_TEST(text_of(path) == "old");
    file.commit();
    BOOST_TEST(text_of(path) == "new words");
    BOOST_TEST(files_in(folder) == 1);
}

BOOST_AUTO_TEST_CASE(a_write_that_fails_leaves_the_old_file_as_it_was) {
    const Folder folder;
    const std::string path = folder.write_text("a.txt", "old");
    const std::string error = error_of_full_disk([&] { write_text(path, std::string(4000, 'x')); });
    BOOST_TEST(error == "cannot write " + path + ": File too large");
    BOOST_TEST(text_of(path) == "old");
    BOOST_TEST(files_in(folder) == 1);
    write_text(path, std::string(4000, 'x'));
    BOOST_TEST(text_of(path) == std::string(4000, 'x'));
}

BOOST_AUTO_TEST_CASE(one_that_is_given_up_leaves_nothing) {
    const Folder folder;
    const std::string path = folder.write_text("a.txt", "old");
    std::optional<AtomicFile> file(path);
    write(*file, "new");
    file.reset();
    BOOST_TEST(text_of(path) == "old");
    BOOST_TEST(files_in(folder) == 1);
}

BOOST_AUTO_TEST_CASE(two_that_write_the_same_file_do_not_mix) {
    const Folder folder;
    const std::string path = folder / "a.txt";
    AtomicFile first(path), second(path);
    write(first, "first");
    write(second, "second");
    second.commit();
    BOOST_TEST(text_of(path) == "second");
    first.commit();
    BOOST_TEST(text_of(path) == "first");
}

/// As a process of the same number that was killed leaves it behind.
BOOST_AUTO_TEST_CASE(a_temporary_name_that_is_taken_is_passed_over) {
    const Folder folder;
    std::string next = AtomicFile(folder / "a.txt").temporary().string();
    const std::size_t dash = next.rfind('-'), dot = next.rfind('.');
    next.replace(dash + 1, dot - dash - 1, std::to_string(std::stoul(next.substr(dash + 1)) + 1));
    folder.write_text(fs::path(next).filename().string(), "left over");
    write_text(folder / "a.txt", "new");
    BOOST_TEST(text_of(folder / "a.txt") == "new");
    BOOST_TEST(text_of(next) == "left over");
}

BOOST_AUTO_TEST_CASE(another_program_may_write_it) {
    const Folder folder;
    AtomicFile file(folder / "a.txt");
    BOOST_REQUIRE(std::system(("printf words > '" + file.temporary().string() + "'").c_str()) == 0);
    file.commit();
    BOOST_TEST(text_of(folder / "a.txt") == "words");

    const std::string path = folder.write_text("b.txt", "old");
    AtomicFile untouched(path, {"user.cpp", 7});
    BOOST_TEST(data_error_of([&] { untouched.commit(); }) ==
               "cannot write " + path + ": nothing was written to it\n  recorded at user.cpp:7");
    BOOST_TEST(text_of(path) == "old");
    write_text(path, "");
    BOOST_TEST(text_of(path) == "");
}

BOOST_AUTO_TEST_CASE(what_the_system_refuses) {
    const Folder folder;
    const std::string absent = folder / "none/a.txt";
    BOOST_TEST(data_error_of([&] { AtomicFile file(absent); }) ==
               "cannot create " + absent + ": No such file or directory");
    write_text(absent, "its folder is made");
    BOOST_TEST(text_of(absent) == "its folder is made");

    const std::string below_a_file = absent + "/b.txt";
    BOOST_TEST(data_error_of([&] { write_text(below_a_file, ""); }) ==
               "cannot make the folder " + absent + ": Not a directory");

    // A folder cannot be replaced by a file, and is not touched.
    fs::create_directory(folder / "taken");
    BOOST_TEST(data_error_of([&] { write_text(folder / "taken", "x"); }) ==
               "cannot write " + (folder / "taken") + ": Is a directory");
    BOOST_TEST(fs::is_directory(folder / "taken"));
    BOOST_TEST(files_in(folder) == 2);
}

BOOST_AUTO_TEST_SUITE_END()
