#include <xtape/optim/progress.hpp>

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <string_view>

#include <fmt/format.h>

namespace xtape::optim {
namespace {

/// Four decimals, or an exponent where they would show nothing.
std::string number(double value) {
    const double size = std::abs(value);
    return size == 0 || (size >= 1e-3 && size < 1e5) ? fmt::format("{:.4f}", value) : fmt::format("{:.3e}", value);
}

std::string scores(const std::string& prefix, double loss, const std::string& metric_name, double metric) {
    std::string text;
    if (!std::isnan(loss)) text += fmt::format("  {}loss {}", prefix, number(loss));
    if (!std::isnan(metric)) text += fmt::format("  {}{} {}", prefix, metric_name, number(metric));
    return text;
}

/// Samples in a second, short enough to leave room for the bar however fast they go.
std::string rate(double value) {
    return value < 1e6 ? fmt::format("{:.0f}", value) : fmt::format("{:.1f}M", value / 1e6);
}

std::string clock_time(double seconds) {
    const auto total = static_cast<long long>(std::min(std::ceil(seconds), 359999.0));
    if (total >= 3600) return fmt::format("{}:{:02}:{:02}", total / 3600, total / 60 % 60, total % 60);
    return fmt::format("{}:{:02}", total / 60, total % 60);
}

std::size_t terminal_columns() {
    winsize size{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return 80;
}

std::string bar(Index done, Index total, std::size_t width) {
    const auto part = static_cast<double>(done) / static_cast<double>(total);
    const auto full = std::min(static_cast<std::size_t>(part * static_cast<double>(width)), width);
    return " [" + std::string(full, '=') + std::string(width - full, ' ') + "]";
}

}  // namespace

std::string short_name(const std::string& held_out) { return held_out == "validation" ? "val" : held_out; }

std::string scores_of(const Epoch& e, const std::string& metric, const std::string& held_out) {
    return scores("", e.loss, metric, e.metric) +
           scores(short_name(held_out) + " ", e.validation_loss, metric, e.validation_metric);
}

bool on_terminal(const std::ostream* out) {
    const char* kind = std::getenv("TERM");
    return out == &std::cout && isatty(STDOUT_FILENO) == 1 && kind && std::string_view(kind) != "dumb";
}

Progress::Progress(ProgressOptions options) : options_(std::move(options)) {}

Progress::~Progress() {
    if (drawn_) *options_.out << std::endl;  // an exception ends the epoch in the middle of its line
}

void Progress::begin_epoch(Index number) {
    epoch_ = number;
    begin_ = shown_ = Clock::now();
    bar_width_ = 24;
}

std::string Progress::head() const { return fmt::format("epoch {}/{}", epoch_, options_.epochs); }

void Progress::batch(Index done, const Score& running) {
    if (!options_.out) return;
    const auto now = Clock::now();
    const double since = std::chrono::duration<double>(now - shown_).count();
    const bool last = done == options_.batches;
    if (options_.terminal ? since < 0.1 && done > 1 && !last : since < options_.line_seconds || last) return;
    shown_ = now;

    const double seconds = std::max(std::chrono::duration<double>(now - begin_).count(), 1e-9);
    std::string count = std::to_string(done);
    if (options_.batches > 0) {
        const std::string all = std::to_string(options_.batches);
        count = fmt::format("{:>{}}/{}", count, options_.terminal ? all.size() : 0, all);
    }
    std::string tail = scores("", running.loss, options_.metric, running.metric);
    tail += fmt::format("  {} {}/s", rate(static_cast<double>(running.samples) / seconds), options_.unit);
    if (options_.batches > 0)
        tail += fmt::format("  ETA {}", clock_time(seconds / static_cast<double>(done) *
                                                   static_cast<double>(std::max<Index>(options_.batches - done, 0))));
    if (!options_.terminal) {
        print(fmt::format("{}  batch {}{}", head(), count, tail));
        return;
    }
    const std::string text = fmt::format(" {}{}", count, tail);
    const std::size_t used = head().size() + text.size() + 4, columns = terminal_columns();
    bar_width_ = std::min(bar_width_, columns > used ? columns - used : 0);  // never wider again, lest it dance
    redraw(head() + (bar_width_ >= 5 && options_.batches > 0 ? bar(done, options_.batches, bar_width_) : "") + text);
}

void Progress::validating() {
    if (options_.out && options_.terminal) redraw(head() + "  validating");
}

void Progress::end_epoch(const Epoch& e) {
    if (!options_.out) return;
    print(head() + scores_of(e, options_.metric, options_.held_out) + fmt::format("  {:.1f} s", e.seconds));
}

void Progress::note(const std::string& text) {
    if (options_.out) print(text);
}

void Progress::redraw(const std::string& text) {
    *options_.out << '\r' << text.substr(0, terminal_columns() - 1) << "\x1b[K" << std::flush;
    drawn_ = true;
}

void Progress::print(const std::string& text) {
    if (drawn_) *options_.out << "\r\x1b[K";
    *options_.out << text << std::endl;
    drawn_ = false;
}

}  // namespace xtape::optim
