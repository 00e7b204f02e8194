#include <xtape/autograd/kernels/deferred_map.hpp>

#include <algorithm>
#include <array>

#include <xtape/autograd/kernels/scratch.hpp>

namespace xtape::kernels {

namespace {

constexpr Index part_bytes = 2048;  // of each array at a time: what a chain uses stays in the first cache

/// Where a pass finds or leaves elements: in an array, or else in a part of a thread's working memory.
struct Place {
    std::byte* array = nullptr;
    Index part = 0;

    std::byte* at(Index offset, std::byte* memory) const { return array ? array + offset : memory + part * part_bytes; }
};

/// The parts of working memory. One that is given back is taken next: it is still in the first cache.
class Parts {
public:
    Index take() { return spare_ > 0 ? parts_[static_cast<std::size_t>(--spare_)] : count_++; }
    Index take_for_good() { return count_++; }
    void give_back(Index part) { parts_[static_cast<std::size_t>(spare_++)] = part; }
    Index count() const { return count_; }

private:
    std::array<Index, DeferredMap::most_waiting> parts_;
    Index spare_ = 0, count_ = 0;
};

}  // namespace

void* DeferredMap::operator new(std::size_t bytes) { return storage::allocate(bytes); }
void DeferredMap::operator delete(void* memory, std::size_t bytes) noexcept { storage::deallocate(memory, bytes); }

/// What doing all passes would give back: arrays that nobody holds but those that wait.
class DeferredMap::Burden {
public:
    static constexpr Index most = 450;  ///< a sum of many arrays, of gradients say, holds a few of them at a time

    /// In hundredths of an array. One that others hold too counts for the part of it that those that wait hold.
    static Index of(const DeferredMap& map) { return Burden().with(map); }

private:
    Index with(const DeferredMap& map) {
        for (std::size_t k = 0; k < map.count_; ++k) {
            if (const DeferredMap* const operand = map.waiting(k)) {
                const auto end = seen_.begin() + count_;
                if (std::find(seen_.begin(), end, operand) != end) continue;
                seen_[static_cast<std::size_t>(count_++)] = operand;
                with(*operand);
            } else if (map.operands_[k].size() == map.size_) {
                hundredths_ += 100 / static_cast<Index>(map.operands_[k].holders());
            }
        }
        return hundredths_;
    }

    std::array<const DeferredMap*, most_waiting> seen_;
    Index count_ = 0, hundredths_ = 0;
};

void DeferredMap::prepare(Turn& turn) {
    for (;;) {
        DeferredMap* longest = nullptr;
        passes_ = 1;
        for (std::size_t k = 0; k < count_; ++k)
            if (DeferredMap* const operand = waiting(k)) {
                passes_ += operand->passes_;
                if (!longest || operand->passes_ > longest->passes_) longest = operand;
            }
        if (!longest || (passes_ <= most_waiting && Burden::of(*this) <= Burden::most)) return;
        longest->evaluate(turn);
    }
}

DeferredMap* DeferredMap::waiting(std::size_t operand) const {
    return static_cast<DeferredMap*>(of(operands_[operand]));
}

bool DeferredMap::reads(const void* elements) const {
    for (std::size_t k = 0; k < count_; ++k) {
        const DeferredMap* const before = waiting(k);
        if (before ? before->reads(elements) : operands_[k].data<std::byte>() == elements) return true;
    }
    return false;
}

/// One pass of a plan.
struct DeferredMap::Step {
    DeferredMap* map;
    Step* from[most_operands] = {};  ///< earlier steps, where operands wait too
    std::uint32_t readers = 0;       ///< operands of later steps
    std::uint32_t to_come = 0;       ///< of these, those that have no place yet
    Array made;                      ///< the result, where others than later steps hold it
    Place out, in[most_operands];
    detail::Manner manner;
};

/// All passes that a result waits for, in an order in which they can be done.
class DeferredMap::Plan {
public:
    explicit Plan(DeferredMap& result) : size_(result.size_), dtype_(result.dtype_) {
        gather(result);
        for (Step* step = begin(); step != end(); ++step) step->map->step_ = nullptr;
    }
    Plan(const Plan&) = delete;
    Plan& operator=(const Plan&) = delete;

    /// Whether another thread is at one of them.
    bool is_busy() {
        return std::any_of(begin(), end(), [](const Step& step) { return step.map->busy; });
    }

    /// With the lock open meanwhile.
    void carry_out(Turn& turn) {
        lay_out();
        struct Busy {
            Busy(Plan& p, Turn& t) : plan(p), turn(t) {
                plan.set_busy(true);
                turn.open();
            }
            ~Busy() {
                turn.close();
                plan.set_busy(false);
                turn.tell();
            }
            Plan& plan;
            Turn& turn;
        };
        Busy(*this, turn), run();
        for (Step* step = begin(); step != end(); ++step)
            if (step->made) step->map->fulfil(step->made, turn);
    }

private:
    void set_busy(bool busy) {
        for (Step* step = begin(); step != end(); ++step) step->map->busy = busy;
    }

