#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <xtape/optim/check.hpp>
#include <xtape/optim/gnuplot.hpp>
#include <xtape/optim/landscape.hpp>

namespace xtape::optim {
namespace {

/// "first eigenvector (eigenvalue 3.1)".
std::string axis_name(const Landscape& landscape, std::size_t k) {
    const char* rank = k == 0 ? "first" : "second";
    if (landscape.along == Along::eigenvectors)
        return fmt::format("{} eigenvector (eigenvalue {:.3g})", rank, landscape.curvatures[k].largest);
    return fmt::format("{} direction{}", rank, landscape.along == Along::filters ? ", filters normalised" : "");
}

/// The lowest and the highest finite loss; equal where there is none or one.
std::pair<double, double> extremes(const std::vector<double>& losses) {
    double low = INFINITY, high = -INFINITY;
    for (const double loss : losses)
        if (std::isfinite(loss)) low = std::min(low, loss), high = std::max(high, loss);
    return low <= high ? std::pair(low, high) : std::pair(0.0, 0.0);
}

std::string number_or_gap(double value) { return std::isfinite(value) ? fmt::format("{:.9g}", value) : "NaN"; }

/// Labels for a logarithmic axis: 1, 2 and 5 times the powers of ten, or those alone where there are more than two.
std::string logarithmic_ticks(double low, double high) {
    std::string ticks;
    for (double power = std::pow(10, std::floor(std::log10(low))); power <= high; power *= 10)
        for (const double tick : {power, 2 * power, 5 * power})
            if (tick >= low && tick <= high && (tick == power || high < 1000 * low))
                ticks += fmt::format("{}'{:.3g}' {:.9g}", ticks.empty() ? "" : ", ", tick, tick);
    return ticks;
}

void add_title(Figure& figure, const Landscape& landscape, const std::string& title) {
    std::string text = title.empty() ? "" : title + ": ";
    text += fmt::format("loss {:.4g}", landscape.loss());
    if (!landscape.curvatures.empty()) text += fmt::format(", sharpness {:.4g}", landscape.sharpness());
    figure.text(static_cast<double>(figure.width()) / 2, 22, text, 15);
}

void add_line(Figure& figure, const Landscape& landscape) {
    figure.add("set lmargin at screen 0.13; set rmargin at screen 0.96; set bmargin at screen 0.14");
    figure.add("set tmargin at screen 0.9");
    figure.add("set border 3 linecolor rgb '#444444'; set tics nomirror; set grid linecolor rgb '#dddddd'");
    figure.add(fmt::format("set xlabel {}; set ylabel 'loss' offset 1,0; set key opaque top center",
                           quoted("step along the " + axis_name(landscape, 0))));
    figure.add(fmt::format("set xrange [{:.9g}:{:.9g}]", landscape.steps.front(), landscape.steps.back()));
    const auto [low, high] = extremes(landscape.losses);
    const double room = std::max(high - low, 1e-3 * std::abs(low) + 1e-12);
    figure.add(fmt::format("set yrange [{:.9g}:{:.9g}]", low - 0.06 * room, high + 0.15 * room));

    const std::size_t middle = landscape.steps.size() / 2;
    const double spacing = landscape.steps[middle + 1];
    const double slope = (landscape.losses[middle + 1] - landscape.losses[middle - 1]) / (2 * spacing);
    const bool parabola = landscape.along == Along::eigenvectors;
    figure.add("$loss << END");
    for (std::size_t i = 0; i < landscape.steps.size(); ++i) {
        const double step = landscape.steps[i];
        const double model = landscape.loss() + slope * step + 0.5 * landscape.sharpness() * step * step;
        figure.add(fmt::format("{:.9g} {} {}", step, number_or_gap(landscape.losses[i]),
                               number_or_gap(parabola ? model : NAN)));
    }
    figure.add("END");
    std::string plot = "plot ";
    if (parabola)
        plot += "$loss using 1:3 with lines dashtype 2 linewidth 1.5 linecolor rgb '#d55e00' title 'parabola of its "
                "slope and curvature', ";
    plot += "$loss using 1:2 with lines linewidth 2.5 linecolor rgb '#0072b2' title 'loss', ";
    plot += fmt::format("'+' every ::0::0 using (0.0):({:.9g}) with points pointtype 7 pointsize 1 linecolor rgb "
                        "'#222222' title 'parameters as they are'",
                        landscape.loss());
    figure.add(plot);
}

void add_plane(Figure& figure, const Landscape& landscape) {
    const auto [low, high] = extremes(landscape.losses);
    const bool logarithmic = low > 0 && high > 10 * low;
    const std::size_t size = landscape.steps.size();
    std::string grid;
    for (std::size_t i = 0; i < landscape.losses.size(); ++i) {
        grid += fmt::format("{:.9g} {:.9g} {}\n", landscape.steps[i % size], landscape.steps[i / size],
                            number_or_gap(landscape.losses[i]));
        if ((i + 1) % size == 0) grid += "\n";
    }
    figure.add("$loss << END\n" + grid + "END");

    // Heights at equal distances, or in equal ratios, between the lowest and the highest.
    constexpr int heights = 14;
    std::string levels;
    for (int i = 1; i < heights; ++i) {
        const double part = static_cast<double>(i) / heights;
        const double level = logarithmic ? low * std::pow(high / low, part) : low + (high - low) * part;
        levels += fmt::format("{}{:.9g}", levels.empty() ? "" : ",", level);
    }
    const bool flat = !(high > low);
    if (!flat) {
        figure.add("set contour base; set cntrparam cubicspline; set cntrparam points 8");
        figure.add(fmt::format("set cntrparam levels discrete {}; unset surface; set table $heights", levels));
        figure.add("splot $loss using 1:2:3");
        figure.add("unset table; unset contour; set surface");
    }

    const double reach = landscape.steps.back();
    figure.add("set palette defined (0 '#352a87', 0.25 '#0f7fd6', 0.5 '#2ab7a4', 0.75 '#d9ba57', 1 '#f9fb0e')");
    figure.add("set border linecolor rgb '#444444'; set tics out nomirror; unset key");
    figure.add(fmt::format("set xrange [{0:.9g}:{1:.9g}]; set yrange [{0:.9g}:{1:.9g}]", -reach, reach));
    if (!flat) figure.add(fmt::format("set zrange [{0:.9g}:{1:.9g}]; set cbrange [{0:.9g}:{1:.9g}]", low, high));
    if (logarithmic) {
        const std::string ticks = logarithmic_ticks(low, high);
        figure.add(fmt::format("set logscale zcb; set ztics ({0}); set cbtics ({0})", ticks));
    }

    figure.add("set multiplot");
    figure.add("set lmargin 0; set rmargin 0; set bmargin 0; set tmargin 0; set origin 0.045,0.05; set size 0.42,0.86");
    figure.add(
        "set view 58,35,1.1,1.25; set pm3d depthorder interpolate 2,2 border linecolor rgb '#30303060' linewidth 0.3");
    figure.add("set xyplane relative 0.02; set xtics offset -0.4,-0.3; set ytics offset 0.6,-0.3; unset colorbox");
    figure.add("splot $loss using 1:2:3 with pm3d");
    figure.add("unset label; set xtics offset 0,0; set ytics offset 0,0; set origin 0,0; set size 1,1");

    figure.add("set lmargin at screen 0.55; set rmargin at screen 0.89; set bmargin at screen 0.13; set tmargin at "
               "screen 0.9");
    figure.add(fmt::format("set xlabel {}; set ylabel {} offset 1,0", quoted(axis_name(landscape, 0)),
                           quoted(axis_name(landscape, 1))));
    figure.add("set colorbox user origin screen 0.905,0.13 size screen 0.016,0.77; set cblabel 'loss' offset 0.5,0");
    std::string plot = "plot $loss using 1:2:3 with image, ";
    if (!flat) plot += "$heights using 1:2 with lines linewidth 0.8 linecolor rgb '#303030', ";
    figure.add(plot + "'+' every ::0::0 using (0.0):(0.0) with points pointtype 2 pointsize 1.3 linewidth 2.5 "
                      "linecolor rgb '#d62728'");
    figure.add("unset multiplot");
}

}  // namespace

bool Landscape::draw(const std::filesystem::path& path, const std::string& title, Where where) const {
    check(!losses.empty(), "landscape: there is nothing to draw", where);
    Figure figure(path, dimensions == 1 ? 640 : 1000, dimensions == 1 ? 420 : 440, where);
    add_title(figure, *this, title);
    dimensions == 1 ? add_line(figure, *this) : add_plane(figure, *this);
    std::filesystem::path table = path;
    write_text(table.replace_extension(".csv"), csv());
    return figure.draw(csv());
}

}  // namespace xtape::optim
