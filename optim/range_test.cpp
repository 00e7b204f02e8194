#include <xtape/optim/range_test.hpp>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <xtape/optim/check.hpp>
#include <xtape/optim/gnuplot.hpp>

namespace xtape::optim {

RangeTestLoop::RangeTestLoop(Optimizer& optimizer, RangeTestOptions options, Where where)
    : optimizer_(&optimizer), options_(std::move(options)), where_(where), rate_before_(optimizer.learning_rate()) {
    check_not_negative("range_test", "lowest", options_.lowest, where);
    check_not_negative("range_test", "highest", options_.highest, where);
    check(options_.lowest > 0 && options_.lowest < options_.highest,
          fmt::format("range_test: rates must be 0 < lowest < highest: {}, {}", options_.lowest, options_.highest),
          where);
    check(options_.steps >= 2, fmt::format("range_test: there must be 2 steps at least: {}", options_.steps), where);
    check_range("range_test", "smoothing", options_.smoothing, 0, 1, where);
    check(options_.divergence > 1, fmt::format("range_test: divergence must be above 1: {}", options_.divergence),
          where);

    state_before_ = optimizer.state();
    for (const ParameterRef& parameter : optimizer.parameters()) gradients_before_.push_back(parameter.grad());
    parameters_before_ = snapshot_of(optimizer.parameters())();
    if (options_.snapshot) others_before_ = options_.snapshot();
    optimizer.learning_rate(options_.lowest, where);
}

RangeTestLoop::~RangeTestLoop() {
    if (optimizer_) put_back();
}

void RangeTestLoop::put_back() {
    parameters_before_();
    if (others_before_) others_before_();
    const ParameterList& parameters = optimizer_->parameters();
    for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i].set_grad(gradients_before_[i]);
    optimizer_->load_state(state_before_);
    optimizer_->learning_rate(rate_before_);
    optimizer_ = nullptr;
}

void RangeTestLoop::add(double loss) {
    check(running(), "range_test: it is over", where_);
    if (!std::isfinite(loss)) {
        result_.diverged = finished_ = true;
        return;
    }
    const double before = options_.smoothing * running_mean_;
    running_mean_ = before + (1 - options_.smoothing) * loss;
    const auto n = static_cast<double>(result_.rates.size() + 1);
    const double smoothed = running_mean_ / (1 - std::pow(options_.smoothing, n));
    result_.rates.push_back(optimizer_->learning_rate());
    result_.losses.push_back(loss);
    result_.smoothed.push_back(smoothed);

    best_ = n == 1 ? smoothed : std::min(best_, smoothed);
    result_.diverged = best_ > 0 && smoothed > options_.divergence * best_;
    finished_ = result_.diverged || static_cast<Index>(n) == options_.steps;
    const double ratio = options_.highest / options_.lowest;
    if (!finished_)
        optimizer_->learning_rate(options_.lowest * std::pow(ratio, n / static_cast<double>(options_.steps - 1)));
}

namespace {

/// Rate around which the smoothed loss falls most steeply: by the slope of the line through a tenth of the steps, which lie at
/// equal distances in the logarithm of the rate. The first tenth is left out, where the running mean holds too few losses,
/// and so is all from where the loss is higher than in the second tenth: falling back from a jump is no descent.
double steepest_descent(const RangeTest& test) {
    const auto n = static_cast<Index>(test.smoothed.size()), first = n / 10, reach = std::max<Index>(1, n / 20);
    if (n < 3) return Epoch::none;
    const auto begin = test.smoothed.begin();
    const double level = *std::max_element(begin + first, begin + std::max(2 * first, first + 1));
    const auto jump = std::find_if(begin + first, test.smoothed.end(),
                                   [&](double loss) { return loss > level + 0.01 * std::abs(level); });
    const Index end = jump - begin;
    double rate = Epoch::none, steepest = -1e-9 * std::abs(level);  // less is rounding
    for (Index i = std::max(reach, first); i + reach < end; ++i) {
        double slope = 0;
        for (Index k = -reach; k <= reach; ++k) slope += static_cast<double>(k) * begin[i + k];
        if (slope < steepest) {
            steepest = slope;
            rate = test.rates[static_cast<std::size_t>(i)];
        }
    }
    return rate;
}

}  // namespace

RangeTest RangeTestLoop::finish() {
    if (optimizer_) put_back();
    finished_ = true;
    result_.suggestion = steepest_descent(result_);
    return std::move(result_);
}

std::string RangeTest::csv() const {
    std::string text = "learning_rate,loss,smoothed_loss\n";
    for (std::size_t i = 0; i < rates.size(); ++i)
        text += fmt::format("{:.7g},{:.7g},{:.7g}\n", rates[i], losses[i], smoothed[i]);
    return text;
}

bool RangeTest::draw(const std::filesystem::path& path, const std::string& title, Where where) const {
    check(!rates.empty(), "range_test: there are no steps to draw", where);
    Figure figure(path, 640, 420, where);
    if (!title.empty()) figure.text(static_cast<double>(figure.width()) / 2, 22, title, 15);
    figure.add("set lmargin at screen 0.12; set rmargin at screen 0.96; set bmargin at screen 0.14");
    figure.add(fmt::format("set tmargin at screen {}", title.empty() ? 0.95 : 0.9));
    figure.add("set border 3 linecolor rgb '#444444'; set tics nomirror; set grid linecolor rgb '#dddddd'");
    figure.add("set logscale x; set format x '%g'; set xlabel 'learning rate'; set ylabel 'loss' offset 1,0");
    figure.add("set key opaque top left");

    // What comes after the lowest loss may be many times higher: enough of it to see that it rises.
    const auto lowest = std::min_element(smoothed.begin(), smoothed.end());
    const double low = *lowest, high = *std::max_element(smoothed.begin(), lowest + 1);
    const double room = std::max(high - low, 1e-3 * std::abs(low) + 1e-12);
    figure.add(fmt::format("set xrange [{:.9g}:{:.9g}]", rates.front(), std::max(rates.back(), 1.001 * rates.front())));
    figure.add(fmt::format("set yrange [{:.9g}:{:.9g}]", low - 0.3 * room, high + 0.7 * room));

    figure.add("$loss << END");
    for (std::size_t i = 0; i < rates.size(); ++i)
        figure.add(fmt::format("{:.9g} {:.9g} {:.9g}", rates[i], losses[i], smoothed[i]));
    figure.add("END");
    std::string plot = "plot $loss using 1:2 with lines linecolor rgb '#bbbbbb' title 'of each batch', "
                       "$loss using 1:3 with lines linewidth 2 linecolor rgb '#0072b2' title 'running mean'";
    if (std::isfinite(suggestion)) {
        figure.add(fmt::format("set arrow from first {0:.9g}, graph 0 to first {0:.9g}, graph 1 nohead dashtype 3 "
                               "linewidth 1.5 linecolor rgb '#d55e00'",
                               suggestion));
        plot += fmt::format(", NaN with lines dashtype 3 linewidth 1.5 linecolor rgb '#d55e00' title {}",
                            quoted(fmt::format("steepest descent: {:.2g}", suggestion)));
    }
    figure.add(plot);
    return figure.draw(csv());
}

}  // namespace xtape::optim
