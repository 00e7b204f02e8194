#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include <xtape/autograd/casts.hpp>
#include <xtape/optim/check.hpp>
#include <xtape/optim/gnuplot.hpp>
#include <xtape/optim/report.hpp>

namespace xtape::optim {
namespace {

constexpr Index points = 401;
constexpr const char* colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};
constexpr const char* panels[] = {"value", "first derivative", "second derivative"};

/// The values of a function at x and its derivatives by the tape, as many as `orders`.
std::vector<Array> derivatives(const DrawnFunction& function, const Array& x, Index orders, Where where) {
    const AllowCasts casts;
    const Parameter at(x);
    Variable y = function.f(at);
    if (!y || y.shape() != x.shape())
        throw ShapeError(fmt::format("draw_functions: \"{}\" of {} gave {}: it must be element-wise", function.title,
                                     to_string(x.shape()), y ? to_string(y.shape()) : "nothing"),
                         where);
    std::vector<Array> result{y.array()};
    for (Index order = 1; order <= orders; ++order) {
        y = y.requires_grad() ? grad(sum(y), at, create_graph) : Variable(Array::filled(x.shape(), x.dtype(), 0));
        result.push_back(y.array());
    }
    return result;
}

}  // namespace

bool draw_functions(const std::vector<DrawnFunction>& functions, double low, double high,
                    const std::filesystem::path& path, const std::string& title, const std::string& argument,
                    Index orders, Where where) {
    check(!functions.empty(), "draw_functions: there are no functions", where);
    check(low < high && std::isfinite(low) && std::isfinite(high),
          fmt::format("draw_functions: must be low < high, both finite: {}, {}", low, high), where);
    check(orders >= 0 && orders <= 2, fmt::format("draw_functions: orders must be 0, 1 or 2: {}", orders), where);
    if (!recording()) throw TapeError("draw_functions: nothing is recorded while a NoGrad lives", where);

    Array x = Array::uninitialized({points}, float64);
    for (Index i = 0; i < points; ++i)
        x.mutable_data<double>()[i] = low + (high - low) * static_cast<double>(i) / static_cast<double>(points - 1);
    std::string csv = csv_cell(argument);
    std::vector<std::vector<Array>> curves;  // [function][order]
    for (const DrawnFunction& function : functions) {
        curves.push_back(derivatives(function, x, orders, where));
        for (Index order = 0; order <= orders; ++order)
            csv += "," + csv_cell(order == 0 ? function.title : fmt::format("{}, {}", function.title, panels[order]));
    }
    std::string rows;
    for (Index i = 0; i < points; ++i) {
        rows += fmt::format("{:.9g}", x.at(i));
        for (const auto& function : curves)
            for (const Array& curve : function) rows += fmt::format(" {:.9g}", curve.at(i));
        rows += "\n";
    }

    const Index width = 40 + 330 * (orders + 1);
    Figure figure(path, width, 400, where);
    const auto screen = [width](Index pixel) { return static_cast<double>(pixel) / static_cast<double>(width); };
    if (!title.empty()) figure.text(static_cast<double>(width) / 2, 22, title, 15);
    figure.add("$curves << END\n" + rows + "END");
    figure.add("set multiplot");
    figure.add("set tmargin at screen 0.8; set bmargin at screen 0.14");
    figure.add("set border 3 linecolor rgb '#444444'; set tics nomirror; set grid linecolor rgb '#dddddd'");
    figure.add(fmt::format("set xrange [{:.9g}:{:.9g}]; set xlabel {}; unset key", low, high, quoted(argument)));
    figure.add("set xzeroaxis linetype 1 linecolor rgb '#999999'");
    for (Index order = 0; order <= orders; ++order) {
        const Index left = 70 + 330 * order;
        figure.add(fmt::format("set lmargin at screen {:.6f}; set rmargin at screen {:.6f}", screen(left),
                               screen(left + 270)));
        figure.add(fmt::format("set title {} offset 0,-0.5", quoted(panels[order])));
        double lowest = INFINITY, highest = -INFINITY;
        for (const auto& function : curves)
            for (Index i = 0; i < points; ++i)
                if (const double y = function[static_cast<std::size_t>(order)].at(i); std::isfinite(y))
                    lowest = std::min(lowest, y), highest = std::max(highest, y);
        if (const double room = 0.05 * (highest - lowest); room > 0)
            figure.add(fmt::format("set yrange [{:.9g}:{:.9g}]", lowest - room, highest + room));
        else
            figure.add("set yrange [*:*]");
        std::string plot;
        for (std::size_t f = 0; f < functions.size(); ++f)
            plot += fmt::format("{}$curves using 1:{} with lines linewidth 2.2 linecolor rgb '{}' title {}",
                                f ? ", " : "plot ", 2 + static_cast<Index>(f) * (orders + 1) + order,
                                colours[f % std::size(colours)], quoted(functions[f].title));
        figure.add(plot);
        figure.add("unset label");  // the title stands once
    }
    // One legend for all panels, in the line below the title.
    figure.add(
        "set lmargin at screen 0; set rmargin at screen 1; set tmargin at screen 0.93; set bmargin at screen 0.87");
    figure.add("unset border; unset tics; unset xlabel; unset title; unset xzeroaxis; unset grid");
    figure.add("set xrange [0:1]; set yrange [0:1]; set key inside center center horizontal");
    std::string legend;
    for (std::size_t f = 0; f < functions.size(); ++f)
        legend += fmt::format("{}NaN with lines linewidth 2.2 linecolor rgb '{}' title {}", f ? ", " : "plot ",
                              colours[f % std::size(colours)], quoted(functions[f].title));
    figure.add(legend);
    figure.add("unset multiplot");
    std::replace(rows.begin(), rows.end(), ' ', ',');
    return figure.draw(csv + "\n" + rows);
}

}  // namespace xtape::optim
