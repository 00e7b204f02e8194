#include <xtape/autograd/array.hpp>

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include <fmt/format.h>

#include <xtape/autograd/deferred.hpp>
#include <xtape/autograd/storage.hpp>

namespace xtape {

namespace {

constexpr std::size_t header_bytes = 128;  // a Block, padded so that the elements behind it stay aligned to 64

/// The number of elements. Throws ShapeError when there cannot be so many.
Index checked_count(const Shape& shape, DType dtype) {
    std::size_t bytes = size_of(dtype);
    Index count = 1;
    for (Index size : shape) {
        if (size < 0) throw ShapeError(fmt::format("array: negative size in {}", to_string(shape)));
        // A size of 0 does not excuse the others: their product is computed elsewhere.
        const auto factor = static_cast<std::size_t>(std::max<Index>(size, 1));
        if (__builtin_mul_overflow(bytes, factor, &bytes) || bytes > std::numeric_limits<std::size_t>::max() / 4)
            throw ShapeError(fmt::format("array: {} has more elements than memory can address", to_string(shape)));
        count *= size;
    }
    return count;
}

}  // namespace

Array Array::with_block(Block* block) {
    Array array;
    array.block_ = block;
    return array;
}

std::size_t Array::block_bytes(Index size, DType dtype) {
    static_assert(sizeof(Block) <= header_bytes);
    return header_bytes + (size == 1 ? 0 : static_cast<std::size_t>(size) * size_of(dtype));
}

Array Array::uninitialized(const Shape& shape, DType dtype) {
    const Index size = checked_count(shape, dtype);
    void* memory = storage::allocate(block_bytes(size, dtype));
    void* const elements = static_cast<char*>(memory) + header_bytes;
    Block* block = new (memory) Block{1, dtype, 0, 0, false, size, elements, nullptr, nullptr, nullptr, {}, shape};
    if (size == 1) block->elements.store(block->in_header, std::memory_order_relaxed);
    return with_block(block);
}

Array Array::filled(const Shape& shape, DType dtype, double value) {
    Array result = uninitialized(shape, dtype);
    dispatch(dtype, [&](auto tag) {
        using T = decltype(tag);
        std::fill_n(result.mutable_data<T>(), result.size(), static_cast<T>(value));
    });
    return result;
}

Index Array::shape(Index axis) const {
    if (axis < -rank() || axis >= rank())
        throw ShapeError(fmt::format("shape: axis {} is not an axis of {}", axis, to_string(shape())));
    return shape()[axis < 0 ? axis + rank() : axis];
}

Array Array::deferred(const Shape& shape, DType dtype, std::unique_ptr<Deferred> how) {
    const Index size = checked_count(shape, dtype);
    void* const memory = storage::allocate(header_bytes);
    const Array array =
        with_block(new (memory) Block{1, dtype, 0, 0, true, size, nullptr, nullptr, nullptr, nullptr, {}, shape});
    Deferred::defer(array.block_, std::move(how));
    return array;
}

void* Array::evaluated() const { return Deferred::evaluate(block_); }

void Array::evaluate_readers() {
    if (!unique()) Deferred::evaluate_readers(elements());
}

void Array::throw_empty() { throw ValueError("array: it has no value; was it moved from, or never given one?"); }

Array Array::reshaped(const Shape& shape) const {
    if (checked_count(shape, dtype()) != size())
        throw ShapeError(fmt::format("reshaped: {} elements do not fill {}", size(), to_string(shape)));
    void* const shared = elements();
    void* const memory = storage::allocate(header_bytes);
    Block* const owner = &const_cast<Block&>(source(*block_));
    owner->references.add();
    return with_block(new (memory) Block{1, dtype(), 0, 0, false, size(), shared, owner, nullptr, nullptr, {}, shape});
}

Array Array::astype(DType dtype) const {
    if (dtype == this->dtype()) return *this;
    Array result = uninitialized(shape(), dtype);
    if (dtype == float64)
        std::copy_n(data<float>(), size(), result.mutable_data<double>());
    else
        std::transform(data<double>(), data<double>() + size(), result.mutable_data<float>(),
                       [](double value) { return static_cast<float>(value); });
    return result;
}

Array Array::copy() const {
    const void* const from = elements();
    Array result = uninitialized(shape(), dtype());
    std::memcpy(result.elements(), from, static_cast<std::size_t>(size()) * size_of(dtype()));
    return result;
}

void Array::make_unique() {
    evaluate_readers();
    unique() ? forget() : void(*this = copy());
}

void Array::remember(const char* function, const Array& argument, Index axis) {
    constexpr std::uint8_t deepest = 4;
    const std::uint8_t depth = argument.block().depth;
    if (depth == deepest) return;
    Array held = argument;
    block_->argument.store(std::exchange(held.block_, nullptr), std::memory_order_relaxed);
    block_->axis = static_cast<std::int8_t>(axis);
    block_->depth = static_cast<std::uint8_t>(depth + 1);
    block_->function.store(function, std::memory_order_release);  // last: whoever sees it sees all of these
}

void Array::keep_derived(const char* name, const Array& made) const {
    if (!block_) throw_empty();
    Array held = made;
    Block* none = nullptr;
    if (!block_->argument.compare_exchange_strong(none, held.block_, std::memory_order_relaxed)) return;
    held.block_ = nullptr;
    block_->function.store(name, std::memory_order_release);
}

Array Array::argument() const {
    if (!function()) return {};
    Block* const argument = block_->argument.load(std::memory_order_relaxed);
    argument->references.add();
    return with_block(argument);
}

void Array::drop_argument() {
    with_block(block_->argument.exchange(nullptr, std::memory_order_relaxed));  // gives up the reference
    block_->function.store(nullptr, std::memory_order_relaxed);
    block_->depth = 0;
}

void Array::destroy(Block* block) noexcept {
    const bool has_own = !block->once_deferred;
    if (!has_own) Deferred::give_up(block);
    Block* const owner = block->owner.load(std::memory_order_relaxed);
    Block* const argument = block->argument.load(std::memory_order_relaxed);
    const std::size_t bytes = has_own && !owner ? block_bytes(block->size, block->dtype) : header_bytes;
    block->~Block();
    storage::deallocate(block, bytes);
    if (owner) with_block(owner);  // gives up the reference that the reshaped array had
    if (argument) with_block(argument);
}

}  // namespace xtape
