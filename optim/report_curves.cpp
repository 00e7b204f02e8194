#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <xtape/optim/check.hpp>
#include <xtape/optim/gnuplot.hpp>
#include <xtape/optim/report.hpp>

namespace xtape::optim {
namespace {

struct Curve {
    std::string name;
    const char* colour;
    double Epoch::*value;
};

bool has(const History& history, double Epoch::*value) {
    return std::any_of(history.epochs.begin(), history.epochs.end(),
                       [value](const Epoch& e) { return std::isfinite(e.*value); });
}

/// Whether there is a choice of epochs to mark.
bool marks_best(const History& history) {
    return has(history, &Epoch::validation_loss) && history.best > 0 && history.epochs.size() > 1;
}

/// One coordinate system, between two parts of the picture's width.
void add_panel(Figure& figure, const History& history, double left, double right, const std::string& name,
               const std::vector<Curve>& curves) {
    figure.add(fmt::format("set lmargin at screen {}; set rmargin at screen {}", left, right));
    figure.add(fmt::format("set ylabel {}", quoted(name)));
    std::string plot;
    for (std::size_t i = 0; i < curves.size(); ++i) {
        figure.add(fmt::format("$curve{} << END", i));
        for (const Epoch& e : history.epochs) {
            const double value = e.*curves[i].value;
            figure.add(std::isfinite(value) ? fmt::format("{} {:.9g}", e.number, value) : "");
        }
        figure.add("END");
        const char* style = history.epochs.size() > 60 ? "lines" : "linespoints pointtype 7 pointsize 0.5";
        plot += fmt::format("{}$curve{} with {} linewidth 2 linecolor rgb '{}' title {}", i ? ", " : "plot ", i, style,
                            curves[i].colour, quoted(curves[i].name));
    }
    if (marks_best(history))
        plot += ", NaN with lines dashtype 3 linewidth 1.5 linecolor rgb '#888888' title " +
                quoted("best " + history.period);
    figure.add(plot);
}

}  // namespace

bool draw_curves(const History& history, const std::filesystem::path& path, const std::string& title, Where where) {
    check(!history.epochs.empty(), "draw_curves: there are no epochs", where);
    const bool metric = has(history, &Epoch::metric) || has(history, &Epoch::validation_metric);
    Figure figure(path, metric ? 1000 : 560, 420, where);
    if (!title.empty()) figure.text(static_cast<double>(figure.width()) / 2, 22, title, 15);

    const Index first = history.epochs.front().number, last = history.epochs.back().number;
    figure.add("set multiplot");
    figure.add(fmt::format("set tmargin at screen {}; set bmargin at screen 0.14", title.empty() ? 0.95 : 0.9));
    figure.add("set border 3 linecolor rgb '#444444'; set tics nomirror; set grid linecolor rgb '#dddddd'");
    figure.add(fmt::format("set xlabel {}; set ylabel offset 1,0; set key opaque top right", quoted(history.period)));
    figure.add(first == last ? fmt::format("set xrange [{}:{}]; set xtics 1", first - 1, last + 1)
                             : fmt::format("set xrange [{}:{}]", first, last));
    if (first != last && last - first < 12) figure.add(fmt::format("set xtics {},1", first));
    if (marks_best(history))
        figure.add(
            fmt::format("set arrow from first {0}, graph 0 to first {0}, graph 1 nohead dashtype 3 linewidth 1.5 "
                        "linecolor rgb '#888888'",
                        history.best));

    std::vector<Curve> loss{{"train", "#0072b2", &Epoch::loss}};
    if (has(history, &Epoch::validation_loss)) loss.push_back({history.held_out, "#d55e00", &Epoch::validation_loss});
    add_panel(figure, history, metric ? 0.085 : 0.15, metric ? 0.475 : 0.96, "loss", loss);
    if (metric) {
        std::vector<Curve> curves;
        if (has(history, &Epoch::metric)) curves.push_back({"train", "#0072b2", &Epoch::metric});
        if (has(history, &Epoch::validation_metric))
            curves.push_back({history.held_out, "#d55e00", &Epoch::validation_metric});
        figure.add("unset label; set key bottom right");
        add_panel(figure, history, 0.585, 0.975, history.metric, curves);
    }
    figure.add("unset multiplot");
    return figure.draw(history.csv());
}

}  // namespace xtape::optim
