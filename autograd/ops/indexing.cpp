#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include <fmt/format.h>
#include <xtensor/xbroadcast.hpp>

#include <xtape/autograd/kernels/indexing.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/ops/binary.hpp>
#include <xtape/autograd/ops/regions.hpp>
#include <xtape/autograd/tape.hpp>

namespace xtape {

namespace {

/// Indices in [0, size), shared between an operation and its rules.
struct Positions {
    std::shared_ptr<const IntArray> indices;
    Shape shape;

    kernels::Places data() const { return indices->data(); }
    KeptPiece kept() const { return {indices->data(), indices->size() * sizeof(std::int64_t)}; }
};

Shape shape_of(const char* op, const IntArray& indices, Where where) {
    require_rank(op, static_cast<Index>(indices.dimension()), where);
    return Shape(indices.shape().begin(), indices.shape().end());
}

Shape position_of(std::size_t element, const Shape& shape) {
    Shape position = shape;
    auto rest = static_cast<Index>(element);
    for (Index axis = shape.rank() - 1; axis >= 0; --axis) {
        position[axis] = rest % shape[axis];
        rest /= shape[axis];
    }
    return position;
}

// A copy of the indices with the negative ones counted from the end.
Positions positions_in(const char* op, const IntArray& indices, Index axis, const Shape& x, Where where) {
    const Shape shape = shape_of(op, indices, where);
    const Index size = x[axis];
    auto checked = std::make_shared<IntArray>(indices);
    for (std::size_t i = 0; i < checked->size(); ++i) {
        std::int64_t& index = checked->data()[i];
        if (index < -size || index >= size)
            throw ShapeError(
                fmt::format("{}: index out of range: {} at position {} of the indices, axis {} of X {} has size {}", op,
                            index, to_string(position_of(i, shape)), axis, to_string(x), size),
                where);
        if (index < 0) index += size;
    }
    return {std::move(checked), shape};
}

void require_same_rank(const char* op, const Shape& indices, const Shape& x, Where where) {
    if (indices.rank() != x.rank())
        throw ShapeError(fmt::format("{}: ranks differ: indices {} and X {}, {} != {}", op, to_string(indices),
                                     to_string(x), indices.rank(), x.rank()),
                         where);
}

// On every axis but `axis` the places must lie inside x.
void require_inside(const char* op, const Shape& places, const Shape& x, Index axis, Where where) {
    require_same_rank(op, places, x, where);
    for (Index i = 0; i < x.rank(); ++i)
        if (i != axis && places[i] > x[i])
            throw ShapeError(fmt::format("{}: indices exceed X at axis {}: {} and {}, {} > {}", op, i,
                                         to_string(places), to_string(x), places[i], x[i]),
                             where);
}

Array zeros(const Shape& shape, DType dtype) { return Array::filled(shape, dtype, 0); }

// What follows are the operations with their indices already checked, each pair the other's rules.
Variable take_checked(Variable x, const Positions& places, Index axis, Where where);

Variable index_add_checked(Variable g, const Positions& places, const Shape& shape, Index axis, Where where) {
    auto dg = on(g, holding([places, axis, where](const Variable& dx) { return take_checked(dx, places, axis, where); },
                            places.kept()));
    Array sums = kernels::index_add(std::move(g).array(), places.data(), places.shape, shape, axis);
    return record("index_add", where, std::move(sums), std::move(dg));
}

Variable take_checked(Variable x, const Positions& places, Index axis, Where where) {
    auto dx = on(x, holding([places, axis, shape = x.shape(),
                             where](const Variable& g) { return index_add_checked(g, places, shape, axis, where); },
                            places.kept()));
    return record("take", where, kernels::take(std::move(x).array(), places.data(), places.shape, axis), std::move(dx));
}

Variable scatter_add_checked(Variable x, Index axis, const Positions& places, Variable source, Where where);

Variable gather_checked(Variable x, Index axis, const Positions& places, Where where) {
    auto dx = on(x, holding(
                        [places, axis, shape = x.shape(), where](const Variable& g) {
                            return scatter_add_checked(zeros(shape, g.dtype()), axis, places, g, where);
                        },
                        places.kept()));
    return record("gather", where, kernels::gather(std::move(x).array(), places.data(), places.shape, axis),
                  std::move(dx));
}

Variable scatter_add_checked(Variable x, Index axis, const Positions& places, Variable source, Where where) {
    auto dx = on(x, [](const Variable& g) { return g; });
    auto dsource =
        on(source, holding([places, axis, where](const Variable& g) { return gather_checked(g, axis, places, where); },
                           places.kept()));
    Array sums = kernels::scatter_add(std::move(x).array(), places.data(), source.array(), axis);
    return record("scatter_add", where, std::move(sums), std::move(dx), std::move(dsource));
}

}  // namespace

Variable take(Variable x, const IntArray& indices, Index axis, Where where) {
    const Index along = shapes::axis("take", axis, x.rank(), where);
    const Positions places = positions_in("take", indices, along, x.shape(), where);
    require_rank("take", x.rank() - 1 + places.shape.rank(), where);
    return take_checked(std::move(x), places, along, where);
}

Variable take_along_axis(Variable x, const IntArray& indices, Index axis, Where where) {
    const Index along = shapes::axis("take_along_axis", axis, x.rank(), where);
    const Shape given = shape_of("take_along_axis", indices, where);
    require_same_rank("take_along_axis", given, x.shape(), where);
    Shape others = given, x_others = x.shape();
    others[along] = x_others[along] = 1;
    Shape places_shape = shapes::broadcast("take_along_axis", x_others, others, where), x_shape = places_shape;
    places_shape[along] = given[along];
    x_shape[along] = x.shape()[along];
    Positions places = positions_in("take_along_axis", indices, along, x.shape(), where);
    if (places_shape != given) {
        const std::vector<std::size_t> sizes(places_shape.begin(), places_shape.end());
        places = {std::make_shared<const IntArray>(xt::broadcast(*places.indices, sizes)), places_shape};
    }
    return gather_checked(broadcast_to(std::move(x), x_shape, where), along, places, where);
}

Variable gather(Variable x, Index axis, const IntArray& index, Where where) {
    const Index along = shapes::axis("gather", axis, x.rank(), where);
    require_inside("gather", shape_of("gather", index, where), x.shape(), along, where);
    return gather_checked(std::move(x), along, positions_in("gather", index, along, x.shape(), where), where);
}

Variable scatter_add(Variable x, Index axis, const IntArray& index, Variable source, Where where) {
    const Index along = shapes::axis("scatter_add", axis, x.rank(), where);
    const Shape shape = shape_of("scatter_add", index, where);
    require_inside("scatter_add", shape, x.shape(), along, where);
    if (source.shape() != shape)
        throw ShapeError(fmt::format("scatter_add: index and source differ in shape: {} != {}", to_string(shape),
                                     to_string(source.shape())),
                         where);
    match_dtypes("scatter_add", x, source, where);
    const Positions places = positions_in("scatter_add", index, along, x.shape(), where);
    return scatter_add_checked(std::move(x), along, places, std::move(source), where);
}

Variable one_hot(const IntArray& labels, Index classes, DType dtype, Where where) {
    const Shape shape = shape_of("one_hot", labels, where);
    require_rank("one_hot", shape.rank() + 1, where);
    if (classes < 0) throw ShapeError(fmt::format("one_hot: negative number of classes: {} < 0", classes), where);
    for (std::size_t i = 0; i < labels.size(); ++i) {
        const std::int64_t label = labels.data()[i];
        if (label < 0 || label >= classes)
            throw ShapeError(
                fmt::format("one_hot: label out of range: {} at position {} of the labels, with {} classes", label,
                            to_string(position_of(i, shape)), classes),
                where);
    }
    return kernels::one_hot(labels.data(), shape, classes, dtype);
}

}  // namespace xtape
