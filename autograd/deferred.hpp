#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include <xtape/autograd/array.hpp>

namespace xtape {

/// How the elements of an array will be computed by whoever asks for them first, on any thread. Before an array is written,
/// those that read it are computed. One lock guards all of them; it is open while elements are computed.
class Deferred {
public:
    static constexpr std::size_t most_operands = 3;
    static constexpr Index most_waiting = 32;  ///< for one array

    Deferred(const Deferred&) = delete;
    Deferred& operator=(const Deferred&) = delete;
    virtual ~Deferred() = default;

    /// The lock, held by this thread.
    class Turn;
    /// What this thread computes, with the lock open.
    class Busy;
    /// Those that a walk has come to: many may wait for the same.
    class Seen;

    static void* operator new(std::size_t bytes);
    static void operator delete(void* memory, std::size_t bytes) noexcept;

    /// How this array will be computed; null when it has its elements.
    static Deferred* of(const Array& array);

    /// Computes the array's elements and fulfils it, and whatever else it keeps of what it computes on the way. Or goes a step
    /// towards that, as computing an operand or waiting for another thread: then this may be gone.
    virtual void evaluate(Turn& turn) = 0;

    const Array& operand(std::size_t k) const { return operands_[k]; }
    std::size_t operand_count() const { return operand_count_; }
    /// How operand k will be computed; null when it has its elements.
    Deferred* waiting(std::size_t k) const { return of(operands_[k]); }
    /// This and what waits that it was to be computed from.
    Index passes() const { return passes_; }
    /// Whether another thread computes it, or with it.
    bool is_busy() const { return busy_; }
    /// All that are deferred, the newest first.
    static Deferred* newest();
    Deferred* older() const { return older_; }

protected:
    /// Will compute the array from these, and holds them.
    template <class... Arrays>
    explicit Deferred(Arrays... operands) : operands_{std::move(operands)...}, operand_count_(sizeof...(Arrays)) {
        static_assert(sizeof...(Arrays) <= most_operands);
    }

    /// Whether it would hold so many arrays that one of its operands had better be computed at once.
    virtual bool holds_too_much() const { return false; }

    /// How many hold the array, operands of others that are deferred among them. Other threads may let go at any time.
    std::uint32_t holders() const { return block_->references.count(); }
    /// Gives the array its elements, those of `made`.
    void fulfil(const Array& made, Turn& turn);
    /// evaluate() of what is made by itself: by make(), with the lock open, once all operands have elements, the last one first.
    template <class Make>
    void evaluate_alone(Turn& turn, const Make& make);

private:
    friend class Array;
    struct List;

    static void defer(Array::Block* block, std::unique_ptr<Deferred> how);
    static void* evaluate(Array::Block* block);
    static void evaluate_readers(const void* elements);
    static void give_up(Array::Block* block) noexcept;
    void prepare(Turn& turn);
    void see(Seen& seen) const;
    bool reads(const void* elements) const;
    void unlink() noexcept;

    std::array<Array, most_operands> operands_;
    std::size_t operand_count_;
    Index passes_ = 1;
    bool busy_ = false;
    Array::Block* block_ = nullptr;
    Deferred *older_ = nullptr, *newer_ = nullptr;  ///< in the list of all; `older_` also among those done
};

class Deferred::Seen {
public:
    /// Whether it is a new one.
    bool add(const Deferred& one);
    const Deferred* const* begin() const { return those_.data(); }
    const Deferred* const* end() const { return those_.data() + count_; }

private:
    std::array<const Deferred*, most_operands * most_waiting + 1> those_;
    std::size_t count_ = 0;
};

class Deferred::Turn {
public:
    Turn();
    /// Opens the lock, then destroys those that have been fulfilled: what they held may be deferred itself.
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

    /// Until another thread is no longer busy with something.
    void wait();

private:
    friend class Deferred;
    Deferred* done_ = nullptr;
};

class Deferred::Busy {
public:
    Busy(Deferred* const* those, std::size_t count, Turn& turn);
    /// Closes the lock again.
    ~Busy();
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

private:
    void set(bool busy);

    Deferred* const* those_;
    std::size_t count_;
};

template <class Make>
void Deferred::evaluate_alone(Turn& turn, const Make& make) {
    if (busy_) return turn.wait();
    for (std::size_t k = operand_count_; k-- > 0;)
        if (Deferred* const before = waiting(k)) return before->evaluate(turn);
    Array made;
    {
        Deferred* const self = this;
        const Busy busy(&self, 1, turn);
        made = make();
    }
    fulfil(made, turn);
}

}  // namespace xtape
