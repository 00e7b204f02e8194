#include <xtape/autograd/deferred.hpp>

#include <condition_variable>
#include <mutex>
#include <utility>

namespace xtape {

/// All that are deferred. Never destroyed, for arrays may outlive every static object.
struct Deferred::List {
    std::mutex mutex;
    std::condition_variable changed;
    Deferred *newest = nullptr, *oldest = nullptr;

    static List& all() {
        static List& list = *new List;
        return list;
    }
};

Deferred::Turn::Turn() { close(); }

Deferred::Turn::~Turn() {
    open();
    while (done_) delete std::exchange(done_, done_->older_);
}

void Deferred::Turn::open() { List::all().mutex.unlock(); }
void Deferred::Turn::close() { List::all().mutex.lock(); }

void Deferred::Turn::wait() {
    std::unique_lock lock(List::all().mutex, std::adopt_lock);
    List::all().changed.wait(lock);
    lock.release();
}

void Deferred::Turn::tell() { List::all().changed.notify_all(); }

Deferred* Deferred::of(const Array& array) {
    return array.block_->elements.load(std::memory_order_relaxed) ? nullptr : array.block_->how;
}

void Deferred::defer(Array::Block* block, std::unique_ptr<Deferred> how) {
    constexpr int most = 128;  // in all: unread results hold their operands, and whoever writes looks through the list
    Turn turn;
    List& list = List::all();
    while (Array::deferred_arrays.load(std::memory_order_relaxed) >= most) list.oldest->evaluate(turn);
    how->prepare(turn);
    how->block_ = block;
    how->older_ = list.newest;
    (list.newest ? list.newest->newer_ : list.oldest) = how.get();
    list.newest = block->how = how.release();
    Array::deferred_arrays.fetch_add(1, std::memory_order_relaxed);
}

void* Deferred::evaluate(Array::Block* block) {
    Turn turn;
    while (!block->elements.load(std::memory_order_relaxed)) block->how->evaluate(turn);
    return block->elements.load(std::memory_order_relaxed);
}

void Deferred::evaluate_readers(const void* elements) {
    Turn turn;
    for (auto* reader = List::all().newest; reader;) {  // the newest first: older ones may be needed by it alone
        if (reader->reads(elements)) {
            reader->evaluate(turn);
            reader = List::all().newest;
        } else {
            reader = reader->older_;
        }
    }
}

void Deferred::give_up(Array::Block* block) noexcept {
    Turn turn;
    const auto waits = [block] { return !block->elements.load(std::memory_order_relaxed) && block->how; };
    while (waits() && block->how->busy) turn.wait();
    if (!waits()) return;
    block->how->unlink();
    block->how->older_ = std::exchange(turn.done_, block->how);
}

void Deferred::fulfil(const Array& made, Turn& turn) {
    Array::Block* const from = made.block_->owner.load(std::memory_order_relaxed);
    Array::Block* const owner = from ? from : made.block_;
    owner->references.add();
    // Released: whoever holds the array may ask meanwhile whether it is unique.
    block_->owner.store(owner, std::memory_order_release);
    unlink();
    older_ = std::exchange(turn.done_, this);
    // Last: who sees the elements may have everything else destroyed.
    block_->elements.store(made.block_->elements.load(std::memory_order_relaxed), std::memory_order_release);
}

void Deferred::unlink() noexcept {
    (newer_ ? newer_->older_ : List::all().newest) = older_;
    (older_ ? older_->newer_ : List::all().oldest) = newer_;
    Array::deferred_arrays.fetch_sub(1, std::memory_order_release);
}

}  // namespace xtape
