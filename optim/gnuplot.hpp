#pragma once

#include <filesystem>
#include <string>

#include <xtape/autograd/atomic_file.hpp>
#include <xtape/autograd/shape.hpp>

/// Pictures by gnuplot, which runs as a process of its own; where it is not installed, the numbers are written instead.
namespace xtape::optim {

/// A picture in the making: collects a gnuplot script, then has it drawn. Coordinates are pixels from the top left
/// corner.
class Figure {
public:
    /// `path` ends in .svg or .png; ValueError otherwise. Size in pixels.
    Figure(std::filesystem::path path, Index width, Index height, Where where);

    Index width() const { return width_; }
    Index height() const { return height_; }

    /// A line of gnuplot.
    void add(const std::string& line);
    /// Text with its anchor at a pixel; `size` in pixels, `style` any further words of gnuplot's `set label`.
    void text(double x, double y, const std::string& text, double size = 13, const std::string& style = "center");
    /// A font clause of `size` pixels, as gnuplot's `font ',10'`.
    std::string font(double size) const;
    /// Whole picture as one coordinate system in pixels, y downwards, without axes; images go in with `plot`.
    void canvas();

    /// Runs gnuplot and puts the file in place; makes its folder. Where gnuplot is not installed it writes `csv`
    /// beside, under the same name with the ending .csv, says so once on standard error, and returns false. Throws
    /// DataError with gnuplot's words when it fails, or when a file cannot be written.
    bool draw(const std::string& csv);

private:
    std::filesystem::path path_;
    Index width_;
    Index height_;
    bool svg_;
    std::string script_;
};

/// About how many pixels wide a text of `size` pixels is.
Index text_width(const std::string& text, double size);

/// A text as a gnuplot string: quotes doubled, line ends and other control characters replaced by spaces.
std::string quoted(const std::string& text);

/// A text as a cell of a CSV file: in quotes when it holds a comma, a quote or a line end.
std::string csv_cell(const std::string& text);

}  // namespace xtape::optim
