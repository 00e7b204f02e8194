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

/// The course of a training, as fit() returns it.
struct History {
    std::string metric = "accuracy";  ///< the metric's name
    std::vector<Epoch> epochs;
    Index best = 0;  ///< number of the best epoch; 0 before the first
    bool stopped_early = false;
    std::string advice;  ///< what fit() had to say about the learning rate; empty unless the cost bounced

    /// The training loss of every epoch.
    std::vector<double> losses() const;

    /// Columns epoch, loss, <metric>, val_loss, val_<metric>, learning_rate, seconds; an empty cell where there is
    /// nothing.
    std::string csv() const;

    /// Writes csv() to a file. Throws DataError when it cannot.
    void write_csv(const std::filesystem::path& path) const;

    /// Curves of loss and metric over the epochs, by gnuplot, as .svg or .png; see draw_curves() in report.hpp.
    bool draw(const std::filesystem::path& path, Where where = Where::here()) const;
};

}  // namespace xtape::optim