    /// Finds a place for everything. Throws std::bad_alloc.
    void lay_out() {
        for (Step* step = begin(); step != end(); ++step) {
            DeferredMap& map = *step->map;
            for (std::size_t k = 0; k < map.count_; ++k)
                step->in[k] = step->from[k] ? place_of(*step->from[k]) : place_of(map.operands_[k]);
            const bool is_kept = step + 1 == end() || map.holders() > step->readers;
            const bool in_place = is_kept && spare_count_ > 0;
            if (is_kept) {
                step->made = in_place ? *spare_[static_cast<std::size_t>(--spare_count_)]
                                      : Array::uninitialized({size_}, dtype_);
                step->out.array = const_cast<std::byte*>(step->made.data<std::byte>());
            } else {
                step->out.part = parts_.take();
            }
            step->to_come = step->readers;
            dispatch(dtype_, [&](auto tag) {
                step->manner = detail::manner_for<decltype(tag)>(size_, in_place || step->readers > 0);
            });
        }
    }

    void run() {
        const Index bytes = static_cast<Index>(size_of(dtype_));
        const detail::Manner manner = end()[-1].manner;
        const bool by_itself = count_ == 1 && parts_.count() == 0;
        auto on_range = [&](Index first, Index last) {
            const Scratch<std::byte> memory(parts_.count() * part_bytes);
            for (const Number* number = numbers_.data(); number != numbers_.data() + number_count_; ++number)
                repeat(*number, memory.data());
            const Index piece = by_itself ? last - first : part_bytes / bytes;
            for (Index i = first; i < last; i += piece)
                for (const Step* step = begin(); step != end(); ++step)
                    step->map->pass(*step, i * bytes, memory.data(), std::min(piece, last - i));
            if (manner.past_caches) finish_past_caches();
        };
        parallel_for(size_, map_grain, on_range, manner.order);
    }

    /// An operand that is one element for all, repeated in a part of the working memory.
    struct Number {
        const Array* element;
        Index part;
    };

    Step* begin() { return steps_.data(); }
    Step* end() { return steps_.data() + count_; }

    Step& gather(DeferredMap& map) {
        Step* from[most_operands] = {};
        for (std::size_t k = 0; k < map.count_; ++k)
            if (DeferredMap* const operand = map.waiting(k)) {
                from[k] = operand->step_ ? operand->step_ : &gather(*operand);
                ++from[k]->readers;
            }
        Step& step = *end();
        ++count_;
        step.map = &map;
        std::copy(from, from + most_operands, step.from);
        return *(map.step_ = &step);
    }

    /// Where a step's result is. Its last reader may overwrite a part of the working memory.
    Place place_of(Step& step) {
        if (--step.to_come == 0 && !step.made) parts_.give_back(step.out.part);
        return step.out;
    }

    Place place_of(const Array& operand) {
        if (operand.size() == size_) {
            // The one step that reads it does so before any later step writes the same elements.
            if (operand.unique() && !operand.function()) spare_[static_cast<std::size_t>(spare_count_++)] = &operand;
            return {const_cast<std::byte*>(operand.data<std::byte>()), 0};
        }
        Number& number = numbers_[static_cast<std::size_t>(number_count_++)];
        number = {&operand, parts_.take_for_good()};
        return {nullptr, number.part};
    }

    void repeat(const Number& number, std::byte* memory) const {
        dispatch(dtype_, [&](auto tag) {
            using T = decltype(tag);
            T* const first = reinterpret_cast<T*>(memory + number.part * part_bytes);
            std::fill_n(first, part_bytes / static_cast<Index>(sizeof(T)), *number.element->data<T>());
        });
    }

    Index size_;
    DType dtype_;
    std::array<Step, most_waiting> steps_;
    Index count_ = 0;
    std::array<Number, most_waiting * most_operands> numbers_;
    Index number_count_ = 0;
    std::array<const Array*, most_waiting * most_operands> spare_;  ///< may be overwritten: nobody else holds them
    Index spare_count_ = 0;
    Parts parts_;
};

void DeferredMap::pass(const Step& step, Index offset, std::byte* memory, Index n) const {
    const void* in[most_operands] = {};
    for (std::size_t k = 0; k < count_; ++k) in[k] = step.in[k].at(offset, memory);
    pass_(function_, step.out.at(offset, memory), in, n, step.manner);
}

void DeferredMap::evaluate(Turn& turn) {
    {
        Plan plan(*this);
        if (!plan.is_busy()) return plan.carry_out(turn);
    }
    turn.wait();
}

}  // namespace xtape::kernels
