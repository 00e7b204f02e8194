#include <algorithm>

#include <fmt/format.h>

#include <xtape/optim/check.hpp>
#include <xtape/optim/gnuplot.hpp>
#include <xtape/optim/report.hpp>

namespace xtape::optim {
namespace {

Shape shape_of(const IntArray& array) { return Shape(array.shape().begin(), array.shape().end()); }

std::vector<std::string> names_or_numbers(const std::vector<std::string>& names, Index classes) {
    if (!names.empty()) return names;
    std::vector<std::string> numbers;
    for (Index i = 0; i < classes; ++i) numbers.push_back(std::to_string(i));
    return numbers;
}

std::string csv_of(const IntArray& counts, const std::vector<std::string>& names) {
    std::string text = "truth\\prediction";
    for (const std::string& name : names) text += "," + csv_cell(name);
    for (std::size_t i = 0; i < names.size(); ++i) {
        text += "\n" + csv_cell(names[i]);
        for (std::size_t j = 0; j < names.size(); ++j) text += fmt::format(",{}", counts(i, j));
    }
    return text + "\n";
}

}  // namespace

IntArray confusion_matrix(const IntArray& truth, const IntArray& predicted, Index classes, Where where) {
    check(classes > 0, fmt::format("confusion_matrix: the number of classes must be positive: {}", classes), where);
    if (shape_of(truth) != shape_of(predicted))
        throw ShapeError(fmt::format("confusion_matrix: shapes differ: truth {}, predicted {}",
                                     to_string(shape_of(truth)), to_string(shape_of(predicted))),
                         where);
    const auto n = static_cast<std::size_t>(classes);
    IntArray counts = IntArray::from_shape({n, n});
    counts.fill(0);
    for (std::size_t i = 0; i < truth.size(); ++i) {
        const auto is = truth.flat(i), said = predicted.flat(i);
        check(
            is >= 0 && is < classes && said >= 0 && said < classes,
            fmt::format("confusion_matrix: label {} is outside [0, {})", is >= 0 && is < classes ? said : is, classes),
            where);
        ++counts(static_cast<std::size_t>(is), static_cast<std::size_t>(said));
    }
    return counts;
}

std::vector<ConfusedPair> most_confused(const IntArray& counts, std::size_t limit, Where where) {
    const Shape shape = shape_of(counts);
    if (shape.rank() != 2 || shape[0] != shape[1])
        throw ShapeError(fmt::format("most_confused: needs (n, n) counts: {}", to_string(shape)), where);
    std::vector<ConfusedPair> pairs;
    for (std::size_t i = 0; i < counts.shape()[0]; ++i)
        for (std::size_t j = i + 1; j < counts.shape()[0]; ++j)
            if (counts(i, j) + counts(j, i) > 0)
                pairs.push_back({static_cast<Index>(i), static_cast<Index>(j), counts(i, j), counts(j, i)});
    std::stable_sort(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) { return a.count() > b.count(); });
    pairs.resize(std::min(pairs.size(), limit));
    return pairs;
}

