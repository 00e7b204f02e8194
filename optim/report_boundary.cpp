#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <utility>

#include <fmt/format.h>

#include <xtape/optim/check.hpp>
#include <xtape/optim/gnuplot.hpp>
#include <xtape/optim/report.hpp>

namespace xtape::optim {
namespace {

constexpr const char* border_style = "linewidth 2 linecolor rgb '#222222'";
constexpr const char* colours[] = {"#08519c", "#a63603", "#238b45", "#6a51a3", "#636363", "#c51b8a", "#8c6d31"};

struct Frame {
    double low[2] = {INFINITY, INFINITY};
    double high[2] = {-INFINITY, -INFINITY};

    double at(int axis, Index cell, Index cells) const {
        return low[axis] + (high[axis] - low[axis]) * static_cast<double>(cell) / static_cast<double>(cells - 1);
    }
};

Frame frame_around(const Array& points, Where where) {
    Frame frame;
    for (Index i = 0; i < points.size(); ++i) {
        check(std::isfinite(points.at(i)), fmt::format("draw_boundaries: a coordinate is {}", points.at(i)), where);
        frame.low[i % 2] = std::min(frame.low[i % 2], points.at(i));
        frame.high[i % 2] = std::max(frame.high[i % 2], points.at(i));
    }
    for (int axis = 0; axis < 2; ++axis) {
        const double margin = std::max(0.08 * (frame.high[axis] - frame.low[axis]), 1e-6);
        frame.low[axis] -= margin;
        frame.high[axis] += margin;
    }
    return frame;
}

/// The probability at every cell of the frame, row by row from below.
Array field_of(const Probability& probability, const Frame& frame, Index cells, DType dtype, Where where) {
    Array grid = Array::uninitialized({cells * cells, 2}, dtype);
    dispatch(dtype, [&](auto tag) {
        using T = decltype(tag);
        T* out = grid.mutable_data<T>();
        for (Index i = 0; i < cells * cells; ++i) {
            out[2 * i] = static_cast<T>(frame.at(0, i % cells, cells));
            out[2 * i + 1] = static_cast<T>(frame.at(1, i / cells, cells));
        }
    });
    const NoGrad constant;
    const Array field = probability(Variable(std::move(grid))).array();
    if (field.size() != cells * cells)
        throw ShapeError(
            fmt::format("draw_boundaries: probability of {} points gave {}", cells * cells, to_string(field.shape())),
            where);
    return field;
}

/// The points of each class as a block of gnuplot's, and all as CSV.
struct Points {
    std::map<long, std::string> classes;
    std::string csv = "x,y,label\n";

    Points(const Array& points, const Array& labels, Where where) {
        const bool fits = points && labels && points.rank() == 2 && points.shape(1) == 2 && points.size() > 0 &&
                          labels.size() == points.shape(0);
        if (!fits)
            throw ShapeError(fmt::format("draw_boundaries: needs points (n, 2) and n labels: {}, {}",
                                         points ? to_string(points.shape()) : "nothing",
                                         labels ? to_string(labels.shape()) : "nothing"),
                             where);
        for (Index i = 0; i < points.shape(0); ++i) {
            const double x = points.at(2 * i), y = points.at(2 * i + 1);
            check(std::abs(labels.at(i)) < 1e9, fmt::format("draw_boundaries: label {} is {}", i, labels.at(i)), where);
            const long label = std::lround(labels.at(i));
            classes[label] += fmt::format("{:.7g} {:.7g}\n", x, y);
            csv += fmt::format("{:.7g},{:.7g},{}\n", x, y, label);
        }
    }
};

/// The probability over a panel, and its line at 1/2, as the first parts of its `plot`.
std::string add_field(Figure& figure, const Array& field, const Frame& frame, Index cells, std::size_t panel) {
    std::string grid;
    for (Index i = 0; i < field.size(); ++i) {
        grid += fmt::format("{:.6g} {:.6g} {:.4g}\n", frame.at(0, i % cells, cells), frame.at(1, i / cells, cells),
                            field.at(i));
        if ((i + 1) % cells == 0) grid += "\n";
    }
    figure.add(fmt::format("$field{} << END\n{}END", panel, grid));
    figure.add(
        fmt::format("set contour base; set cntrparam levels discrete 0.5; unset surface; set table $line{}", panel));
    figure.add(fmt::format("splot $field{} using 1:2:3", panel));
    figure.add("unset table; unset contour; set surface");
    return fmt::format("$field{0} using 1:2:3 with image notitle, "
                       "$line{0} using 1:2 with lines {1} notitle, ",
                       panel, border_style);
}

std::string point_style(std::size_t number, double size) {
    return fmt::format("with points pointtype 7 pointsize {} linecolor rgb '{}'", size,
                       colours[number % std::size(colours)]);
}

/// Three or four, whichever leaves less room empty.
Index columns_for(Index panels) { return (4 - panels % 4) % 4 < (3 - panels % 3) % 3 ? 4 : 3; }

/// Where the panels of a picture stand, in pixels.
struct Grid {
    Index columns, rows, width, height;
    bool titles;

