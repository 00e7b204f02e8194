#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/ops/binary.hpp>
#include <xtape/autograd/ops/list_node.hpp>
#include <xtape/autograd/ops/regions.hpp>

namespace xtape {

namespace {

void require_some(const char* op, const std::vector<Variable>& xs, Where where) {
    if (xs.empty()) throw ShapeError(fmt::format("{}: no arrays: the list has 0 entries", op), where);
}

// Sizes must agree, but along `except`.
void require_same_shape(const char* op, const std::vector<Variable>& xs, Index except, Where where) {
    const Shape& first = xs.front().shape();
    for (std::size_t i = 1; i < xs.size(); ++i) {
        const Shape& shape = xs[i].shape();
        if (shape.rank() != first.rank())
            throw ShapeError(fmt::format("{}: ranks differ: X[0] {} and X[{}] {}, {} != {}", op, to_string(first), i,
                                         to_string(shape), first.rank(), shape.rank()),
                             where);
        for (Index axis = 0; axis < first.rank(); ++axis) {
            if (axis != except && shape[axis] != first[axis])
                throw ShapeError(fmt::format("{}: sizes differ at axis {}: X[0] {} and X[{}] {}, {} != {}", op, axis,
                                             to_string(first), i, to_string(shape), first[axis], shape[axis]),
                                 where);
        }
    }
}

// Twice, because a cast of the first array, where casts are allowed, asks for a cast of those before the one that
// caused it.
std::vector<Variable> with_one_dtype(const char* op, std::vector<Variable> xs, Where where) {
    for (int pass = 0; pass < 2; ++pass)
        for (std::size_t i = 1; i < xs.size(); ++i) match_dtypes(op, xs[0], xs[i], where);
    return xs;
}

}  // namespace

Variable concatenate(const std::vector<Variable>& xs, Index axis, Where where) {
    require_some("concatenate", xs, where);
    const Index along = shapes::axis("concatenate", axis, xs.front().rank(), where);
    require_same_shape("concatenate", xs, along, where);
    if (xs.size() == 1) return xs.front();
    const std::vector<Variable> parts = with_one_dtype("concatenate", xs, where);
    std::vector<Array> arrays;
    std::vector<Index> ends;
    for (const Variable& part : parts) {
        arrays.push_back(part.array());
        ends.push_back((ends.empty() ? 0 : ends.back()) + part.shape()[along]);
    }
    return record_list("concatenate", where, kernels::concatenate(arrays, along), parts,
                       holding(
                           [ends, along, where](const Variable& g, std::size_t i) {
                               const Index start = i == 0 ? 0 : ends[i - 1];
                               const kernels::Region part = part_of(g.shape(), along, start, ends[i] - start);
                               return slice_region(g, part, part.count, where);
                           },
                           KeptPiece{}));
}

Variable stack(const std::vector<Variable>& xs, Index axis, Where where) {
    require_some("stack", xs, where);
    require_rank("stack", xs.front().rank() + 1, where);
    const Index along = shapes::axis("stack", axis, xs.front().rank() + 1, where);
    require_same_shape("stack", xs, -1, where);
    const std::vector<Variable> layers = with_one_dtype("stack", xs, where);
    Shape layer = layers.front().shape();
    layer.insert(along, 1);
    std::vector<Array> arrays;
    for (const Variable& x : layers) arrays.push_back(x.array().reshaped(layer));
    return record_list("stack", where, kernels::concatenate(arrays, along), layers,
                       [shape = xs.front().shape(), along, where](const Variable& g, std::size_t i) {
                           return slice_region(g, part_of(g.shape(), along, static_cast<Index>(i), 1), shape, where);
                       });
}

std::vector<Variable> split(const Variable& x, Index parts, Index axis, Where where) {
    const Index along = shapes::axis("split", axis, x.rank(), where);
    const Index size = x.shape()[along];
    if (parts < 1) throw ShapeError(fmt::format("split: fewer than one part: {} < 1", parts), where);
    if (size % parts != 0)
        throw ShapeError(fmt::format("split: axis {} of X {} does not divide: {} into {} parts leaves {}", along,
                                     to_string(x.shape()), size, parts, size % parts),
                         where);
    std::vector<Variable> pieces;
    for (Index i = 0; i < parts; ++i) {
        const kernels::Region part = part_of(x.shape(), along, i * (size / parts), size / parts);
        pieces.push_back(slice_region(x, part, part.count, where));
    }
    return pieces;
}

std::vector<Variable> split(const Variable& x, const Shape& sizes, Index axis, Where where) {
    const Index along = shapes::axis("split", axis, x.rank(), where);
    Index total = 0;
    for (Index size : sizes) {
        if (size < 0) throw ShapeError(fmt::format("split: negative size: {} in {}", size, to_string(sizes)), where);
        if (size > x.shape()[along] - total)
            throw ShapeError(fmt::format("split: sizes {} exceed axis {} of X {}: more than {}", to_string(sizes),
                                         along, to_string(x.shape()), x.shape()[along]),
                             where);
        total += size;
    }
    if (total != x.shape()[along])
        throw ShapeError(fmt::format("split: sizes {} do not add up to axis {} of X {}: {} != {}", to_string(sizes),
                                     along, to_string(x.shape()), total, x.shape()[along]),
                         where);
    std::vector<Variable> pieces;
    Index start = 0;
    for (Index size : sizes) {
        const kernels::Region part = part_of(x.shape(), along, start, size);
        pieces.push_back(slice_region(x, part, part.count, where));
        start += size;
    }
    return pieces;
}

}  // namespace xtape
