#include <xtape/datasets/loader.hpp>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <xtape/datasets/image_set.hpp>

namespace xtape::datasets {

/// What to hand out and how: shared by a loader, its copies and their epochs, never changed.
struct Loader::Plan {
    Variable x;
    IntArray labels;
    Index batch_size;
    std::optional<std::uint64_t> shuffle_seed;
    Transform transform;
    std::uint64_t transform_seed = 0;
    bool drop_last = false;
    bool prefetch = false;

    Index samples() const { return x.shape(0); }
    Index batches() const {
        const bool remainder = samples() % batch_size > 0 && !drop_last;
        return samples() / batch_size + (remainder ? 1 : 0);
    }
};

/// Batch after batch of one epoch.
class Epoch::Source {
public:
    Source(std::shared_ptr<const Loader::Plan> plan, Index epoch) : plan_(std::move(plan)), epoch_(epoch) {
        if (plan_->shuffle_seed) {
            Generator generator(*plan_->shuffle_seed, static_cast<std::uint64_t>(epoch));
            order_ = random::permutation(plan_->samples(), generator);
        } else {
            order_.resize(static_cast<std::size_t>(plan_->samples()));
            std::iota(order_.begin(), order_.end(), Index{0});
        }
    }
    virtual ~Source() = default;
    Source(const Source&) = delete;
    Source& operator=(const Source&) = delete;

    /// The next one; nothing at the end.
    virtual std::optional<Batch> next() = 0;

protected:
    Index count() const { return plan_->batches(); }

    Batch make(Index number) const {
        NoGrad guard;
        const Index begin = number * plan_->batch_size;
        const Index end = begin + std::min(plan_->batch_size, plan_->samples() - begin);
        Batch batch;
        batch.positions = IntArray::from_shape({static_cast<std::size_t>(end - begin)});
        std::copy(order_.begin() + begin, order_.begin() + end, batch.positions.begin());
        batch.x = take(plan_->x, batch.positions);
        batch.labels = select(plan_->labels, batch.positions);
        if (plan_->transform) {
            // One stream for each batch, so that a batch does not depend on what was drawn for others.
            const auto stream = static_cast<std::uint64_t>(epoch_) << 32 | static_cast<std::uint64_t>(number);
            Generator generator(plan_->transform_seed, ~stream);
            batch.x = plan_->transform(batch.x, generator).detach();
            if (!batch.x || batch.x.rank() == 0 || batch.x.shape(0) != end - begin)
                throw ShapeError(fmt::format("loader: a transform must keep the {} rows of its batch: got {}",
                                             end - begin, batch.x ? to_string(batch.x.shape()) : "nothing"));
        }
        return batch;
    }

private:
    std::shared_ptr<const Loader::Plan> plan_;
    Index epoch_;
    std::vector<Index> order_;
};

class Epoch::Direct final : public Source {
public:
    using Source::Source;
    std::optional<Batch> next() override {
        if (number_ == count()) return {};
        return make(number_++);
    }

private:
    Index number_ = 0;
};

class Epoch::Prefetching final : public Source {
public:
    Prefetching(std::shared_ptr<const Loader::Plan> plan, Index epoch) : Source(std::move(plan), epoch) {
        thread_ = std::thread([this] { work(); });
    }

    ~Prefetching() override {
        {
            const std::lock_guard lock(mutex_);
            abandoned_ = true;
        }
        changed_.notify_all();
        thread_.join();
    }

    std::optional<Batch> next() override {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return !ready_.empty() || finished_; });
        if (ready_.empty()) {
            if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
            return {};
        }
        std::optional<Batch> batch(std::move(ready_.front()));
        ready_.pop_front();
        lock.unlock();
        changed_.notify_all();
        return batch;
    }

private:
    static constexpr std::size_t ahead = 2;

    void work() {
        std::exception_ptr error;
        try {
            for (Index number = 0; number < count() && push(make(number)); ++number) {}
        } catch (...) {
            error = std::current_exception();
        }
        {
            const std::lock_guard lock(mutex_);
            error_ = error;
            finished_ = true;
        }
        changed_.notify_all();
    }

    /// Waits for room; false when nobody wants further batches.
    bool push(Batch batch) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return ready_.size() < ahead || abandoned_; });
        if (abandoned_) return false;
        ready_.push_back(std::move(batch));
        lock.unlock();
        changed_.notify_all();
        return true;
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Batch> ready_;
    std::exception_ptr error_;
    bool finished_ = false;
    bool abandoned_ = false;
    std::thread thread_;
};

Epoch::Epoch(std::unique_ptr<Source> source, Index size) : source_(std::move(source)), size_(size) {}
Epoch::Epoch(Epoch&&) noexcept = default;
Epoch& Epoch::operator=(Epoch&&) noexcept = default;
Epoch::~Epoch() = default;

Epoch::Iterator Epoch::begin() {
    if (!current_) advance();
    return Iterator(this, nullptr);
}

void Epoch::advance() {
    current_.reset();  // its memory serves the next one
    current_ = source_->next();
}

Loader::Loader(const Variable& x, IntArray labels, Index batch_size, Where where) {
    if (x.rank() == 0 || labels.dimension() != 1 || x.shape(0) != static_cast<Index>(labels.size()))
        throw ShapeError(fmt::format("loader: one label for each row is needed: X {}, labels {}", to_string(x.shape()),
                                     to_string(Shape(labels.shape().begin(), labels.shape().end()))),
                         where);
    if (batch_size < 1) throw ValueError(fmt::format("loader: batch_size must be at least 1: {}", batch_size), where);
    Plan plan;
    plan.x = x.detach();
    plan.labels = std::move(labels);
    plan.batch_size = batch_size;
    plan_ = std::make_shared<const Plan>(std::move(plan));
}

template <class Change>
Loader& Loader::changed(Change change) {
    Plan plan = *plan_;
    change(plan);
    plan_ = std::make_shared<const Plan>(std::move(plan));
    return *this;
}

Loader& Loader::shuffle(std::uint64_t seed) {
    return changed([&](Plan& plan) { plan.shuffle_seed = seed; });
}

Loader& Loader::drop_last() {
    return changed([](Plan& plan) { plan.drop_last = true; });
}

Loader& Loader::prefetch() {
    return changed([](Plan& plan) { plan.prefetch = true; });
}

Loader& Loader::transform(Transform transform, std::uint64_t seed) {
    return changed([&](Plan& plan) {
        plan.transform = std::move(transform);
        plan.transform_seed = seed;
    });
}

Index Loader::samples() const { return plan_->samples(); }
Index Loader::batch_size() const { return plan_->batch_size; }
Index Loader::size() const { return plan_->batches(); }

Epoch::Iterator Loader::begin() {
    auto running = std::make_shared<Epoch>(epoch(next_epoch_++));
    running->begin();
    return Epoch::Iterator(running.get(), running);
}

Epoch Loader::epoch(Index number) const {
    if (number < 0) throw ValueError(fmt::format("loader: an epoch's number is not negative: {}", number));
    if (plan_->prefetch) return Epoch(std::make_unique<Epoch::Prefetching>(plan_, number), size());
    return Epoch(std::make_unique<Epoch::Direct>(plan_, number), size());
}

}  // namespace xtape::datasets
