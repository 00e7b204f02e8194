#include <xtape/autograd/kernels/deferred_plan.hpp>

#include <algorithm>

#include <xtape/autograd/kernels/gemm.hpp>
#include <xtape/autograd/kernels/partial_sums.hpp>
#include <xtape/autograd/kernels/scratch.hpp>

namespace xtape::kernels {

bool Sources::add(const void* array) {
    const auto end = those_.begin() + count_;
    if (std::find(those_.begin(), end, array) != end) return true;
    if (count_ == those_.size()) return false;
    those_[count_++] = array;
    return true;
}

bool Sources::add(const Sources& others) {
    return std::all_of(others.those_.begin(), others.those_.begin() + others.count_,
                       [this](const void* array) { return add(array); });
}

DeferredPlan::DeferredPlan(DeferredMap& result) : result_(result), size_(result.size_), dtype_(result.dtype_) {
    gather(result);
    if (row_bytes_ > 0) gather_gradients();
}

DeferredPlan::Step* DeferredPlan::find(const Deferred* map) {
    Step* const step = std::find_if(begin(), end(), [map](const Step& each) { return each.map == map; });
    return step == end() ? nullptr : step;
}

DeferredPlan::Step& DeferredPlan::gather(DeferredMap& map) {
    Step* from[most_operands] = {};
    if (map.row_ > 0) {  // it needs all of both operands before its first row
        if (row_bytes_ == 0) grain_ = rows_of_piece(size_, map.row_);
        row_bytes_ += map.row_ * element_bytes();
    } else {
        for (std::size_t k = 0; k < map.operand_count(); ++k)
            if (DeferredMap* const operand = DeferredMap::of(map.operand(k), size_)) {
                Step* const before = find(operand);
                from[k] = before ? before : &gather(*operand);
                ++from[k]->readers;
            }
    }
    Step& step = steps_[count_++];
    step.map = &map;
    std::copy(from, from + most_operands, step.from);
    return step;
}

/// Those of products in the plan, whose sums are cut as its loop is.
void DeferredPlan::gather_gradients() {
    for (Deferred* each = Deferred::newest(); each && gradient_count_ < most_gradients; each = each->older()) {
        auto* const how = dynamic_cast<DeferredGradient*>(each);
        if (!how) continue;
        DeferredMap* const factor = DeferredMap::of(how->factor(), size_);
        Deferred::Seen seen;
        if (!factor || how->waiting(0) || !is_ready(*factor, seen)) continue;
        const bool is_of_product = std::any_of(begin(), end(), [&](const Step& step) {
            return step.map->row_ > 0 && step.map->operand(0).identity() == how->matrix().identity();
        });
        if (!is_of_product || rows_of_piece(size_, how->matrix().shape()[1]) != grain_) continue;
        Step* from = find(factor);
        if (!from) {
            if (count_ + static_cast<std::size_t>(factor->passes()) > most_steps) continue;
            from = &gather(*factor);
        }
        ++from->readers;
        gradients_[gradient_count_++] = {how, from, {}, {}};
    }
}

/// Whether it waits for nothing that a plan would have computed before. That might wait for this plan's result.
bool DeferredPlan::is_ready(const DeferredMap& map, Deferred::Seen& seen) const {
    if (!seen.add(map)) return true;
    for (std::size_t k = 0; k < map.operand_count(); ++k) {
        const DeferredMap* const operand = map.row_ > 0 ? nullptr : DeferredMap::of(map.operand(k), size_);
        if (operand ? !is_ready(*operand, seen) : map.waiting(k) != nullptr) return false;
    }
    return true;
}

Deferred* DeferredPlan::before() const {
    for (const Step* step = begin(); step != end(); ++step)
        for (std::size_t k = 0; k < step->map->operand_count(); ++k)
            if (!step->from[k])
                if (Deferred* const operand = step->map->waiting(k)) return operand;
    return nullptr;
}

bool DeferredPlan::is_busy() const {
    return std::any_of(begin(), end(), [](const Step& step) { return step.map->is_busy(); }) ||
           std::any_of(gradients_.begin(), gradients_.begin() + gradient_count_,
                       [](const Gradient& gradient) { return gradient.how->is_busy(); });
}

void DeferredPlan::carry_out(Deferred::Turn& turn) {
    lay_out();
    std::array<Deferred*, most_steps + most_gradients> all;
    std::size_t n = 0;
    for (const Step* step = begin(); step != end(); ++step) all[n++] = step->map;
    for (std::size_t k = 0; k < gradient_count_; ++k) all[n++] = gradients_[k].how;
    {
        const Deferred::Busy busy(all.data(), n, turn);
        run();
    }
    for (std::size_t k = 0; k < gradient_count_; ++k) gradients_[k].how->fulfil(gradients_[k].made, turn);
    for (const Step* step = begin(); step != end(); ++step)
        if (step->made) step->map->fulfil(step->made, turn);
}

/// Decides which results that others hold are not kept: cheap ones that are made of few arrays. A loss computes them, and its
/// gradient once more out of arrays that it reads anyway; what is needed for a third time is worth keeping.
void DeferredPlan::choose_what_to_repeat() {
    constexpr Index deepest = 8;
    constexpr int most_repetitions = 2;
    // Asked once: other threads may let go at any time.
    for (Step* step = begin(); step != end(); ++step)
        step->is_held = step->map == &result_ || step->map->holders() > step->readers;
    if (!DeferredMap::is_worthwhile(size_, dtype_)) return;

    for (Step* step = begin(); step != end(); ++step) {
        DeferredMap& map = *step->map;
        Sources sources;
        Index depth = 1;
        bool can = map.cheap_ && &map != &result_ && map.times_repeated_ < most_repetitions;
        for (std::size_t k = 0; k < map.operand_count(); ++k) {
            const Step* const from = step->from[k];
            if (from && from->depth > 0)
                can = can && sources.add(from->sources);
            else if (from)
                can = can && from->is_held && sources.add(from->map);
            else if (map.operand(k).size() == size_)
                can = can && sources.add(map.operand(k).identity());
            if (from) depth = std::max(depth, from->depth + 1);
        }
        if (!can || sources.is_empty() || depth > deepest) continue;
        step->sources = sources;
        step->depth = depth;
        step->is_to_repeat = step->is_held;
        map.times_repeated_ += step->is_held;
    }
    for (Step* step = end(); step-- != begin();)
        for (Step* from : step->from)
            if (step->is_to_repeat && from && from->depth > 0) from->is_to_repeat = true;
}

/// Finds a place for everything.
void DeferredPlan::lay_out() {
    choose_what_to_repeat();
    for (Step* step = begin(); step != end(); ++step) {
        const DeferredMap& map = *step->map;
        for (std::size_t k = 0; k < map.operand_count(); ++k)
            step->in[k] = step->from[k]  ? place_of(*step->from[k])
                          : map.row_ > 0 ? place_of_factor(map, k)
                                         : place_of(map.operand(k), step->is_to_repeat);
        const bool is_kept = step->is_held && !step->is_to_repeat;
        const bool in_place = is_kept && spare_count_ > 0;
        if (is_kept) {
            step->made = in_place ? *spare_[--spare_count_] : Array::uninitialized({size_}, dtype_);
            step->out.array = const_cast<std::byte*>(step->made.data<std::byte>());
        } else {
            step->out.part = parts_.take();
        }
        step->to_come = step->readers;
        dispatch(dtype_, [&](auto tag) {
            step->manner = detail::manner_for<decltype(tag)>(size_, in_place || step->readers > 0);
        });
    }
    for (std::size_t k = 0; k < gradient_count_; ++k) {
        const Index columns = gradients_[k].how->matrix().shape()[1], pieces = (size_ + grain_ - 1) / grain_;
        gradients_[k].partials = Array::uninitialized({pieces, columns}, dtype_);
        gradients_[k].made = Array::uninitialized({columns}, dtype_);
    }
}

/// Where a step's result is. Its last reader may overwrite a part of the working memory.
Place DeferredPlan::place_of(Step& step) {
    if (--step.to_come == 0 && !step.made) parts_.give_back(step.out.part);
    return step.out;
}

Place DeferredPlan::place_of(const Array& operand, bool again) {
    if (operand.size() == size_) {
        // The one step that reads it does so before any later step writes the same elements, and only now.
        if (operand.unique() && !operand.function() && !again) spare_[spare_count_++] = &operand;
        return {const_cast<std::byte*>(operand.data<std::byte>())};
    }
    Number& number = numbers_[number_count_++];
    number = {&operand, parts_.take_for_good()};
    return {nullptr, number.part};
}

/// The matrix goes on by a row for each element, the column stays.
Place DeferredPlan::place_of_factor(const DeferredMap& product, std::size_t operand) const {
    return {const_cast<std::byte*>(product.operand(operand).data<std::byte>()), 0, operand == 0 ? product.row_ : 0};
}

void DeferredPlan::run() {
    const detail::Manner manner = find(&result_)->manner;
    auto on_range = [&](Index first, Index last) {
        const Scratch<std::byte> memory(parts_.count() * Place::part_bytes);
        for (std::size_t k = 0; k < number_count_; ++k) repeat(numbers_[k], memory.data());
        const bool by_itself = count_ == 1 && parts_.count() == 0 && row_bytes_ == 0;
        const Index piece = by_itself        ? last - first
                            : row_bytes_ > 0 ? piece_of_rows()
                                             : Place::part_bytes / element_bytes();
        for (Index i = first; i < last; i += piece) {
            const Index n = std::min(piece, last - i);
            for (const Step* step = begin(); step != end(); ++step) pass(*step, i, n, memory.data());
            for (std::size_t k = 0; k < gradient_count_; ++k)
                add_rows(gradients_[k], first / grain_, i, n, i == first, memory.data());
        }
        if (manner.past_caches) finish_past_caches();
    };
    parallel_for(size_, grain_, on_range, manner.order);
    for (std::size_t k = 0; k < gradient_count_; ++k) sum_pieces(gradients_[k]);
}

void DeferredPlan::sum_pieces(Gradient& gradient) {
    dispatch(gradient.made.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const Array& partials = gradient.partials;
        sum_parts(partials.data<T>(), partials.shape()[0], partials.shape()[1], gradient.made.mutable_data<T>());
    });
}

