#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>

#include <fmt/format.h>

#include <xtape/optim/check.hpp>
#include <xtape/optim/gnuplot.hpp>
#include <xtape/optim/report.hpp>

namespace xtape::optim {
namespace {

constexpr Index cells = 160;  // of the field, along each side

struct Frame {
    double low[2] = {INFINITY, INFINITY};
    double high[2] = {-INFINITY, -INFINITY};

    double at(int axis, Index cell) const {
        return low[axis] + (high[axis] - low[axis]) * static_cast<double>(cell) / static_cast<double>(cells - 1);
    }
};

Frame frame_around(const Array& points, Where where) {
    Frame frame;
    for (Index i = 0; i < points.size(); ++i) {
        check(std::isfinite(points.at(i)), fmt::format("draw_boundary: a coordinate is {}", points.at(i)), where);
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
Array field_of(const std::function<Variable(const Variable&)>& probability, const Frame& frame, DType dtype,
               Where where) {
    Array grid = Array::uninitialized({cells * cells, 2}, dtype);
    dispatch(dtype, [&](auto tag) {
        using T = decltype(tag);
        T* out = grid.mutable_data<T>();
        for (Index i = 0; i < cells * cells; ++i) {
            out[2 * i] = static_cast<T>(frame.at(0, i % cells));
            out[2 * i + 1] = static_cast<T>(frame.at(1, i / cells));
        }
    });
    const NoGrad constant;
    const Array field = probability(Variable(std::move(grid))).array();
    if (field.size() != cells * cells)
        throw ShapeError(
            fmt::format("draw_boundary: probability of {} points gave {}", cells * cells, to_string(field.shape())),
            where);
    return field;
}

}  // namespace

bool draw_boundary(const Array& points, const Array& labels,
                   const std::function<Variable(const Variable&)>& probability, const std::filesystem::path& path,
                   const std::string& title, Where where) {
    const bool fits = points && labels && points.rank() == 2 && points.shape(1) == 2 && points.size() > 0 &&
                      labels.size() == points.shape(0);
    if (!fits)
        throw ShapeError(fmt::format("draw_boundary: needs points (n, 2) and n labels: {}, {}",
                                     points ? to_string(points.shape()) : "nothing",
                                     labels ? to_string(labels.shape()) : "nothing"),
                         where);
    const Frame frame = frame_around(points, where);
    std::string csv = "x,y,label\n";
    std::map<long, std::string> classes;  // label -> its points
    for (Index i = 0; i < points.shape(0); ++i) {
        const double x = points.at(2 * i), y = points.at(2 * i + 1);
        check(std::abs(labels.at(i)) < 1e9, fmt::format("draw_boundary: label {} is {}", i, labels.at(i)), where);
        const long label = std::lround(labels.at(i));
        classes[label] += fmt::format("{:.7g} {:.7g}\n", x, y);
        csv += fmt::format("{:.7g},{:.7g},{}\n", x, y, label);
    }

    Figure figure(path, 680, 560, where);
    figure.add(fmt::format("set title {} {}", quoted(title), figure.font(15)));
    figure.add(fmt::format("set xrange [{:.9g}:{:.9g}]; set yrange [{:.9g}:{:.9g}]", frame.low[0], frame.high[0],
                           frame.low[1], frame.high[1]));
    figure.add("set xlabel 'x_0'; set ylabel 'x_1'; set tics out nomirror; set border linecolor rgb '#444444'");
    figure.add("set key outside center top horizontal");
    const double shape = (frame.high[1] - frame.low[1]) / (frame.high[0] - frame.low[0]);
    if (shape > 0.3 && shape < 3) figure.add("set size ratio -1");  // a circle looks like one
    std::string plot = "plot ";
    if (probability) {
        const Array field = field_of(probability, frame, points.dtype(), where);
        std::string grid;
        for (Index i = 0; i < field.size(); ++i) {
            grid += fmt::format("{:.6g} {:.6g} {:.4g}\n", frame.at(0, i % cells), frame.at(1, i / cells), field.at(i));
            if ((i + 1) % cells == 0) grid += "\n";
        }
        figure.add("$field << END\n" + grid + "END");
        figure.add("set contour base; set cntrparam levels discrete 0.5; unset surface; set table $line");
        figure.add("splot $field using 1:2:3");
        figure.add("unset table; unset contour; set surface");
        figure.add("set palette defined (0 '#6baed6', 0.5 '#f7f7f7', 1 '#fd8d3c'); set cbrange [0:1]");
        figure.add("set cblabel 'probability of class 1'; set cbtics 0.25");
        plot += "$field using 1:2:3 with image notitle, ";
        plot += "$line using 1:2 with lines linewidth 2 linecolor rgb '#222222' title 'probability 1/2', ";
    }
    static const char* const colours[] = {"#08519c", "#a63603", "#238b45", "#6a51a3", "#636363", "#c51b8a", "#8c6d31"};
    std::size_t number = 0;
    for (const auto& [label, rows] : classes) {
        figure.add(fmt::format("$class{} << END\n{}END", number, rows));
        plot += fmt::format("{}$class{} with points pointtype 7 pointsize 0.5 linecolor rgb '{}' title 'class {}'",
                            number ? ", " : "", number, colours[number % std::size(colours)], label);
        ++number;
    }
    figure.add(plot);
    return figure.draw(csv);
}

}  // namespace xtape::optim
