#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <xtape/optim/check.hpp>
#include <xtape/optim/gnuplot.hpp>
#include <xtape/optim/report.hpp>

namespace xtape::optim {
namespace {

/// The smallest square that holds n, filled row by row, is this wide.
Index columns_for(Index n) { return static_cast<Index>(std::ceil(std::sqrt(static_cast<double>(n)))); }

/// Grey values of a whole sheet, one for each pixel of the picture: viewers smooth an image that they enlarge, so every
/// element is enlarged here.
class Raster {
public:
    Raster(Index width, Index height, double background)
        : width_(width), values_(static_cast<std::size_t>(width * height), background) {}

    /// Elements [first, first + rows columns) of an array as squares of `scale` pixels.
    void paint(Index left, Index top, Index scale, const Array& array, Index first, Index rows, Index columns) {
        for (Index y = 0; y < rows * scale; ++y) {
            for (Index x = 0; x < columns * scale; ++x) {
                const double value = array.at(first + y / scale * columns + x / scale);
                if (std::isfinite(value)) values_[static_cast<std::size_t>((top + y) * width_ + left + x)] = value;
            }
        }
    }

    void add_to(Figure& figure) const {
        fmt::memory_buffer text;
        auto out = std::back_inserter(text);
        fmt::format_to(out, "$raster << END\n");
        for (std::size_t i = 0; i < values_.size(); ++i)
            fmt::format_to(out, "{:.4g}{}", values_[i], (i + 1) % static_cast<std::size_t>(width_) ? ' ' : '\n');
        fmt::format_to(out, "END");
        figure.add(fmt::to_string(text));
        figure.add("plot $raster matrix using ($1+0.5):($2+0.5):3 with image");
    }

private:
    Index width_;
    std::vector<double> values_;
};

struct Range {
    double low = INFINITY;
    double high = -INFINITY;

    void include(const Array& array) {
        for (Index i = 0; i < array.size(); ++i) {
            if (!std::isfinite(array.at(i))) continue;
            low = std::min(low, array.at(i));
            high = std::max(high, array.at(i));
        }
    }
};

/// Breaks a text at line ends, and at spaces into lines of at most `letters`.
std::vector<std::string> lines_of(const std::string& text, std::size_t letters) {
    std::vector<std::string> lines{""};
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find_first_of(" \n", begin), text.size());
        const std::string word = text.substr(begin, end - begin);
        const bool fits = lines.back().empty() || lines.back().size() + 1 + word.size() <= letters;
        if (!fits || (begin > 0 && text[begin - 1] == '\n')) lines.emplace_back();
        lines.back() += (lines.back().empty() ? "" : " ") + word;
        begin = end + 1;
    }
    return lines;
}

std::string csv_row(const std::string& name, const Array& array, Index first, Index count) {
    std::string text = csv_cell(name);
    for (Index i = 0; i < count; ++i) text += fmt::format(",{:.7g}", array.at(first + i));
    return text + "\n";
}

}  // namespace

bool draw_contact_sheet(const std::vector<Tile>& tiles, const std::filesystem::path& path, const std::string& title,
                        Index columns, Where where) {
    const auto n = static_cast<Index>(tiles.size());
    check(n > 0, "draw_contact_sheet: there are no tiles", where);
    check(columns >= 0, fmt::format("draw_contact_sheet: columns must not be negative: {}", columns), where);
    if (columns == 0) columns = columns_for(n);

    Range range;
    Index height = 1, width = 1;
    for (const Tile& tile : tiles) {
        check(static_cast<bool>(tile.image), "draw_contact_sheet: a tile has no image", where);
        const Shape& shape = tile.image.shape();
        if (!(shape.rank() == 2 || (shape.rank() == 3 && shape[0] == 1)) || shape.count() == 0)
            throw ShapeError(fmt::format("draw_contact_sheet: needs (H, W) or (1, H, W): {}", to_string(shape)), where);
        height = std::max(height, tile.image.shape(-2));
        width = std::max(width, tile.image.shape(-1));
        range.include(tile.image);
    }
    if (!(range.low < range.high)) range = {std::min(range.low, 0.0), std::max(range.low, 0.0) + 1};

    const Index scale = std::max<Index>(1, 112 / std::max(height, width));
    const Index line = 15, pitch_x = std::max<Index>(width * scale, 112) + 26;
    std::vector<std::vector<std::string>> titles;
    std::size_t title_lines = 0;
    for (const Tile& tile : tiles) {
        titles.push_back(lines_of(tile.title, static_cast<std::size_t>(pitch_x * 2 / 13)));
        title_lines = std::max(title_lines, tile.title.empty() ? 0 : titles.back().size());
    }
    const Index text_height = static_cast<Index>(title_lines) * line;
    const Index pitch_y = height * scale + text_height + 16, top = title.empty() ? 8 : 40;

    Figure figure(path, std::max(columns * pitch_x + 12, text_width(title, 15) + 20),
                  (n + columns - 1) / columns * pitch_y + top + 4, where);
    figure.canvas();
    if (!title.empty()) figure.text(static_cast<double>(figure.width()) / 2, 20, title, 15);
    Raster raster(figure.width(), figure.height(), range.high);
    std::string csv;
    for (Index i = 0; i < n; ++i) {
        const Tile& tile = tiles[static_cast<std::size_t>(i)];
        const Index h = tile.image.shape(-2), w = tile.image.shape(-1);
        const Index x = 6 + i % columns * pitch_x, y = top + i / columns * pitch_y;
        raster.paint(x + (pitch_x - w * scale) / 2, y + text_height + 4, scale, tile.image, 0, h, w);
        const auto& lines = titles[static_cast<std::size_t>(i)];
        for (std::size_t k = 0; k < lines.size(); ++k) {
            const auto row = static_cast<double>(title_lines - lines.size() + k);  // the last line stands at the image
            figure.text(static_cast<double>(2 * x + pitch_x) / 2, static_cast<double>(y) + (row + 0.5) * line, lines[k],
                        12);
        }
        csv += csv_row(tile.title, tile.image, 0, tile.image.size());
    }
    figure.add(fmt::format("set palette grey; set cbrange [{:.9g}:{:.9g}]", range.low, range.high));
    raster.add_to(figure);
    return figure.draw(csv);
}

