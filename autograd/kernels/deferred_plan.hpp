#pragma once

#include <array>
#include <cstddef>

#include <xtape/autograd/kernels/deferred_map.hpp>
#include <xtape/autograd/kernels/deferred_product.hpp>

namespace xtape::kernels {

/// Where a pass finds or leaves elements: in an array, or else in a part of a thread's working memory.
struct Place {
    static constexpr Index part_bytes = 2048;  // of each array at a time: what a chain uses stays in the first cache

    std::byte* array = nullptr;
    Index part = 0;
    Index stride = 1;  ///< elements of an array that belong to one of the result

    std::byte* at(Index offset, std::byte* memory) const {
        return array ? array + offset * stride : memory + part * part_bytes;
    }
};

/// The parts of working memory. One that is given back is taken next: it is still in the first cache.
class Parts {
public:
    Index take() { return spare_ > 0 ? parts_[static_cast<std::size_t>(--spare_)] : count_++; }
    Index take_for_good() { return count_++; }
    void give_back(Index part) { parts_[static_cast<std::size_t>(spare_++)] = part; }
    Index count() const { return count_; }

private:
    std::array<Index, Deferred::most_waiting> parts_;
    Index spare_ = 0, count_ = 0;
};

/// The arrays that a result is made of; few, for each is fetched again with it, and held as long as it waits.
class Sources {
public:
    /// Whether there was room.
    bool add(const void* array);
    bool add(const Sources& others);
    bool is_empty() const { return count_ == 0; }

private:
    std::array<const void*, 3> those_;
    std::size_t count_ = 0;
};

/// All passes that a result waits for, in an order in which they can be done. Where products are among them, the gradients
/// that wait for these too: each block of rows is read once.
class DeferredPlan {
public:
    explicit DeferredPlan(DeferredMap& result);
    DeferredPlan(const DeferredPlan&) = delete;
    DeferredPlan& operator=(const DeferredPlan&) = delete;

    /// An operand that waits and is no part of the plan; null when there is none.
    Deferred* before() const;
    /// Whether another thread is at any of it.
    bool is_busy() const;
    /// With the lock open meanwhile. Throws std::bad_alloc.
    void carry_out(Deferred::Turn& turn);

private:
    static constexpr std::size_t most_operands = Deferred::most_operands;
    static constexpr std::size_t most_steps = Deferred::most_waiting;
    static constexpr std::size_t most_gradients = 4;

    /// One pass.
    struct Step {
        DeferredMap* map;
        Step* from[most_operands] = {};  ///< earlier steps, where operands wait too
        std::uint32_t readers = 0;       ///< operands of later steps and of gradients
        std::uint32_t to_come = 0;       ///< of these, those that have no place yet
        bool is_held = false;            ///< by others than steps, or asked for
        Sources sources;                 ///< what it is made of, where it may be computed again
        Index depth = 0;                 ///< steps from these to it; else 0
        bool is_to_repeat = false;       ///< goes on waiting, to be computed again
        Array made;                      ///< the result, where it is kept
        Place out, in[most_operands];
        detail::Manner manner;
    };

    /// An operand that is one element for all, repeated in a part of the working memory.
    struct Number {
        const Array* element;
        Index part;
    };

    /// A gradient of a product, summed up from what a step gives.
    struct Gradient {
        DeferredGradient* how;
        Step* from;
        Array partials;  ///< a row for each piece of work
        Array made;
    };

    Step* begin() { return steps_.data(); }
    Step* end() { return begin() + count_; }
    const Step* begin() const { return steps_.data(); }
    const Step* end() const { return begin() + count_; }
    Index element_bytes() const { return static_cast<Index>(size_of(dtype_)); }

    Step* find(const Deferred* map);
    Step& gather(DeferredMap& map);
    void gather_gradients();
    bool is_ready(const DeferredMap& map, Deferred::Seen& seen) const;
    void lay_out();
    void choose_what_to_repeat();
    Place place_of(Step& step);
    Place place_of(const Array& operand, bool again);
    Place place_of_factor(const DeferredMap& product, std::size_t operand) const;
    void run();
    static void sum_pieces(Gradient& gradient);
    Index piece_of_rows() const;
    void repeat(const Number& number, std::byte* memory) const;
    void pass(const Step& step, Index first, Index n, std::byte* memory) const;
    void add_rows(const Gradient& gradient, Index piece, Index first, Index n, bool begins, std::byte* memory) const;

    const DeferredMap& result_;
    Index size_;
    DType dtype_;
    std::array<Step, most_steps> steps_;
    std::size_t count_ = 0;
    std::array<Gradient, most_gradients> gradients_;
    std::size_t gradient_count_ = 0;
    Index grain_ = map_grain;  ///< of the loop
    Index row_bytes_ = 0;      ///< that products read for one element
    std::array<Number, most_steps * most_operands> numbers_;
    std::size_t number_count_ = 0;
    std::array<const Array*, most_steps * most_operands> spare_;  ///< may be overwritten: nobody else holds them
    std::size_t spare_count_ = 0;
    Parts parts_;
};

}  // namespace xtape::kernels
