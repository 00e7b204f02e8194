#pragma once

#include <chrono>
#include <iosfwd>
#include <string>

#include <xtape/optim/history.hpp>

namespace xtape::optim {

/// How progress is told.
struct ProgressOptions {
    std::ostream* out;    ///< null: silence
    bool terminal;        ///< redraw one line in place, else print lines
    double line_seconds;  ///< between two such lines
    std::string metric;
    std::string held_out;
    std::string unit;  ///< of samples: images
    Index epochs;
    Index batches;  ///< of an epoch; 0 when unknown
};

/// What a set is called before "loss" in lines and columns: "val" for "validation", any other as it is.
std::string short_name(const std::string& held_out);

/// `  loss 0.2345  accuracy 0.9123  val loss 0.2211  val accuracy 0.9190`, without what is NaN.
std::string scores_of(const Epoch& epoch, const std::string& metric, const std::string& held_out);

/// Whether `out` is std::cout on a terminal that can redraw a line.
bool on_terminal(const std::ostream* out);

/// The line of a running epoch: on a terminal a bar redrawn in place, at most ten times a second; elsewhere a line
/// every `line_seconds`.
class Progress {
public:
    explicit Progress(ProgressOptions options);
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    void begin_epoch(Index number);
    /// After a batch: `done` batches of this epoch, their running means and total samples.
    void batch(Index done, const Score& running);
    /// Before the validation.
    void validating();
    /// `epoch 3/10  loss 0.2345  accuracy 0.9123  val loss 0.2211  val accuracy 0.9190  12.3 s`.
    void end_epoch(const Epoch& epoch);
    /// A line of its own.
    void note(const std::string& text);

private:
    using Clock = std::chrono::steady_clock;

    std::string head() const;
    void redraw(const std::string& text);
    void print(const std::string& text);

    ProgressOptions options_;
    Index epoch_ = 0;
    std::size_t bar_width_ = 0;
    bool drawn_ = false;  // an unfinished line stands on the terminal
    Clock::time_point begin_{};
    Clock::time_point shown_{};
};

}  // namespace xtape::optim
