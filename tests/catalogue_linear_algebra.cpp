#include "catalogue.hpp"

#include <boost/test/unit_test.hpp>

/// Products of matrices and vectors.
namespace xtape::catalogue {

Samples linear_algebra() {
    Draw draw(5);
    Samples samples;
    const auto product = [](const Inputs& x) { return matmul(x[0], x[1]); };
    const std::vector<std::pair<Shape, Shape>> shapes{
        {{3}, {3}},
        {{2, 3}, {3}},
        {{3}, {3, 2}},
        {{2, 3}, {3, 4}},
        {{1, 3}, {3, 1}},
        {{3, 1}, {1, 2}},
        {{4, 3}, {3, 1}},
        {{2, 2, 3}, {3, 2}},
        {{2, 3}, {2, 3, 2}},
        {{2, 2, 3}, {2, 3, 2}},
        {{2, 1, 2, 3}, {3, 3, 1}},
        {{2, 2, 3}, {3}},
        {{3}, {2, 3, 2}},
        {{1, 2, 3}, {2, 3, 2}},
        {{2, 0}, {0, 3}},
        {{0, 2}, {2, 3}},
        {{2, 3}, {3, 0}},
        {{0, 2, 3}, {3, 2}},
        {{0}, {0}},
    };
    for (const auto& [a, b] : shapes)
        samples.push_back({"matmul", {draw.uniform(a, -2, 2), draw.uniform(b, -2, 2)}, product});
    for (const auto& [a, b] : std::vector<std::pair<Shape, Shape>>{{{130, 517}, {517, 141}},
                                                                   {{700, 517}, {517, 1}},
                                                                   {{1, 517}, {517, 700}},
                                                                   {{700, 517}, {517}},
                                                                   {{9, 60, 70}, {9, 70, 50}},
                                                                   {{9, 60, 70}, {70, 50}}})
        samples.push_back({"matmul", {draw.uniform(a, -1, 1), draw.uniform(b, -1, 1)}, product, {}, true});

    samples.push_back({"matmul", {draw.uniform({3, 3}, -1, 1)}, [](const Inputs& x) { return matmul(x[0], x[0]); }});
    samples.push_back(
        {"matmul", {draw.uniform({2, 3}, -1, 1)}, [](const Inputs& x) { return matmul(x[0], transpose(x[0])); }});
    samples.push_back(
        {"matmul", {draw.uniform({2, 3}, -1, 1)}, [](const Inputs& x) { return matmul(transpose(x[0]), x[0]); }});
    samples.push_back({"matmul", {draw.uniform({4}, -1, 1)}, [](const Inputs& x) { return matmul(x[0], x[0]); }});

    const auto affine = [](const Inputs& x) { return linear(x[0], x[1], x[2]); };
    const auto rectified = [](const Inputs& x) { return linear_relu(x[0], x[1], x[2]); };
    for (const auto& [x, out] : std::vector<std::pair<Shape, Index>>{
             {{4, 3}, 2}, {{3}, 2}, {{2, 2, 3}, 4}, {{1, 1}, 1}, {{4, 3}, 1}, {{0, 3}, 2}, {{2, 0}, 3}, {{2, 3}, 0}}) {
        // What goes into relu stays away from its kink: |X W| < 1 < |bias|.
        const Inputs inputs{draw.uniform(x, -0.5, 0.5), draw.uniform({x.back(), out}, -0.5, 0.5),
                            draw.uniform({out}, -3, 3, {0}, 1)};
        samples.push_back({"linear", inputs, affine});
        samples.push_back({"linear_relu", inputs, rectified});
    }
    const Inputs large{draw.uniform({300, 130}, -0.1, 0.1), draw.uniform({130, 270}, -0.1, 0.1),
                       draw.uniform({270}, -5, 5, {0}, 2)};
    samples.push_back({"linear", large, affine, {}, true});
    samples.push_back({"linear_relu", large, rectified, {}, true});

    for (const Index n : {0, 1, 5})
        samples.push_back({"dot", {draw.uniform({n}, -2, 2), draw.uniform({n}, -2, 2)}, [](const Inputs& x) {
                               return dot(x[0], x[1]);
                           }});
    samples.push_back({"dot",
                       {draw.uniform({100003}, 0, 1), draw.uniform({100003}, 0, 1)},
                       [](const Inputs& x) { return dot(x[0], x[1]); },
                       {},
                       true});
    samples.push_back({"dot", {draw.uniform({5}, -2, 2)}, [](const Inputs& x) { return dot(x[0], x[0]); }});

    for (const auto& [n, m] : std::vector<std::pair<Index, Index>>{{2, 3}, {1, 4}, {0, 3}, {3, 0}})
        samples.push_back({"outer", {draw.uniform({n}, -2, 2), draw.uniform({m}, -2, 2)}, [](const Inputs& x) {
                               return outer(x[0], x[1]);
                           }});
    samples.push_back({"outer",
                       {draw.uniform({300}, -2, 2), draw.uniform({517}, -2, 2)},
                       [](const Inputs& x) { return outer(x[0], x[1]); },
                       {},
                       true});
    samples.push_back({"outer", {draw.uniform({3}, -2, 2)}, [](const Inputs& x) { return outer(x[0], x[0]); }});
    return samples;
}

XTAPE_CATALOGUE_SUITE(catalogue_linear_algebra, linear_algebra)

}  // namespace xtape::catalogue
