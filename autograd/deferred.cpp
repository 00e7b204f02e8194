#include <xtape/autograd/deferred.hpp>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include <xtape/autograd/storage.hpp>

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

Deferred::Turn::Turn() { List::all().mutex.lock(); }

Deferred::Turn::~Turn() {
    List::all().mutex.unlock();
    while (done_) delete std::exchange(done_, done_->older_);
}

void Deferred::Turn::wait() {
    std::unique_lock lock(List::all().mutex, std::adopt_lock);
    List::all().changed.wait(lock);
    lock.release();
}

Deferred::Busy::Busy(Deferred* const* those, std::size_t count, Turn&) : those_(those), count_(count) {
    set(true);
    List::all().mutex.unlock();
}

Deferred::Busy::~Busy() {
    List::all().mutex.lock();
    set(false);
    List::all().changed.notify_all();
}

void Deferred::Busy::set(bool busy) {
    for (std::size_t k = 0; k < count_; ++k) those_[k]->busy_ = busy;
}

void* Deferred::operator new(std::size_t bytes) { return storage::allocate(bytes); }
void Deferred::operator delete(void* memory, std::size_t bytes) noexcept { storage::deallocate(memory, bytes); }

Deferred* Deferred::newest() { return List::all().newest; }

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

bool Deferred::Seen::add(const Deferred& one) {
    if (std::find(begin(), end(), &one) != end()) return false;
    those_[count_++] = &one;
    return true;
}

/// This and all that it waits for.
void Deferred::see(Seen& seen) const {
    if (!seen.add(*this)) return;
    for (std::size_t k = 0; k < operand_count_; ++k)
        if (const Deferred* const operand = waiting(k)) operand->see(seen);
}

/// Counts what it waits for; has operands computed if that is too much.
void Deferred::prepare(Turn& turn) {
    for (;;) {
        Deferred* longest = nullptr;
        for (std::size_t k = 0; k < operand_count_; ++k)
            if (Deferred* const operand = waiting(k))
                if (!longest || operand->passes_ > longest->passes_) longest = operand;
        Seen seen;
        see(seen);
        passes_ = seen.end() - seen.begin();
        if (!longest || (passes_ <= most_waiting && !holds_too_much())) return;
        longest->evaluate(turn);
    }
}

/// Whether computing the array would read these elements.
bool Deferred::reads(const void* elements) const {
    Seen seen;
    see(seen);
    for (const Deferred* each : seen)
        for (std::size_t k = 0; k < each->operand_count_; ++k)
            if (!each->waiting(k) && each->operand(k).data<std::byte>() == elements) return true;
    return false;
}

void* Deferred::evaluate(Array::Block* block) {
    Turn turn;
    while (!block->elements.load(std::memory_order_relaxed)) block->how->evaluate(turn);
    return block->elements.load(std::memory_order_relaxed);
}

void Deferred::evaluate_readers(const void* elements) {
    for (;;) {
        Turn turn;  // for each: what only the one before needed is gone when it ends
        Deferred* reader = List::all().newest;
        while (reader && !reader->reads(elements)) reader = reader->older_;
        if (!reader) return;
        reader->evaluate(turn);
    }
}

void Deferred::give_up(Array::Block* block) noexcept {
    Turn turn;
    const auto waits = [block] { return !block->elements.load(std::memory_order_relaxed) && block->how; };
    while (waits() && block->how->busy_) turn.wait();
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
