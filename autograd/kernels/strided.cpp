#include <xtape/autograd/kernels/strided.hpp>

#include <algorithm>
#include <cstring>

#include <xtape/autograd/kernels/odometer.hpp>
#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/autograd/kernels/transpose.hpp>

namespace xtape::kernels {

namespace {

constexpr Index elements_per_piece = 32768;  // a few microseconds of work, several pieces even for a million elements

struct Plan {
    Shape sizes, to, from;
};

// Drops axes of size 1 and joins neighbours that both walks pass through as if they were one axis.
Plan merged(const Shape& sizes, const Shape& to, const Shape& from) {
    Plan plan;
    for (Index axis = 0; axis < sizes.rank(); ++axis) {
        if (sizes[axis] == 1) continue;
        const Index last = plan.sizes.rank() - 1;
        if (last >= 0 && plan.to[last] == to[axis] * sizes[axis] && plan.from[last] == from[axis] * sizes[axis]) {
            plan.sizes[last] *= sizes[axis];
            plan.to[last] = to[axis];
            plan.from[last] = from[axis];
        } else {
            plan.sizes.push_back(sizes[axis]);
            plan.to.push_back(to[axis]);
            plan.from.push_back(from[axis]);
        }
    }
    return plan;
}

void drop(Plan& plan, Index axis) {
    plan.sizes.erase(axis);
    plan.to.erase(axis);
    plan.from.erase(axis);
}

template <class T>
void copy_run(T* to, Index to_stride, const T* from, Index from_stride, Index n) {
    if (to_stride == 1 && from_stride == 1) {
        std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(T));
    } else if (to_stride == 1 && from_stride == 0) {
        std::fill_n(to, n, *from);
    } else if (to_stride == 1 && from_stride == -1) {
        for (Index i = 0; i < n; ++i) to[i] = from[-i];
    } else {
        for (Index i = 0; i < n; ++i) to[i * to_stride] = from[i * from_stride];
    }
}

// The innermost axis as runs, cut into segments where a run alone is more than a piece of work.
template <class T>
void copy_runs(Plan plan, T* to, const T* from) {
    if (plan.sizes.empty()) plan = {{1}, {1}, {1}};
    const Index inner = plan.sizes.rank() - 1;
    const Index run = plan.sizes[inner], to_stride = plan.to[inner], from_stride = plan.from[inner];
    drop(plan, inner);
    const Index segment = std::min(run, elements_per_piece);
    const Index segments = (run + segment - 1) / segment;
    parallel_for(plan.sizes.count() * segments, elements_per_piece / segment, [&](Index begin, Index end) {
        Odometer<2> outer(plan.sizes, {plan.to, plan.from}, begin / segments);
        for (Index item = begin; item < end; ++item) {
            const Index first = item % segments * segment;
            copy_run(to + outer.offset(0) + first * to_stride, to_stride, from + outer.offset(1) + first * from_stride,
                     from_stride, std::min(segment, run - first));
            if ((item + 1) % segments == 0) outer.next();
        }
    });
}

// Runs so short that the loop over them has to be as plain as the loop inside.
constexpr Index short_run = 16;

template <class T>
void copy_short_runs(Plan plan, T* to, const T* from) {
    const Index inner = plan.sizes.rank() - 1, middle = inner - 1;
    const Index run = plan.sizes[inner], to_step = plan.to[inner], from_step = plan.from[inner];
    const Index runs = plan.sizes[middle], to_stride = plan.to[middle], from_stride = plan.from[middle];
    drop(plan, inner);
    drop(plan, middle);
    const Index segment = std::min(runs, elements_per_piece / run), segments = (runs + segment - 1) / segment;
    const Index grain = std::max<Index>(1, elements_per_piece / (segment * run));
    parallel_for(plan.sizes.count() * segments, grain, [&](Index begin, Index end) {
        Odometer<2> outer(plan.sizes, {plan.to, plan.from}, begin / segments);
        for (Index item = begin; item < end; ++item) {
            const Index first = item % segments * segment, last = std::min(first + segment, runs);
            for (Index r = first; r < last; ++r) {
                T* target = to + outer.offset(0) + r * to_stride;
                const T* source = from + outer.offset(1) + r * from_stride;
                for (Index i = 0; i < run; ++i) target[i * to_step] = source[i * from_step];
            }
            if ((item + 1) % segments == 0) outer.next();
        }
    });
}

// The axis along which `from` is contiguous, for a plan whose innermost axis is contiguous in `to` only; else -1.
Index transposed_axis(const Plan& plan) {
    const Index inner = plan.sizes.rank() - 1;
    if (inner < 1 || plan.to[inner] != 1 || plan.from[inner] == 1 || plan.from[inner] == 0) return -1;
    for (Index axis = inner - 1; axis >= 0; --axis)
        if (plan.from[axis] == 1) return axis;
    return -1;
}

template <class T>
void copy_transposed(Plan plan, Index across, T* to, const T* from) {
    const Index inner = plan.sizes.rank() - 1;
    const Index rows = plan.sizes[inner], from_stride = plan.from[inner];  // contiguous in `to`
    const Index cols = plan.sizes[across], to_stride = plan.to[across];    // contiguous in `from`
    drop(plan, inner);
    drop(plan, across);
    // 64 x 64 elements stay in the first cache; a thin side is made up for by a long one.
    const Index block_cols = std::max<Index>(block_elements / rows, 64),
                block_rows = std::max<Index>(block_elements / cols, 64);
    const Index blocks_along = (rows + block_rows - 1) / block_rows,
                blocks_across = (cols + block_cols - 1) / block_cols;
    const Index blocks = blocks_along * blocks_across;
    const Index elements = std::min(rows, block_rows) * std::min(cols, block_cols);
    const Index grain = std::max<Index>(1, elements_per_piece / elements);
    const bool past_caches = exceeds_caches<T>(plan.sizes.count() * rows * cols);
    auto transpose = [&](Index begin, Index end) {
        Odometer<2> outer(plan.sizes, {plan.to, plan.from}, begin / blocks);
        for (Index item = begin; item < end; ++item) {
            const Index block = item % blocks, next = block + 1 < blocks ? block + 1 : block;
            const Index j = block / blocks_along * block_cols, i = block % blocks_along * block_rows;
            const Index next_j = next / blocks_along * block_cols, next_i = next % blocks_along * block_rows;
            const Index ahead = past_caches ? (next_i - i) * from_stride + (next_j - j) : 0;
            transpose_block(to + outer.offset(0) + j * to_stride + i, to_stride,
                            from + outer.offset(1) + i * from_stride + j, from_stride, std::min(block_rows, rows - i),
                            std::min(block_cols, cols - j), past_caches, ahead);
            if (block + 1 == blocks) outer.next();
        }
        if (past_caches) finish_past_caches();
    };
    parallel_for(plan.sizes.count() * blocks, grain, transpose, past_caches ? Order::forward : Order::to_and_fro);
}

}  // namespace

Shape contiguous(const Shape& shape) {
    Shape strides = shape;
    Index stride = 1;
    for (Index axis = shape.rank() - 1; axis >= 0; --axis) {
        strides[axis] = stride;
        stride *= shape[axis];
    }
    return strides;
}

void strided_copy(const Shape& sizes, Array& to, Walk to_walk, const Array& from, Walk from_walk) {
    if (sizes.count() == 0) return;
    const Plan plan = merged(sizes, to_walk.strides, from_walk.strides);
    const Index across = transposed_axis(plan);
    dispatch(to.dtype(), [&](auto tag) {
        using T = decltype(tag);
        T* target = to.mutable_data<T>() + to_walk.start;
        const T* source = from.data<T>() + from_walk.start;
        if (across >= 0)
            copy_transposed(plan, across, target, source);
        else if (plan.sizes.rank() > 1 && plan.sizes.back() < short_run)
            copy_short_runs(plan, target, source);
        else
            copy_runs(plan, target, source);
    });
}

}  // namespace xtape::kernels