bool draw_confusion(const IntArray& counts, const std::vector<std::string>& given, const std::filesystem::path& path,
                    const std::string& title, Where where) {
    const Shape shape = shape_of(counts);
    const Index n = shape.rank() == 2 ? shape[0] : 0;
    if (n == 0 || shape[1] != n || (!given.empty() && static_cast<Index>(given.size()) != n))
        throw ShapeError(fmt::format("draw_confusion: needs (n, n) counts and n names: {}, {} names", to_string(shape),
                                     given.size()),
                         where);
    const auto names = names_or_numbers(given, n);
    const bool numbers = n <= 20;
    const double cell =
        numbers ? std::clamp(300 / static_cast<double>(n), 46.0, 90.0) : std::max(12.0, 800 / static_cast<double>(n));
    const double name_size = std::min(13.0, cell * 0.8);
    Index name_width = 0;
    for (const std::string& name : names) name_width = std::max(name_width, text_width(name, name_size));
    const bool slanted = static_cast<double>(name_width) > cell * 0.9;

    std::int64_t right = 0, all = 0;
    for (std::size_t i = 0; i < names.size(); ++i) {
        for (std::size_t j = 0; j < names.size(); ++j) {
            check(counts(i, j) >= 0, fmt::format("draw_confusion: a count is negative: {}", counts(i, j)), where);
            all += counts(i, j);
        }
        right += counts(i, i);
    }
    const std::string heading =
        fmt::format("{}: {} of {} right", title.empty() ? "Confusion matrix" : title, right, all);

    // In a large matrix a cell is far from its class's name: so there are lines, and names on two sides.
    const bool lines = !numbers && n <= 100, names_above = lines && !slanted;
    const double left = 46 + static_cast<double>(name_width), top = names_above ? 76 : 60;
    const double side = cell * static_cast<double>(n);
    const double below = slanted ? 0.72 * static_cast<double>(name_width) + 30 : 34;
    Figure figure(path, std::max(static_cast<Index>(left + side + 90), text_width(heading, 15) + 20),
                  static_cast<Index>(top + side + below), where);
    figure.canvas();

    std::string cells;
    for (Index i = 0; i < n; ++i) {
        std::int64_t row = 0;
        for (Index j = 0; j < n; ++j) row += counts(i, j);
        const double middle = (static_cast<double>(i) + 0.5) * cell;
        const std::string& name = names[static_cast<std::size_t>(i)];
        figure.text(left - 8, top + middle, name, name_size, "right");
        if (slanted)
            figure.text(left + middle + 4, top + side + 12, name, name_size, "right rotate by 45");
        else
            figure.text(left + middle, top + side + 14, name, name_size);
        if (names_above) figure.text(left + middle, top - 10, name, name_size);
        if (lines && i > 0) {
            const double at = middle - cell / 2;
            const char* style = "nohead front linewidth 0.5 linecolor rgb '#dddddd'";
            figure.add(fmt::format("set arrow from {0},{1} to {0},{2} {3}", left + at, top, top + side, style));
            figure.add(fmt::format("set arrow from {0},{2} to {1},{2} {3}", left, left + side, top + at, style));
        }
        for (Index j = 0; j < n; ++j) {
            const std::int64_t count = counts(i, j);
            const double share = row > 0 ? static_cast<double>(count) / static_cast<double>(row) : 0;
            const double x = left + (static_cast<double>(j) + 0.5) * cell;
            cells += fmt::format("{:.2f} {:.2f} {:.5f}\n", x, top + middle, share);
            const char* colour = count == 0 ? "#bbbbbb" : share > 0.3 ? "white" : "black";
            if (numbers)
                figure.text(x, top + middle, std::to_string(count), count > 99999 ? 10 : 13,
                            fmt::format("center textcolor rgb '{}'", colour));
        }
    }
    figure.text(static_cast<double>(figure.width()) / 2, 22, heading, 15);
    figure.text(left + side / 2, top - (names_above ? 30 : 12), "predicted class", 13);
    figure.text(16, top + side / 2, "true class", 13, "center rotate by 90");

    const auto part = [](double pixels, Index whole) { return pixels / static_cast<double>(whole); };
    figure.add("set palette defined (0 'white', 0.02 '#deebf7', 0.1 '#9ecae1', 0.4 '#3182bd', 1 '#08306b')");
    figure.add("set cbrange [0:1]; set cbtics 0.2 nomirror; set cblabel 'share of the row'");
    figure.add(fmt::format("set colorbox vertical user origin screen {:.6f},{:.6f} size screen {:.6f},{:.6f}",
                           part(left + side + 16, figure.width()), 1 - part(top + side, figure.height()),
                           part(14, figure.width()), part(side, figure.height())));
    figure.add(
        fmt::format("set object rectangle from {0},{1} to {2},{3} front fillstyle empty border linecolor rgb '#444444'",
                    left, top, left + side, top + side));
    figure.add("$cells << END\n" + cells + "END");
    figure.add("plot $cells using 1:2:3 with image pixels");
    return figure.draw(csv_of(counts, names));
}

}  // namespace xtape::optim
