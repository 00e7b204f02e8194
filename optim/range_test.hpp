#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <xtape/optim/train.hpp>

/// Learning rate range test (Smith, arXiv:1506.01186): a short training whose rate rises from step to step shows at which
/// rates the loss falls and where it diverges.
namespace xtape::optim {

struct RangeTestOptions {
    double lowest = 1e-6;
    double highest = 10;
    Index steps = 100;
    double smoothing = 0.9;  ///< weight of the past in the running mean of the losses, in [0, 1)
    double divergence = 4;   ///< the test ends where the smoothed loss is this many times its lowest
    Snapshot snapshot = {};  ///< of what the steps change beside parameters and optimiser, such as running statistics
};

/// What a range test found, step by step.
struct RangeTest {
    std::vector<double> rates;     ///< growing by equal factors
    std::vector<double> losses;    ///< of each step's batch, before that step
    std::vector<double> smoothed;  ///< running mean of losses
    bool diverged = false;         ///< it ended before the highest rate
    /// The rate around which smoothed falls most steeply by log(rate), before it first jumps; NaN where it never falls.
    double suggestion = Epoch::none;

    /// Columns learning_rate, loss, smoothed_loss.
    std::string csv() const;

    /// Losses over the learning rate, on a logarithmic axis, the suggestion marked; by gnuplot as report.hpp says.
    bool draw(const std::filesystem::path& path, const std::string& title = "", Where where = Where::here()) const;
};

/// The course of range_test(), for loops that it does not suit. The optimiser's learning rate and state, its
/// parameters, their gradients and the snapshot are put back by finish(), or when it goes out of scope.
class RangeTestLoop {
public:
    /// Throws ValueError on options out of range.
    RangeTestLoop(Optimizer& optimizer, RangeTestOptions options, Where where = Where::here());
    ~RangeTestLoop();
    RangeTestLoop(const RangeTestLoop&) = delete;
    RangeTestLoop& operator=(const RangeTestLoop&) = delete;

    /// Whether there is a further rate to try; the optimiser has it.
    bool running() const { return !finished_; }
    /// Takes the loss of a step made with the present rate, and raises the rate.
    void add(double loss);
    void add(const Score& score) { add(score.loss); }
    /// Puts everything back; the findings.
    RangeTest finish();

private:
    void put_back();

    Optimizer* optimizer_;  // null once everything is put back
    RangeTestOptions options_;
    Where where_;
    double rate_before_;
    std::vector<std::pair<std::string, Array>> state_before_;
    std::vector<Array> gradients_before_;
    Restore parameters_before_;
    Restore others_before_;
    RangeTest result_;
    double running_mean_ = 0;
    double best_ = 0;
    bool finished_ = false;
};

/// Takes up to `steps` training steps, the first at the lowest rate, the last at the highest, over `batches` as often as
/// need be; `step(batch)` is fit()'s: it makes one update and returns a Score or a loss. Afterwards the optimiser, its
/// parameters and their gradients are bit for bit what they were. What draws from a generator of its own (dropout, the
/// order of the batches) has moved on. Throws ValueError on options out of range and when there are no batches.
///
///     optim::RangeTest test = optim::range_test(optimizer, batches, step);
///     test.draw("range.svg");
///     optimizer.learning_rate(test.suggestion);
template <class Batches, class Step>
RangeTest range_test(Optimizer& optimizer, Batches&& batches, Step&& step, const RangeTestOptions& options = {},
                     Where where = Where::here()) {
    RangeTestLoop loop(optimizer, options, where);
    while (loop.running()) {
        bool any = false;
        for (auto&& batch : batches) {
            any = true;
            loop.add(step(batch));
            if (!loop.running()) break;
        }
        if (!any) throw ValueError("range_test: there are no batches", where);
    }
    return loop.finish();
}

}  // namespace xtape::optim