    Index pitch_x() const { return width + 66; }
    Index pitch_y() const { return height + (titles ? 74 : 54); }
    Index left(Index panel) const { return 64 + panel % columns * pitch_x(); }
    Index top(Index panel) const { return (titles ? 84 : 64) + panel / columns * pitch_y(); }
};

/// One legend for all panels, in the line below the title, and one scale of colours beside the first row.
void add_legend(Figure& figure, const Points& set, bool fields) {
    figure.add(
        "set lmargin at screen 0; set rmargin at screen 1; set size noratio; unset border; unset tics; unset colorbox");
    figure.add("unset xlabel; unset ylabel; unset title; set xrange [0:1]; set yrange [0:1]");
    figure.add(fmt::format("set tmargin at screen {:.6f}; set bmargin at screen {:.6f}",
                           1 - 30 / static_cast<double>(figure.height()),
                           1 - 54 / static_cast<double>(figure.height())));
    figure.add("set key inside center center horizontal");
    std::string plot = "plot ", separator;
    if (fields) {
        plot += fmt::format("NaN with lines {} title 'probability 1/2'", border_style);
        separator = ", ";
    }
    std::size_t number = 0;
    for (const auto& each : set.classes) {
        plot += fmt::format("{}NaN {} title 'class {}'", separator, point_style(number++, 0.8), each.first);
        separator = ", ";
    }
    figure.add(plot);
}

}  // namespace

bool draw_boundaries(const Array& points, const Array& labels, const std::vector<Boundary>& boundaries,
                     const std::filesystem::path& path, const std::string& title, Index columns, Where where) {
    const auto panels = static_cast<Index>(boundaries.size());
    check(panels > 0, "draw_boundaries: there are no boundaries", where);
    check(columns >= 0, fmt::format("draw_boundaries: columns must not be negative: {}", columns), where);
    const Points set(points, labels, where);
    const Frame frame = frame_around(points, where);
    const double shape = (frame.high[1] - frame.low[1]) / (frame.high[0] - frame.low[0]);
    const bool any_title =
        std::any_of(boundaries.begin(), boundaries.end(), [](const Boundary& b) { return !b.title.empty(); });
    const bool fields = std::any_of(boundaries.begin(), boundaries.end(),
                                    [](const Boundary& b) { return static_cast<bool>(b.probability); });
    const bool to_scale = shape > 0.3 && shape < 3;  // a circle looks like one
    const Index side = panels == 1 ? 440 : panels == 2 ? 330 : 250;
    const Index height = to_scale && shape < 1 ? static_cast<Index>(shape * static_cast<double>(side)) : side;
    Grid grid{std::min(columns > 0 ? columns : columns_for(panels), panels), 1, side, height, any_title};
    grid.rows = (panels + grid.columns - 1) / grid.columns;

    Figure figure(path, std::max<Index>(grid.left(0) + grid.columns * grid.pitch_x() + (fields ? 60 : 0), 440),
                  grid.top(0) + grid.rows * grid.pitch_y(), where);
    const auto screen_x = [&](Index x) { return static_cast<double>(x) / static_cast<double>(figure.width()); };
    const auto screen_y = [&](Index y) { return 1 - static_cast<double>(y) / static_cast<double>(figure.height()); };
    if (!title.empty()) figure.text(static_cast<double>(figure.width()) / 2, 18, title, 15);
    figure.add(fmt::format("set xrange [{:.9g}:{:.9g}]; set yrange [{:.9g}:{:.9g}]", frame.low[0], frame.high[0],
                           frame.low[1], frame.high[1]));
    figure.add("set xlabel 'x_0' offset 0,0.4; set ylabel 'x_1' offset 1.5,0; set tics out nomirror");
    figure.add("set border linecolor rgb '#444444'; set palette defined (0 '#6baed6', 0.5 '#f7f7f7', 1 '#fd8d3c')");
    figure.add("set cbrange [0:1]; set cblabel 'probability of class 1'; set cbtics 0.25");
    if (to_scale) figure.add("set size ratio -1");
    std::string classes;
    std::size_t number = 0;
    for (const auto& each : set.classes) {
        figure.add(fmt::format("$class{} << END\n{}END", number, each.second));
        classes += fmt::format("{}$class{} {} notitle", number ? ", " : "", number,
                               point_style(number, panels == 1 ? 0.5 : 0.3));
        ++number;
    }

    figure.add("set multiplot; unset key");
    bool scaled = false;
    for (Index i = 0; i < panels; ++i) {
        const Boundary& boundary = boundaries[static_cast<std::size_t>(i)];
        const Index left = grid.left(i), top = grid.top(i), cells = panels == 1 ? 160 : 100;
        std::string plot = "plot ";
        if (boundary.probability)
            plot += add_field(figure, field_of(boundary.probability, frame, cells, points.dtype(), where), frame, cells,
                              static_cast<std::size_t>(i));
        figure.add(fmt::format("set lmargin at screen {:.6f}; set rmargin at screen {:.6f}", screen_x(left),
                               screen_x(left + grid.width)));
        figure.add(fmt::format("set tmargin at screen {:.6f}; set bmargin at screen {:.6f}", screen_y(top),
                               screen_y(top + grid.height)));
        figure.add(fmt::format("set title {} offset 0,-0.5 {}", quoted(boundary.title), figure.font(13)));
        const bool first_field = boundary.probability && !std::exchange(scaled, true);
        figure.add(first_field
                       ? fmt::format("set colorbox user origin screen {:.6f},{:.6f} size screen {:.6f},{:.6f}",
                                     screen_x(grid.left(0) + grid.columns * grid.pitch_x() - 40),
                                     screen_y(grid.top(0) + grid.height), screen_x(14), 1 - screen_y(grid.height))
                       : std::string("unset colorbox"));
        figure.add(plot + classes);
        figure.add("unset label");  // the title stands once
    }
    add_legend(figure, set, fields);
    figure.add("unset multiplot");
    return figure.draw(set.csv);
}

bool draw_boundary(const Array& points, const Array& labels, const Probability& probability,
                   const std::filesystem::path& path, const std::string& title, Where where) {
    return draw_boundaries(points, labels, {{"", probability}}, path, title, 1, where);
}

}  // namespace xtape::optim
