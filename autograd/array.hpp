#pragma once

#include <atomic>
#include <cstddef>
#include <iosfwd>
#include <memory>
#include <string>
#include <utility>

#include <xtape/autograd/dtype.hpp>
#include <xtape/autograd/reference_count.hpp>
#include <xtape/autograd/shape.hpp>

namespace xt {
template <class D>
class xexpression;
}

namespace xtape {

class Deferred;

/// A shared, contiguous, row-major array of float32 or float64 in pooled storage: one pointer, one block that holds
/// reference count, shape and elements. Treated as immutable once shared; copies share the block. What some
/// operations make of large arrays is computed when it is read first (deferred.hpp), from operands that it holds until then.
class Array {
public:
    /// No array at all: only assignment and the test for emptiness are allowed.
    Array() = default;

    Array(const Array& other) noexcept : block_(other.block_) { retain(); }
    Array(Array&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
    Array& operator=(Array other) noexcept {
        std::swap(block_, other.block_);
        return *this;
    }
    ~Array() { release(); }

    /// Evaluates any xtensor expression: double elements become float64, all others float32.
    /// Defined in xtensor.hpp.
    template <class E>
    explicit Array(const xt::xexpression<E>& expression);

    /// Elements left uninitialised. Throws ShapeError on a negative size.
    static Array uninitialized(const Shape& shape, DType dtype);
    static Array filled(const Shape& shape, DType dtype, double value);
    static Array scalar(double value, DType dtype) { return filled({}, dtype, value); }

    explicit operator bool() const { return block_ != nullptr; }

    /// These and all below throw ValueError when there is no array.
    const Shape& shape() const { return block().shape; }
    /// Size along an axis; negative axes count from the last. Throws ShapeError.
    Index shape(Index axis) const;
    Index rank() const { return block().shape.rank(); }
    Index size() const { return block().size; }
    DType dtype() const { return block().dtype; }

    /// Tells elements apart, wherever they are and whether they have been computed or not: a reshaped array has the same.
    const void* identity() const { return &source(block()); }

    /// Whether nobody else holds these elements, so that they may be overwritten.
    bool unique() const {
        if (!block_ || !is_sole(block_)) return false;
        const Block* const owner = block_->owner.load(std::memory_order_acquire);
        return !owner || is_sole(owner);
    }
    /// How many hold these elements.
    std::uint32_t holders() const {
        const Block* const owner = block().owner.load(std::memory_order_acquire);
        return block().references.count() * (owner ? owner->references.count() : 1);
    }

    /// The elements; T must be the C++ type of dtype(), which only kernels may take for granted. Ask
    /// for the pointer again after an operation: results that wait do not know of what is written through an older one.
    template <class T>
    [[gnu::always_inline]] const T* data() const {
        return static_cast<const T*>(elements());
    }
    template <class T>
    [[gnu::always_inline]] T* mutable_data() {
        forget();
        void* const here = elements();
        if (__builtin_expect(deferred_arrays.load(std::memory_order_acquire) > 0, 0)) evaluate_readers();
        return static_cast<T*>(here);
    }

    /// Whether the elements are deferred as yet.
    bool waits() const { return !block().elements.load(std::memory_order_relaxed); }
    /// Whether any array's are: asks no array, and so costs less.
    static bool any_waits() { return deferred_arrays.load(std::memory_order_relaxed) > 0; }
    /// Computes the elements now, if they are deferred: for what lasts, lest it holds on to what they are computed from.
    void evaluate() const { elements(); }

    /// Element number `i` in row-major order.
    double at(Index i) const { return dtype() == float32 ? double{data<float>()[i]} : data<double>()[i]; }

    /// The same elements under another shape: shares them, copies nothing. Throws ShapeError when the sizes differ.
    Array reshaped(const Shape& shape) const;

    /// The same values with other elements; itself when the dtype is already right.
    Array astype(DType dtype) const;

    /// A block of its own with the same elements.
    Array copy() const;

    /// Makes the elements its own, for writing in place: copies them when somebody else holds them.
    void make_unique();

    /// Notes that these elements are `function` of `argument`, along `axis` where it has one, so that operations can
    /// recognise it where nothing is recorded (ops/recognise.hpp). The name must live for ever. It is forgotten when
    /// elements are written; of functions of functions only a few are remembered, so that no long chain is kept alive.
    void remember(const char* function, const Array& argument, Index axis = 0);
    /// What remember() noted; null when nothing.
    const char* function() const { return block().function.load(std::memory_order_acquire); }
    Array argument() const;
    Index axis() const { return block().axis; }

    /// Keeps with these elements what was made of them, so that it need not be made again: until they are written, and unless
    /// something else is kept or remembered already. Any thread may do so. The name must live for ever.
    void keep_derived(const char* name, const Array& made) const;
    /// What is kept under this name; empty when nothing.
    Array derived(const char* name) const { return function() == name ? argument() : Array(); }

    /// An array whose elements `how` will compute when they are asked for; takes it over.
    static Array deferred(const Shape& shape, DType dtype, std::unique_ptr<Deferred> how);

private:
    friend class Deferred;

    struct Block {
        ReferenceCount references;
        DType dtype;
        std::int8_t axis;
        std::uint8_t depth;  ///< of functions of functions that are remembered
        bool once_deferred;  ///< then the owner, as soon as there is one, is its own alone
        Index size;
        std::atomic<void*> elements;  ///< null as long as they are deferred
        std::atomic<Block*> owner;    ///< the block whose elements a reshaped or once deferred array shares, else null
        /// What the elements are of `argument`, or what `argument` is of them; set after it, null when there is none.
        std::atomic<const char*> function;
        std::atomic<Block*> argument;
        union {
            Deferred* how;  ///< the elements will be computed, if there are none yet
            alignas(double) std::byte in_header[sizeof(double)];  ///< a lone element, in one cache line with all above
        };
        Shape shape;
    };

    const Block& block() const {
        if (!block_) throw_empty();
        return *block_;
    }
    [[noreturn]] static void throw_empty();
    /// The block that a reshaped array was made from, or else the block itself.
    static const Block& source(const Block& block) {
        const Block* const owner = block.once_deferred ? nullptr : block.owner.load(std::memory_order_relaxed);
        return owner ? *owner : block;
    }

    [[gnu::always_inline]] void* elements() const {
        void* const here = block().elements.load(std::memory_order_acquire);
        return __builtin_expect(here != nullptr, 1) ? here : evaluated();
    }
    void* evaluated() const;
    void evaluate_readers();

    void retain() const noexcept {
        if (block_) block_->references.add();
    }
    void release() noexcept {
        if (block_ && block_->references.drop()) destroy(block_);
    }
    void forget() {
        if (block().function.load(std::memory_order_relaxed)) drop_argument();
    }
    void drop_argument();
    static bool is_sole(const Block* block) { return block->references.is_one(); }
    static std::size_t block_bytes(Index size, DType dtype);
    static void destroy(Block* block) noexcept;
    static Array with_block(Block* block);

    /// How many arrays of all threads are deferred, so that writing costs one load where none is.
    inline static std::atomic<int> deferred_arrays{0};

    Block* block_ = nullptr;
};

}  // namespace xtape