bool draw_filters(const Array& weights, const std::filesystem::path& path, const std::string& title, Where where) {
    if (!weights || weights.rank() != 4 || weights.size() == 0)
        throw ShapeError(fmt::format("draw_filters: needs weights (K, C, h, w): {}",
                                     weights ? to_string(weights.shape()) : "nothing"),
                         where);
    const Index filters = weights.shape(0), channels = weights.shape(1), h = weights.shape(2), w = weights.shape(3);
    const bool square = channels == 1;
    const Index columns =
        square ? std::min<Index>({2 * columns_for((filters + 1) / 2), filters, 64}) : std::min<Index>(channels, 64);
    const Index rows = std::min<Index>(square ? (filters + columns - 1) / columns : filters, 64);

    const Index wanted = columns > 24          ? 20
                         : rows * columns > 36 ? 44
                         : rows * columns > 1  ? 72
                                               : 256;  // pixels of a kernel
    const Index scale = std::max<Index>(3, wanted / std::max(h, w));
    const Index pitch_x = w * scale + 6, pitch_y = h * scale + 6, top = title.empty() ? 10 : 42;
    Figure figure(path, std::max(columns * pitch_x + 100, text_width(title, 15) + 20),
                  std::max<Index>(rows * pitch_y, 90) + top + 8, where);
    figure.canvas();
    if (!title.empty()) figure.text(static_cast<double>(figure.width()) / 2, 20, title, 15);
    Range range;
    range.include(weights);
    const double limit = std::max({std::abs(range.low), std::abs(range.high), 1e-30});
    Raster raster(figure.width(), figure.height(), 0);
    std::string csv;
    for (Index row = 0; row < rows; ++row) {
        for (Index column = 0; column < columns; ++column) {
            const Index filter = square ? row * columns + column : row, channel = square ? 0 : column;
            if (filter >= filters) continue;
            const Index first = (filter * channels + channel) * h * w;
            const Index x = 10 + column * pitch_x, y = top + row * pitch_y;
            raster.paint(x, y, scale, weights, first, h, w);
            figure.add(fmt::format(
                "set object rectangle from {},{} to {},{} front fillstyle empty border linecolor rgb '#999999'", x, y,
                x + w * scale, y + h * scale));
            csv += csv_row(fmt::format("{}.{}", filter, channel), weights, first, h * w);
        }
    }
    const double bar = std::min(static_cast<double>(rows * pitch_y - 6), 260.0);
    figure.add("set palette defined (-1 '#2166ac', -0.5 '#92c5de', 0 'white', 0.5 '#f4a582', 1 '#b2182b')");
    figure.add(
        fmt::format("set cbrange [{0:.9g}:{1:.9g}]; set cbtics ('-{1:.2g}' {0:.9g}, '0' 0, '{1:.2g}' {1:.9g}) nomirror",
                    -limit, limit));
    figure.add(fmt::format("set colorbox vertical user origin screen {:.6f},{:.6f} size screen {:.6f},{:.6f}",
                           static_cast<double>(10 + columns * pitch_x + 8) / static_cast<double>(figure.width()),
                           1 - (static_cast<double>(top) + bar) / static_cast<double>(figure.height()),
                           12 / static_cast<double>(figure.width()), bar / static_cast<double>(figure.height())));
    raster.add_to(figure);
    return figure.draw(csv);
}

}  // namespace xtape::optim
