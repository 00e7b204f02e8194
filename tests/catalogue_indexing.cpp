#include "catalogue.hpp"

#include <boost/test/unit_test.hpp>

/// Elements by number; repeated and negative numbers included.
namespace xtape::catalogue {

namespace {

/// Numbers in [0, bound), every one several times.
IntArray cycling(std::vector<std::size_t> shape, Index bound) {
    IntArray indices = IntArray::from_shape(shape);
    for (std::size_t i = 0; i < indices.size(); ++i)
        indices.flat(i) = static_cast<std::int64_t>(i * 7 + i / 3) % static_cast<std::int64_t>(bound);
    return indices;
}

}  // namespace

Samples indexing() {
    Draw draw(6);
    Samples samples;
    const auto add = [&](const char* operation, const std::vector<Shape>& shapes, GradFunction call,
                         bool large = false) {
        Inputs inputs;
        for (const Shape& shape : shapes) inputs.push_back(draw.uniform(shape, -2, 2));
        samples.push_back({operation, inputs, std::move(call), {}, large});
    };
    const IntArray line{2, 0, 2, -1}, square{{0, 1}, {-1, 1}};
    const IntArray column = cycling({2, 1}, 3);
    const IntArray none = IntArray::from_shape({0});
    const auto take_at = [](const IntArray& at, Index axis) {
        return [at, axis](const Inputs& x) { return take(x[0], at, axis); };
    };
    add("take", {{3}}, take_at(line, 0));
    add("take", {{3, 2}}, take_at(line, 0));
    add("take", {{2, 3}}, take_at(line, 1));
    add("take", {{2, 3, 2}}, take_at(square, 1));
    add("take", {{2, 2, 3, 2}}, take_at(square, -1));
    add("take", {{3, 2}}, take_at(none, 0));
    add("take", {{3, 2}}, take_at(IntArray(1), 0));
    add("take", {{500, 300}}, take_at(cycling({700}, 500), 0), true);
    add("take", {{300, 500}}, take_at(cycling({700}, 500), 1), true);

    const auto along = [](const IntArray& at, Index axis) {
        return [at, axis](const Inputs& x) { return take_along_axis(x[0], at, axis); };
    };
    add("take_along_axis", {{3}}, along(line, 0));
    add("take_along_axis", {{2, 3}}, along(column, 1));
    add("take_along_axis", {{3, 2}}, along(cycling({4, 2}, 3), 0));
    add("take_along_axis", {{3, 2}}, along(cycling({3, 1}, 3), 0));
    add("take_along_axis", {{2, 3, 2}}, along(cycling({2, 4, 2}, 3), -2));
    add("take_along_axis", {{500, 300}}, along(cycling({400, 300}, 500), 0), true);

    const auto gather_at = [](Index axis, const IntArray& at) {
        return [at, axis](const Inputs& x) { return gather(x[0], axis, at); };
    };
    add("gather", {{3}}, gather_at(0, line));
    add("gather", {{3, 3}}, gather_at(0, square));
    add("gather", {{2, 3}}, gather_at(1, column));
    add("gather", {{2, 3}}, gather_at(1, cycling({1, 4}, 3)));
    add("gather", {{2, 3, 2}}, gather_at(-1, cycling({2, 2, 5}, 2)));
    add("gather", {{500, 300}}, gather_at(1, cycling({500, 400}, 300)), true);

    const auto scatter_at = [](Index axis, const IntArray& at) {
        return [at, axis](const Inputs& x) { return scatter_add(x[0], axis, at, x[1]); };
    };
    add("scatter_add", {{3}, {4}}, scatter_at(0, line));
    add("scatter_add", {{3, 3}, {2, 2}}, scatter_at(0, square));
    add("scatter_add", {{2, 3}, {2, 1}}, scatter_at(1, column));
    add("scatter_add", {{2, 3, 2}, {2, 2, 5}}, scatter_at(-1, cycling({2, 2, 5}, 2)));
    add("scatter_add", {{3}, {0}}, scatter_at(0, none));
    add("scatter_add", {{500, 300}, {500, 400}}, scatter_at(1, cycling({500, 400}, 300)), true);
    add("scatter_add", {{500, 300}, {400, 300}}, scatter_at(0, cycling({400, 300}, 500)), true);

    add("one_hot", {{2, 3, 4}}, [](const Inputs& x) { return x[0] * one_hot(IntArray{0, 3, 1}, 4, x[0].dtype()); });
    add("one_hot", {{4}}, [](const Inputs& x) { return x[0] + one_hot(IntArray(2), 4, x[0].dtype()); });
    add("one_hot", {{3}}, [none](const Inputs& x) { return x[0] + one_hot(none, 3, x[0].dtype()); });
    return samples;
}

XTAPE_CATALOGUE_SUITE(catalogue_indexing, indexing)

}  // namespace xtape::catalogue
