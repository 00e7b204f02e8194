#pragma once

#include <chrono>
#include <functional>
#include <iostream>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <xtape/autograd/anomaly.hpp>
#include <xtape/optim/bounce.hpp>
#include <xtape/optim/history.hpp>
#include <xtape/optim/optimizer.hpp>
#include <xtape/optim/progress.hpp>
#include <xtape/optim/schedule.hpp>

/// A training loop over any batches and any step:
///
///     optim::Adam opt(net.parameters(), 1e-3);
///     optim::FitOptions options;
///     options.epochs = 3;
///     options.optimizer = &opt;
///     options.validate = [&] { return optim::evaluate(validation, score); };
///     optim::History history = optim::fit(options, batches, [&](const auto& batch) {
///         Variable logits = net(batch.x), loss = nn::cross_entropy(logits, batch.y);
///         opt.zero_grad();
///         loss.backward();
///         opt.step();
///         return optim::Score{loss.item(), accuracy(logits, batch.y), batch.size()};
///     });
namespace xtape::optim {

/// Brings back the state in which it was made.
using Restore = std::function<void()>;
/// Keeps the present state.
using Snapshot = std::function<Restore()>;

/// The values of parameters and of other arrays that training changes, such as running statistics. Nothing is copied:
/// the elements are shared until the next update. The arrays behind `buffers` must outlive the snapshot.
Snapshot snapshot_of(const ParameterList& parameters, const std::vector<Array*>& buffers = {});

/// What decides which epoch is the best: of the validation when there is one, else of the training.
enum class Watch { loss, metric };

struct FitOptions {
    Index epochs = 10;
    std::string metric = "accuracy";  ///< the metric's name, in lines, files and pictures
    Better metric_better = Better::higher;
    std::string unit = "images";           ///< what a sample is
    std::string held_out = "validation";   ///< what `validate` looks at, in lines, files and pictures: "test"
    const Optimizer* optimizer = nullptr;  ///< its learning rate goes into the history
    std::function<Score()> validate;       ///< called after every epoch, not recording
    Watch watch = Watch::loss;
    Index patience = 0;  ///< epochs without a better one before training stops; 0: never
    Snapshot snapshot;   ///< when set, the best epoch's state is kept, and restored in the end
    RecordedLoss
        loss;  ///< with it and `optimizer`, a bouncing cost is answered with a learning rate: see suggest_step()
    bool detect_anomaly =
        false;            ///< run a step again that went wrong, to say where: see FitLoop::run; needs `optimizer`
    VariableNames names;  ///< what it calls parameters: net.named_parameters()
    std::function<void(const Epoch&)> after_epoch;  ///< for schedules and one's own lines
    std::ostream* out = &std::cout;                 ///< of the progress; null: silence
    std::optional<bool> terminal;                   ///< whether `out` can redraw a line; found out when not set
    double line_seconds = 10;                       ///< between two lines within an epoch where it cannot
};

/// The course of fit(): epochs, progress, validation, the best weights. For loops that fit() does not suit.
class FitLoop {
public:
    /// Throws ValueError on negative numbers. `batches` of an epoch are for the progress only, 0 when unknown.
    FitLoop(FitOptions options, Index batches, Where where = Where::here());

    /// Ends the epoch before, and begins the next; false when training is over. Throws ValueError after an epoch
    /// without batches, or when it should watch a metric and there is none.
    bool next_epoch();
    /// step(), which makes one update. With `detect_anomaly`, and when its loss or a parameter after it is not finite, the
    /// parameters and this thread's random generator are put back and it is run again under DetectAnomaly: throws
    /// NonFiniteError naming epoch, batch, operation, line and element, Error when it was the update itself. The
    /// parameters are then those from before the step; the optimiser's state is not. Costs a copy of the parameters and a
    /// look at them for each step.
    Score run(const std::function<Score()>& step);
    /// Takes a batch's result. Throws Error naming epoch and batch when the loss is not finite.
    void add(const Score& score);
    /// Says so when the cost bounced, restores the best weights; the history of all epochs.
    History finish();

private:
    void end_epoch();
    void compare(const Epoch& epoch);
    void look_back();
    std::string place() const;

    FitOptions options_;
    Where where_;
    Progress progress_;
    History history_;
    Score running_{0, 0, 0};
    Index epoch_ = 0;
    Index batch_ = 0;
    Index batches_;
    Index most_batches_ = 0;  // that an epoch had
    double best_ = Epoch::none;
    Restore restore_;
    std::chrono::steady_clock::time_point begin_{};
};

namespace detail {

template <class Batches, class = void>
struct Count {
    static Index of(const Batches&) { return 0; }
};
template <class Batches>
struct Count<Batches, std::void_t<decltype(static_cast<Index>(std::declval<const Batches&>().size()))>> {
    static Index of(const Batches& batches) { return static_cast<Index>(batches.size()); }
};

/// Adds `score` to the running means.
void accumulate(Score& running, const Score& score, Where where);

}  // namespace detail

/// Trains: `step(batch)` makes one update and returns a Score, for every batch of every epoch. `batches` is anything
/// that a range-for accepts anew each epoch; when it has a size(), that is the number of batches. Throws ValueError on
/// options out of range and on an epoch without batches, Error naming epoch and batch when a loss is not finite, which
/// with `detect_anomaly` is a NonFiniteError that says where it came from.
template <class Batches, class Step>
History fit(const FitOptions& options, Batches&& batches, Step&& step, Where where = Where::here()) {
    FitLoop loop(options, detail::Count<std::decay_t<Batches>>::of(batches), where);
    while (loop.next_epoch()) {
        for (auto&& batch : batches) loop.add(loop.run([&] { return step(batch); }));
    }
    return loop.finish();
}

/// Means of `score(batch)`, a Score, over all batches, without recording. Throws ValueError when there are none.
template <class Batches, class Scorer>
Score evaluate(Batches&& batches, Scorer&& score, Where where = Where::here()) {
    const NoGrad constant;
    Score running{0, 0, 0};
    for (auto&& batch : batches) detail::accumulate(running, score(batch), where);
    if (running.samples == 0) throw ValueError("evaluate: there are no batches", where);
    return running;
}

}  // namespace xtape::optim
