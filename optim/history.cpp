#include <xtape/optim/history.hpp>

#include <cmath>

#include <fmt/format.h>

#include <xtape/optim/gnuplot.hpp>
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

std::string History::csv() const {
    std::string name = csv_cell(metric);
    std::string text =
        fmt::format("epoch,loss,{},val_loss,{},learning_rate,seconds\n", name, csv_cell("val_" + metric));
    for (const Epoch& e : epochs) {
        text += fmt::format("{},{},{},{},{},{},{:.3f}\n", e.number, cell(e.loss), cell(e.metric),
                            cell(e.validation_loss), cell(e.validation_metric), cell(e.learning_rate), e.seconds);
    }
    return text;
}

void History::write_csv(const std::filesystem::path& path) const { write_text(path, csv()); }

bool History::draw(const std::filesystem::path& path, Where where) const { return draw_curves(*this, path, "", where); }

}  // namespace xtape::optim
