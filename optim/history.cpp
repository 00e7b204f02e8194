#include <xtape/optim/history.hpp>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <xtape/optim/check.hpp>
#include <xtape/optim/gnuplot.hpp>
#include <xtape/optim/progress.hpp>
#include <xtape/optim/report.hpp>

namespace xtape::optim {
namespace {

std::string cell(double value) { return std::isnan(value) ? "" : fmt::format("{:.7g}", value); }

}  // namespace

std::vector<double> History::losses() const {
    std::vector<double> losses;
    for (const Epoch& e : epochs) losses.push_back(e.loss);
    return losses;
}

void History::add(const Score& train, const Score& second, double learning_rate) {
    const Index number = epochs.empty() ? 1 : epochs.back().number + 1;
    epochs.push_back({number, train.loss, train.metric, second.loss, second.metric, learning_rate, 0});
}

std::string History::csv() const {
    const std::string second = short_name(held_out);
    std::string text = fmt::format("{},loss,{},{},{},learning_rate,seconds\n", csv_cell(period), csv_cell(metric),
                                   csv_cell(second + "_loss"), csv_cell(second + "_" + metric));
    for (const Epoch& e : epochs) {
        text += fmt::format("{},{},{},{},{},{},{:.3f}\n", e.number, cell(e.loss), cell(e.metric),
                            cell(e.validation_loss), cell(e.validation_metric), cell(e.learning_rate), e.seconds);
    }
    return text;
}

void History::write_csv(const std::filesystem::path& path) const { write_text(path, csv()); }

std::string History::text(Index lines, Where where) const {
    check(lines >= 1, fmt::format("History::text: there must be at least one line: {}", lines), where);
    const auto count = static_cast<Index>(epochs.size());
    const Index step = std::max<Index>(count / lines, 1);
    const std::size_t width = epochs.empty() ? 0 : std::to_string(epochs.back().number).size();
    std::string text;
    for (Index i = 0; i < count; ++i) {
        const Epoch& e = epochs[static_cast<std::size_t>(i)];
        if (i > 0 && (i + 1) % step != 0 && i + 1 != count) continue;
        text += fmt::format("{} {:>{}}{}\n", period, e.number, width, scores_of(e, metric, held_out));
    }
    return text;
}

bool History::draw(const std::filesystem::path& path, Where where) const { return draw_curves(*this, path, "", where); }

bool History::draw(const std::filesystem::path& path, const std::string& title, Where where) const {
    return draw_curves(*this, path, title, where);
}

}  // namespace xtape::optim
