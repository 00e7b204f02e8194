#include <xtape/optim/gnuplot.hpp>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <system_error>

#include <fmt/format.h>

#include <xtape/optim/check.hpp>

namespace xtape::optim {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

/// A file without a name, gone when closed.
File temporary_file() {
    File file(std::tmpfile(), std::fclose);
    if (!file) throw DataError(fmt::format("gnuplot: no temporary file: {}", std::system_category().message(errno)));
    return file;
}

std::string contents(std::FILE* file) {
    std::rewind(file);
    std::string text(2000, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file));
    return text;
}

enum class Outcome { drawn, not_installed };

/// Runs gnuplot on a script, in files rather than pipes, so that neither side can wait for the other.
Outcome run_gnuplot(const std::string& script) {
    const File in = temporary_file(), messages = temporary_file();
    if (std::fwrite(script.data(), 1, script.size(), in.get()) != script.size() || std::fflush(in.get()) != 0)
        throw DataError(fmt::format("gnuplot: cannot write the script: {}", std::system_category().message(errno)));
    std::rewind(in.get());

    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, fileno(in.get()), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, fileno(messages.get()), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, fileno(messages.get()), STDERR_FILENO);
    char name[] = "gnuplot", no_startup_files[] = "-d";
    char* arguments[] = {name, no_startup_files, nullptr};
    pid_t process = 0;
    const int failure = posix_spawnp(&process, name, &files, nullptr, arguments, environ);
    posix_spawn_file_actions_destroy(&files);
    if (failure == ENOENT || failure == EACCES || failure == ENOTDIR) return Outcome::not_installed;
    if (failure != 0) throw DataError(fmt::format("gnuplot: {}", std::system_category().message(failure)));

    int status = 0;
    while (waitpid(process, &status, 0) < 0) {
        if (errno != EINTR) throw DataError(fmt::format("gnuplot: {}", std::system_category().message(errno)));
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        throw DataError(fmt::format("gnuplot failed: {}", contents(messages.get())));
    return Outcome::drawn;
}

void make_folder(const std::filesystem::path& path) {
    if (!path.has_parent_path()) return;
    std::error_code failure;
    std::filesystem::create_directories(path.parent_path(), failure);
    if (failure)
        throw DataError(fmt::format("{}: cannot make the folder: {}", path.parent_path().string(), failure.message()));
}

void put_in_place(const std::filesystem::path& from, const std::filesystem::path& to) {
    std::error_code failure;
    std::filesystem::rename(from, to, failure);
    if (failure) throw DataError(fmt::format("{}: cannot be written: {}", to.string(), failure.message()));
}

std::filesystem::path unfinished(const std::filesystem::path& path) {
    return path.string() + fmt::format(".{}.part", getpid());
}

}  // namespace

Index text_width(const std::string& text, double size) {
    return static_cast<Index>(0.6 * size * static_cast<double>(text.size())) + 1;
}

std::string quoted(const std::string& text) {
    std::string result = "'";
    for (char c : text) {
        if (c == '\'') result += '\'';
        result += static_cast<unsigned char>(c) < 32 || c == 127 ? ' ' : c;
    }
    return result + "'";
}

std::string csv_cell(const std::string& text) {
    if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
    std::string result = "\"";
    for (char c : text) {
        if (c == '"') result += '"';
        result += c;
    }
    return result + "\"";
}

void write_text(const std::filesystem::path& path, const std::string& text) {
    make_folder(path);
    const std::filesystem::path part = unfinished(path);
    std::ofstream out(part, std::ios::binary);
    out << text;
    out.close();
    if (!out) throw DataError(fmt::format("{}: cannot be written", path.string()));
    put_in_place(part, path);
}

Figure::Figure(std::filesystem::path path, Index width, Index height, Where where)
    : path_(std::move(path)), width_(width), height_(height), svg_(path_.extension() == ".svg") {
    check(svg_ || path_.extension() == ".png",
          fmt::format("picture: the file's name must end in .svg or .png: {}", path_.string()), where);
    add("set encoding utf8");
    if (svg_) {
        add(fmt::format("set terminal svg noenhanced size {},{} background 'white' font 'sans-serif,13'", width,
                        height));
    } else {
        add(fmt::format(
            "if (strstrt(GPVAL_TERMINALS, ' pngcairo ') > 0) {{ set terminal pngcairo noenhanced size {0},{1} "
            "font 'Sans,10' }} else {{ set terminal png noenhanced truecolor size {0},{1} }}",
            width, height));
    }
}

void Figure::add(const std::string& line) { script_ += line + "\n"; }

std::string Figure::font(double size) const {
    return fmt::format("font ',{:.3g}'", svg_ ? size : size * 10 / 13);  // gnuplot's PNG counts points
}

void Figure::text(double x, double y, const std::string& text, double size, const std::string& style) {
    add(fmt::format("set label {} at screen {:.6f},{:.6f} front {} {}", quoted(text), x / static_cast<double>(width_),
                    1 - y / static_cast<double>(height_), style, font(size)));
}

void Figure::canvas() {
    add("unset key; unset tics; unset border; unset colorbox");
    add("set lmargin at screen 0; set rmargin at screen 1; set bmargin at screen 0; set tmargin at screen 1");
    add(fmt::format("set xrange [0:{}]; set yrange [{}:0]", width_, height_));
}

bool Figure::draw(const std::string& csv) {
    make_folder(path_);
    const std::filesystem::path part = unfinished(path_);
    const std::string script = fmt::format("set output {}\n{}set output\n", quoted(part.string()), script_);
    if (run_gnuplot(script) == Outcome::drawn) {
        put_in_place(part, path_);
        return true;
    }
    auto table = path_;
    write_text(table.replace_extension(".csv"), csv);
    static std::atomic<bool> said{false};
    if (!said.exchange(true))
        std::cerr << "gnuplot is not installed: instead of pictures their numbers are written as .csv\n";
    return false;
}

}  // namespace xtape::optim
