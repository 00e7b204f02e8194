#include <xtape/optim/train.hpp>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <xtape/autograd/detect_anomaly.hpp>
#include <xtape/autograd/random.hpp>
#include <xtape/optim/check.hpp>

namespace xtape::optim {

Snapshot snapshot_of(const ParameterList& parameters, const std::vector<Array*>& buffers) {
    return [parameters, buffers]() -> Restore {
        std::vector<Array> values, others;
        for (const ParameterRef& parameter : parameters) values.push_back(parameter.array());
        for (const Array* buffer : buffers) others.push_back(*buffer);
        return [parameters, buffers, values = std::move(values), others = std::move(others)] {
            for (std::size_t i = 0; i < values.size(); ++i) parameters[i].assign(values[i]);
            for (std::size_t i = 0; i < others.size(); ++i) *buffers[i] = others[i];
        };
    };
}

namespace detail {

void accumulate(Score& running, const Score& score, Where where) {
    check(score.samples > 0, fmt::format("fit: a batch must have samples: {}", score.samples), where);
    running.samples += score.samples;
    const double part = static_cast<double>(score.samples) / static_cast<double>(running.samples);
    running.loss += part * (score.loss - running.loss);
    running.metric += part * (score.metric - running.metric);
}

}  // namespace detail

FitLoop::FitLoop(FitOptions options, Index batches, Where where)
    : options_(std::move(options)),
      where_(where),
      progress_({options_.out, options_.terminal.value_or(on_terminal(options_.out)), options_.line_seconds,
                 options_.metric, options_.held_out, options_.unit, options_.epochs, batches}),
      batches_(batches) {
    check(options_.epochs >= 0, fmt::format("fit: epochs must not be negative: {}", options_.epochs), where);
    check(options_.patience >= 0, fmt::format("fit: patience must not be negative: {}", options_.patience), where);
    check(!options_.detect_anomaly || options_.optimizer, "fit: detect_anomaly needs the optimizer", where);
    history_.metric = options_.metric;
    history_.held_out = options_.held_out;
}

bool FitLoop::next_epoch() {
    if (epoch_ > 0) end_epoch();
    if (epoch_ == options_.epochs || history_.stopped_early) return false;
    ++epoch_;
    batch_ = 0;
    running_ = {0, 0, 0};
    begin_ = std::chrono::steady_clock::now();
    progress_.begin_epoch(epoch_);
    return true;
}

/// Of the batch that has been added, or is being run.
std::string FitLoop::place() const {
    return fmt::format("epoch {}, batch {}{}", epoch_, batch_, batches_ > 0 ? fmt::format(" of {}", batches_) : "");
}

Score FitLoop::run(const std::function<Score()>& step) {
    if (!options_.detect_anomaly) return step();
    const ParameterList& parameters = options_.optimizer->parameters();
    const auto healthy = [&] {
        return std::all_of(parameters.begin(), parameters.end(), [](const auto& p) { return all_finite(p.array()); });
    };
    const Restore restore = snapshot_of(parameters)();
    const Generator before = random::generator();
    const Score score = step();
    if (std::isfinite(score.loss) && healthy()) return score;

    restore();
    random::generator() = before;
    ++batch_;  // as add() would
    const std::string what =
        fmt::format("fit: {} in {}",
                    std::isfinite(score.loss) ? "a parameter is not finite after the step"
                                              : fmt::format("the loss is {}", number_text(score.loss)),
                    place());
    try {
        const DetectAnomaly guard(options_.names);
        step();
    } catch (const NonFiniteError& error) {
        throw NonFiniteError(error.found(), what + "\n");
    }
    const bool again = !healthy();
    restore();
    throw Error(what + (again ? ", and loss and gradients are: the update made it so; a smaller learning rate may help"
                              : ", and was when the step was run again: it does not do the same twice"),
                where_);
}

void FitLoop::add(const Score& score) {
    most_batches_ = std::max(most_batches_, ++batch_);
    if (!std::isfinite(score.loss))
        throw Error(fmt::format("fit: the loss is {} in {}; a smaller learning rate or clipping the gradients may help",
                                score.loss, place()),
                    where_);
    detail::accumulate(running_, score, where_);
    progress_.batch(batch_, running_);
}

void FitLoop::end_epoch() {
    check(batch_ > 0, fmt::format("fit: epoch {} had no batches", epoch_), where_);
    Epoch epoch;
    epoch.number = epoch_;
    epoch.loss = running_.loss;
    epoch.metric = running_.metric;
    if (options_.optimizer) epoch.learning_rate = options_.optimizer->learning_rate();
    if (options_.validate) {
        progress_.validating();
        const NoGrad constant;
        const Score score = options_.validate();
        epoch.validation_loss = score.loss;
        epoch.validation_metric = score.metric;
    }
    epoch.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
    history_.epochs.push_back(epoch);
    progress_.end_epoch(epoch);
    compare(epoch);
    if (options_.after_epoch) options_.after_epoch(epoch);
}

void FitLoop::compare(const Epoch& epoch) {
    const bool metric = options_.watch == Watch::metric;
    const double training = metric ? epoch.metric : epoch.loss;
    const double watched = !options_.validate ? training : metric ? epoch.validation_metric : epoch.validation_loss;
    check(!metric || !std::isnan(watched), fmt::format("fit: there is no {} to watch", options_.metric), where_);

    const bool higher = metric && options_.metric_better == Better::higher;
    const bool better = higher ? watched > best_ : watched < best_;
    if (better || (std::isnan(best_) && !std::isnan(watched))) {
        best_ = watched;
        history_.best = epoch.number;
        if (options_.snapshot) restore_ = options_.snapshot();
    } else if (options_.patience > 0 && epoch.number - history_.best >= options_.patience) {
        history_.stopped_early = epoch.number < options_.epochs;
    }
}

/// The last weights are still there, whose steps made the cost bounce.
void FitLoop::look_back() {
    const std::vector<double> losses = history_.losses();
    BounceOptions bouncing;
    if (most_batches_ == 1) bouncing.noise = 1e-3;  // every loss is that of all samples
    if (options_.loss && options_.optimizer && recording()) {
        history_.advice = suggest_step(losses, *options_.optimizer, options_.loss, bouncing, where_).text;
    } else if (const Bounce bounce = find_bounce(losses, bouncing); bounce.found) {
        history_.advice =
            fmt::format("the cost bounces around {:.3g}: a smaller learning rate would let it fall", bounce.level);
    }
    if (!history_.advice.empty()) progress_.note(history_.advice);
}

History FitLoop::finish() {
    look_back();
    const std::string watched = fmt::format("{}{}", options_.validate ? short_name(options_.held_out) + " " : "",
                                            options_.watch == Watch::metric ? options_.metric : "loss");
    if (history_.stopped_early)
        progress_.note(fmt::format("stopped early: no better {} in {} epochs", watched, options_.patience));
    if (restore_ && history_.best < epoch_) {
        restore_();
        progress_.note(fmt::format("weights of epoch {} restored: {} {:.4f}", history_.best, watched, best_));
    }
    return std::move(history_);
}

}  // namespace xtape::optim
