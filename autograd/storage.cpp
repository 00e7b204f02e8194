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

#include <xtape/autograd/size_class.hpp>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(block, bytes) (void(block), void(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(block, bytes) (void(block), void(bytes))
#endif

namespace xtape::storage {

namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20;

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
        __builtin_prefetch(head_, 1);  // the next one to be asked for
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
    void set(std::size_t n) { value_.store(n, std::memory_order_relaxed); }
    std::size_t get() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::size_t> value_{0};
};

/// Small blocks of one thread. `live` may wrap around below zero where another thread frees: only the sum counts.
struct ThreadCache {
    std::array<FreeList, small_classes> free;
    Counter live;
    Counter highest;  ///< of live since all threads' memory was last looked at
    Counter reused;

    void take(std::size_t bytes) {
        live.add(bytes);
        if (below(highest.get(), live.get())) highest.set(live.get());
    }
    /// How much more it once was than it is now.
    std::size_t fallen() const { return below(live.get(), highest.get()) ? highest.get() - live.get() : 0; }

private:
    static bool below(std::size_t a, std::size_t b) { return static_cast<std::ptrdiff_t>(b - a) > 0; }
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
        for (std::size_t i = 0; i < size.batch() && common.count() > 0; ++i)
            list.push(common.pop(size.bytes), size.bytes);
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
        measure_peak();
        live_ += size.bytes;
        peak_ = std::max(peak_, live_bytes());
        return block;
    }

    void deallocate_large(void* block, SizeClass size) {
        std::lock_guard lock(mutex_);
        measure_peak();
        live_ -= size.bytes;
        cached_ += size.bytes;
        free_[size.number].push(block, size.bytes);
    }

    void trim() {
        std::lock_guard lock(mutex_);
        for (std::size_t number = small_classes; number < free_.size(); ++number)
            while (void* block = free_[number].pop(class_of_number(number).bytes)) std::free(block);
        cached_ = 0;
    }

    void enter(ThreadCache* cache) {
        std::lock_guard lock(mutex_);
        threads_.push_back(cache);
    }
    void leave(ThreadCache* cache) {
        for (std::size_t number = 1; number < small_classes; ++number)
            take_back(cache->free[number], class_of_number(number), 0);
        std::lock_guard lock(mutex_);
        measure_peak();
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
        measure_peak();
        peak_ = live_bytes();
    }

private:
    std::size_t live_bytes() const {
        std::size_t bytes = live_ + small_live_;
        for (const ThreadCache* cache : threads_) bytes += cache->live.get();
        return bytes;
    }

    /// Looks back to when the live bytes were at their highest: exact for small blocks of one thread at a time, a lower bound
    /// where several hold many at once.
    void measure_peak() {
        std::size_t fallen = 0;
        for (ThreadCache* cache : threads_) {
            fallen = std::max(fallen, cache->fallen());
            cache->highest.set(cache->live.get());
        }
        peak_ = std::max(peak_, live_bytes() + fallen);
    }

    void carve(FreeList& list, SizeClass size) {
        char* slab = static_cast<char*>(from_system(size.batch() * size.bytes));
        slabs_.push_back(slab);
        ++fresh_;
        for (std::size_t i = size.batch(); i-- > 0;) list.push(slab + i * size.bytes, size.bytes);
    }

    void* from_system_or_cache(std::size_t bytes) {
        try {
            return from_system(bytes);
        } catch (const std::bad_alloc&) {
            trim();
            return from_system(bytes);
        }
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
    cache->take(size.bytes);
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
    if (list.count() > size.most_kept()) Pool::instance().take_back(list, size, size.most_kept() / 2);
}

Stats stats() { return Pool::instance().stats(); }
void reset_peak() { Pool::instance().reset_peak(); }
void trim() { Pool::instance().trim(); }

}  // namespace xtape::storage
