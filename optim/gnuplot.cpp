#include <xtape/optim/gnuplot.hpp>

#include <atomic>
#include <iostream>

#include <fmt/format.h>

#include <xtape/autograd/atomic_file.hpp>
#include <xtape/autograd/program.hpp>
#include <xtape/optim/check.hpp>

namespace xtape::optim {
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
    make_folders_of(path_);
    AtomicFile file(path_);
    const std::string script = fmt::format("set output {}\n{}set output\n", quoted(file.temporary().string()), script_);
    if (run_program({"gnuplot", "-d"}, script)) {  // -d: without the user's start-up files
        file.commit();
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
