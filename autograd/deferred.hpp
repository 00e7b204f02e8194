#pragma once

#include <cstdint>
#include <memory>

#include <xtape/autograd/array.hpp>

namespace xtape {

/// How the elements of an array will be computed by whoever asks for them first, on any thread. Before an array is written,
/// those that read it are computed. One lock guards all of them; it is open while elements are computed.
class Deferred {
public:
    Deferred() = default;
    virtual ~Deferred() = default;
    Deferred(const Deferred&) = delete;
    Deferred& operator=(const Deferred&) = delete;

protected:
    /// The lock, held by this thread.
    class Turn;

    /// Called once, before the array exists: the moment to compute operands, if too much waits already.
    virtual void prepare(Turn& turn) = 0;
    /// Computes the array's elements and fulfils it, and whatever else it has computed on the way. Or waits until another thread
    /// has computed something: then this may be gone.
    virtual void evaluate(Turn& turn) = 0;
    /// Whether computing the array would read these elements.
    virtual bool reads(const void* elements) const = 0;

    /// How this array will be computed; null when it has its elements.
    static Deferred* of(const Array& array);
    /// How many hold the array, operands of others that are deferred among them.
    std::uint32_t holders() const { return block_->references.count(); }
    /// Gives the array its elements, those of `made`.
    void fulfil(const Array& made, Turn& turn);

    bool busy = false;  ///< a thread computes it, or with it

private:
    friend class Array;
    struct List;

    static void defer(Array::Block* block, std::unique_ptr<Deferred> how);
    static void* evaluate(Array::Block* block);
    static void evaluate_readers(const void* elements);
    static void give_up(Array::Block* block) noexcept;
    void unlink() noexcept;

    Array::Block* block_ = nullptr;
    Deferred *older_ = nullptr, *newer_ = nullptr;  ///< in the list of all; `older_` also among those done
};

class Deferred::Turn {
public:
    Turn();
    /// Opens the lock, then destroys those that have been fulfilled: what they held may be deferred itself.
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

    void open();
    void close();
    /// Until another thread is no longer busy with something.
    void wait();
    /// Something is no longer busy.
    void tell();

private:
    friend class Deferred;
    Deferred* done_ = nullptr;
};

}  // namespace xtape
