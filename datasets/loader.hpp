#pragma once

#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/random.hpp>

namespace xtape::datasets {

/// Some samples, their labels, and where they stand in the set.
struct Batch {
    Variable x;          ///< (n, ...)
    IntArray labels;     ///< (n,)
    IntArray positions;  ///< (n,): row i of x is row positions[i] of the set

    Index size() const { return x.shape(0); }
};

/// The batches of one epoch, to be walked through once: `for (auto& batch : loader.epoch(e))`. May outlive its loader
/// and may be left early.
class Epoch {
public:
    class Iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = Batch;
        using difference_type = std::ptrdiff_t;
        using pointer = Batch*;
        using reference = Batch&;

        Batch& operator*() const { return *epoch_->current_; }
        Batch* operator->() const { return &*epoch_->current_; }
        Iterator& operator++() {
            epoch_->advance();
            return *this;
        }
        void operator++(int) { epoch_->advance(); }
        friend bool operator==(const Iterator& a, const Iterator& b) { return a.at_end() == b.at_end(); }
        friend bool operator!=(const Iterator& a, const Iterator& b) { return !(a == b); }

    private:
        friend class Epoch;
        friend class Loader;
        Iterator(Epoch* epoch, std::shared_ptr<Epoch> owned) : epoch_(epoch), owned_(std::move(owned)) {}
        bool at_end() const { return !epoch_ || !epoch_->current_; }

        Epoch* epoch_;
        std::shared_ptr<Epoch> owned_;  // when the loader was the range
    };

    Epoch(Epoch&&) noexcept;
    Epoch& operator=(Epoch&&) noexcept;
    ~Epoch();

    Iterator begin();
    Iterator end() { return Iterator(nullptr, nullptr); }

    /// How many batches it has in all.
    Index size() const { return size_; }

private:
    friend class Loader;
    class Source;
    class Direct;
    class Prefetching;

    Epoch(std::unique_ptr<Source> source, Index size);
    void advance();

    std::unique_ptr<Source> source_;
    std::optional<Batch> current_;
    Index size_;
};

/// Hands a labelled set out in batches. What an epoch's batches hold is a function of seed and epoch number alone, with
/// and without prefetching: `Loader(x, labels, 128).shuffle(seed).prefetch()`.
class Loader {
public:
    /// Changes a batch's x, with random numbers that belong to this batch: flips, shifts, noise.
    using Transform = std::function<Variable(const Variable& x, Generator& generator)>;

    /// In order, last batch smaller, until told otherwise. Throws ShapeError when x (n, ...) and labels (n,) differ in
    /// n, ValueError unless batch_size >= 1.
    Loader(const Variable& x, IntArray labels, Index batch_size, Where where = Where::here());

    /// A new order for each epoch.
    Loader& shuffle(std::uint64_t seed);
    /// Leaves out the last batch of an epoch when it is smaller than the others.
    Loader& drop_last();
    /// Prepares batches in a thread of its own, up to two ahead. What is thrown there comes out of the loop over the
    /// epoch.
    Loader& prefetch();
    /// Applies `transform` to every batch; `seed` as for shuffle. With prefetch it is called in that thread.
    Loader& transform(Transform transform, std::uint64_t seed);

    Index samples() const;
    Index batch_size() const;
    /// Batches in an epoch.
    Index size() const;

    /// The batches of one epoch. Throws ValueError for a negative number.
    Epoch epoch(Index number) const;

    /// The loader itself as a range is epoch 0 the first time, epoch 1 the second: `optim::fit(options, loader, step)`.
    Epoch::Iterator begin();
    Epoch::Iterator end() { return Epoch::Iterator(nullptr, nullptr); }

private:
    struct Plan;
    std::shared_ptr<const Plan> plan_;
    Index next_epoch_ = 0;

    template <class Change>
    Loader& changed(Change change);
    friend class Epoch;
};

}  // namespace xtape::datasets
