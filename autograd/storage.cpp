#include <xtape/autograd/storage.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(block, bytes) (void(block), void(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(block, bytes) (void(block), void(bytes))
#endif

namespace xtape::storage {

namespace {

constexpr std::size_t alignment = 64;
constexpr std::size_t small_limit = 2048;  // nodes, scalars and other small arrays: cached by each thread
constexpr std::size_t small_classes = small_limit / alignment + 1;
constexpr std::size_t batch = 64;        // blocks that a thread takes from the common pool at once
constexpr std::size_t most_kept = 8192;  // blocks of one class that a thread keeps for itself
constexpr std::size_t huge_page = std::size_t{2} << 20;

/// A size class: the bytes its blocks have and its number. Multiples of 64 up to the small limit, then eighths of powers of
/// two, so that at most an eighth is wasted.
struct SizeClass {
    std::size_t bytes;
    std::size_t number;
};

SizeClass size_class(std::size_t bytes) {
    if (bytes <= small_limit) {
        const std::size_t number = std::max<std::size_t>(1, (bytes + alignment - 1) / alignment);
        return {number * alignment, number};
    }
    std::size_t eighth = small_limit / 8;
    std::size_t number = small_classes;
    for (; eighth * 16 < bytes; eighth *= 2) number += 8;
    const std::size_t steps = (bytes + eighth - 1) / eighth;  // 9 ... 16
    return {steps * eighth, number + steps - 9};
}

void* from_system(std::size_t bytes) {
    const bool large = bytes >= huge_page;
    const std::size_t unit = large ? huge_page : alignment;
    void* block = std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit);
    if (!block) throw std::bad_alloc();
    if (large) madvise(block, bytes, MADV_HUGEPAGE);  // advice only: a refusal costs speed, nothing else
    return block;
}

/// Free blocks of one size class, linked through themselves; poisoned under the address sanitizer, link excepted.
class FreeList {
public:
    void push(void* block, std::size_t bytes) {
        head_ = new (block) Link{head_};
        ++count_;
        ASAN_POISON_MEMORY_REGION(static_cast<char*>(block) + sizeof(Link), bytes - sizeof(Link));
    }
    void* pop(std::size_t bytes) {
        if (!head_) return nullptr;
        void* block = head_;
        head_ = head_->next;
        --count_;
        ASAN_UNPOISON_MEMORY_REGION(block, bytes);
        return block;
    }
    std::size_t count() const { return count_; }

private:
    struct Link {
        Link* next;
    };
    Link* head_ = nullptr;
    std::size_t count_ = 0;
};

/// A counter that one thread writes and any thread reads: no locked instruction.
class Counter {
public:
    void add(std::size_t n) { value_.store(get() + n, std::memory_order_relaxed); }
    std::size_t get() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::size_t> value_{0};
};

/// Small blocks of one thread. `live` may wrap around below zero where another thread frees: only the sum counts.
struct ThreadCache {
    std::array<FreeList, small_classes> free;
    Counter live;
    Counter reused;
};

/// What all threads share. Never destroyed, so that arrays of static lifetime can still be given back.
class Pool {
public:
    static Pool& instance() {
        static Pool& pool = *new Pool;
        return pool;
    }

    void refill(FreeList& list, SizeClass size) {
        std::lock_guard lock(mutex_);
        FreeList& common = free_[size.number];
        if (common.count() == 0) carve(common, size);
        for (std::size_t i = 0; i < batch && common.count() > 0; ++i) list.push(common.pop(size.bytes), size.bytes);
    }

    void take_back(FreeList& list, SizeClass size, std::size_t keep) {
        std::lock_guard lock(mutex_);
        while (list.count() > keep) free_[size.number].push(list.pop(size.bytes), size.bytes);
    }

    void* allocate_large(SizeClass size) {
        std::unique_lock lock(mutex_);
        void* block = free_[size.number].pop(size.bytes);
        if (block) {
            ++reused_;
            cached_ -= size.bytes;
        } else {
            ++fresh_;
            lock.unlock();
            block = from_system_or_cache(size.bytes);
            lock.lock();
        }
        live_ += size.bytes;
        measure_peak();
        return block;
    }

    void deallocate_large(void* block, SizeClass size) {
        std::lock_guard lock(mutex_);
        live_ -= size.bytes;
        cached_ += size.bytes;
        free_[size.number].push(block, size.bytes);
    }

    void trim() {
        std::lock_guard lock(mutex_);
        for (std::size_t number = small_classes; number < free_.size(); ++number)
            while (void* block = free_[number].pop(bytes_of(number))) std::free(block);
        cached_ = 0;
    }

