#pragma once

#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include <xtape/autograd/shape.hpp>

namespace xtape::optim {

/// What one epoch came to; NaN where there is nothing: no validation, no metric, no learning rate told.
struct Epoch {
    static constexpr double none = std::numeric_limits<double>::quiet_NaN();

    Index number = 0;  ///< from 1
    double loss = none;
    double metric = none;
    double validation_loss = none;
    double validation_metric = none;
    double learning_rate = none;
    double seconds = 0;
};

/// Result of a step on one batch or of an evaluation: means over `samples`. A metric that is NaN is not shown.
struct Score {
    double loss;
    double metric = Epoch::none;
    Index samples = 1;
};

/// The course of a training, as fit() returns it or a loop of one's own fills it by add().
struct History {
    std::string metric = "accuracy";      ///< the metric's name
    std::string period = "epoch";         ///< what an entry of `epochs` stands for: "iteration"
    std::string held_out = "validation";  ///< the second set's name: "test"
    std::vector<Epoch> epochs;
    Index best = 0;  ///< number of the best epoch; 0 before the first
    bool stopped_early = false;
    std::string advice;  ///< what fit() had to say about the learning rate; empty unless the cost bounced

    /// The training loss of every epoch.
    std::vector<double> losses() const;

    /// The next epoch, without a time; `second` is the held-out set's.
    void add(const Score& train, const Score& second = {Epoch::none}, double learning_rate = Epoch::none);

    /// Columns epoch, loss, <metric>, val_loss, val_<metric>, learning_rate, seconds; an empty cell where there is
    /// nothing. The first is called as `period`; "val" stands for "validation", any other set for itself: test_loss.
    std::string csv() const;

    /// Writes csv() to a file. Throws DataError when it cannot.
    void write_csv(const std::filesystem::path& path) const;

    /// About `lines` of the epochs at equal distances, the first and the last among them, a line for each:
    /// `iteration 300  loss 0.2345  accuracy 0.9123  test loss 0.2211  test accuracy 0.9190`. ValueError unless lines >= 1.
    std::string text(Index lines = 10, Where where = Where::here()) const;

    /// Curves of loss and metric over the epochs, by gnuplot, as .svg or .png; see draw_curves() in report.hpp.
    bool draw(const std::filesystem::path& path, Where where = Where::here()) const;
    bool draw(const std::filesystem::path& path, const std::string& title, Where where = Where::here()) const;
};

}  // namespace xtape::optim