/// As many as stay in a core's own caches until the gradients read them, so that rows are taken as a product by itself takes
/// them: by whole vectors.
Index DeferredPlan::piece_of_rows() const {
    constexpr Index fit = 1 << 18, unit = 16;
    return std::clamp(fit / row_bytes_ / unit * unit, unit, Place::part_bytes / element_bytes());
}

void DeferredPlan::repeat(const Number& number, std::byte* memory) const {
    dispatch(dtype_, [&](auto tag) {
        using T = decltype(tag);
        T* const first = reinterpret_cast<T*>(memory + number.part * Place::part_bytes);
        std::fill_n(first, Place::part_bytes / static_cast<Index>(sizeof(T)), *number.element->data<T>());
    });
}

void DeferredPlan::pass(const Step& step, Index first, Index n, std::byte* memory) const {
    const Index offset = first * element_bytes();
    const void* in[most_operands] = {};
    for (std::size_t k = 0; k < step.map->operand_count(); ++k) in[k] = step.in[k].at(offset, memory);
    step.map->pass_(step.map->function_, step.out.at(offset, memory), in, n, step.manner);
}

/// Adds what n rows give to the sums of a piece.
void DeferredPlan::add_rows(const Gradient& gradient, Index piece, Index first, Index n, bool begins,
                            std::byte* memory) const {
    dispatch(dtype_, [&](auto tag) {
        using T = decltype(tag);
        const Array& matrix = gradient.how->matrix();
        const Index columns = matrix.shape()[1];
        const Factor<T> rows{matrix.data<T>() + first * columns, columns, true};
        const T* const factor = reinterpret_cast<const T*>(gradient.from->out.at(first * element_bytes(), memory));
        T* const sums = const_cast<T*>(gradient.partials.data<T>()) + piece * columns;
        gemm(columns, 1, n, rows, {factor, 1}, sums, 1, !begins);
    });
}

}  // namespace xtape::kernels