    void enter(ThreadCache* cache) {
        std::lock_guard lock(mutex_);
        threads_.push_back(cache);
    }
    void leave(ThreadCache* cache) {
        for (std::size_t number = 1; number < small_classes; ++number)
            take_back(cache->free[number], {number * alignment, number}, 0);
        std::lock_guard lock(mutex_);
        small_live_ += cache->live.get();
        reused_ += cache->reused.get();
        threads_.erase(std::find(threads_.begin(), threads_.end(), cache));
    }

    /// Small blocks where the thread's own cache is gone already (objects of static lifetime).
    void* allocate_small(SizeClass size) {
        FreeList one;
        refill(one, size);
        void* block = one.pop(size.bytes);
        take_back(one, size, 0);
        std::lock_guard lock(mutex_);
        small_live_ += size.bytes;
        return block;
    }
    void deallocate_small(void* block, SizeClass size) {
        std::lock_guard lock(mutex_);
        small_live_ -= size.bytes;
        free_[size.number].push(block, size.bytes);
    }

    Stats stats() {
        std::lock_guard lock(mutex_);
        measure_peak();
        Stats result{live_bytes(), peak_, cached_, fresh_, reused_};
        for (const ThreadCache* cache : threads_) result.reused_blocks += cache->reused.get();
        return result;
    }
    void reset_peak() {
        std::lock_guard lock(mutex_);
        peak_ = live_bytes();
    }

private:
    std::size_t live_bytes() const {
        std::size_t bytes = live_ + small_live_;
        for (const ThreadCache* cache : threads_) bytes += cache->live.get();
        return bytes;
    }

    /// Looks at the live bytes where they may be at their highest: small blocks are not followed one by one.
    void measure_peak() { peak_ = std::max(peak_, live_bytes()); }

    void carve(FreeList& list, SizeClass size) {
        char* slab = static_cast<char*>(from_system(batch * size.bytes));
        slabs_.push_back(slab);
        measure_peak();
        ++fresh_;
        for (std::size_t i = batch; i-- > 0;) list.push(slab + i * size.bytes, size.bytes);
    }

    void* from_system_or_cache(std::size_t bytes) {
        try {
            return from_system(bytes);
        } catch (const std::bad_alloc&) {
            trim();
            return from_system(bytes);
        }
    }

    static std::size_t bytes_of(std::size_t number) {
        const std::size_t above = number - small_classes;
        return (small_limit / 8 << above / 8) * (9 + above % 8);
    }

    std::mutex mutex_;
    std::array<FreeList, 512> free_;
    std::vector<ThreadCache*> threads_;
    std::vector<char*> slabs_;
    std::size_t live_ = 0, small_live_ = 0, peak_ = 0, cached_ = 0, fresh_ = 0, reused_ = 0;
};

/// This thread's cache, made on first use; null once the thread is ending.
struct CacheOwner {
    ThreadCache* cache = new ThreadCache;
    CacheOwner() { Pool::instance().enter(cache); }
    ~CacheOwner();
};

thread_local ThreadCache* thread_cache = nullptr;
thread_local bool thread_ending = false;

CacheOwner::~CacheOwner() {
    thread_cache = nullptr;
    thread_ending = true;
    Pool::instance().leave(cache);
    delete cache;
}

ThreadCache* make_cache() {
    if (thread_ending) return nullptr;
    static thread_local CacheOwner owner;
    return thread_cache = owner.cache;
}

inline ThreadCache* cache_of_thread() { return thread_cache ? thread_cache : make_cache(); }

}  // namespace

void* allocate(std::size_t bytes) {
    const SizeClass size = size_class(bytes);
    if (size.number >= small_classes) return Pool::instance().allocate_large(size);
    ThreadCache* cache = cache_of_thread();
    if (!cache) return Pool::instance().allocate_small(size);
    FreeList& list = cache->free[size.number];
    if (list.count() == 0) {
        Pool::instance().refill(list, size);
    } else {
        cache->reused.add(1);
    }
    cache->live.add(size.bytes);
    return list.pop(size.bytes);
}

void deallocate(void* block, std::size_t bytes) noexcept {
    const SizeClass size = size_class(bytes);
    if (size.number >= small_classes) return Pool::instance().deallocate_large(block, size);
    ThreadCache* cache = cache_of_thread();
    if (!cache) return Pool::instance().deallocate_small(block, size);
    FreeList& list = cache->free[size.number];
    list.push(block, size.bytes);
    cache->live.add(~size.bytes + 1);
    if (list.count() > most_kept) Pool::instance().take_back(list, size, most_kept / 2);
}

Stats stats() { return Pool::instance().stats(); }
void reset_peak() { Pool::instance().reset_peak(); }
void trim() { Pool::instance().trim(); }

}  // namespace xtape::storage
