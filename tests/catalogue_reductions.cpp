#include "catalogue.hpp"

#include <boost/test/unit_test.hpp>

/// Reductions over all axes, some axes and none, with keepdims and without.
namespace xtape::catalogue {

namespace {

struct Case {
    Shape shape;
    Axes axes;
    bool keepdims;
};

const std::vector<Case> cases{
    {{}, {}, false},
    {{5}, {}, false},
    {{5}, {0}, true},
    {{1}, {}, true},
    {{2, 3}, {}, false},
    {{2, 3}, {}, true},
    {{2, 3}, {0}, false},
    {{2, 3}, {1}, false},
    {{2, 3}, {-1}, true},
    {{2, 3}, {0, 1}, false},
    {{3, 1}, {1}, false},
    {{2, 3, 4}, {1}, false},
    {{2, 3, 4}, {0, 2}, true},
    {{2, 3, 4}, {-1, 0}, false},
    {{2, 3, 4}, {2, 1}, false},
    {{2, 3, 2, 2}, {0, 2, 3}, false},
    {{2, 3, 2, 2}, {1}, true},
    {{2, 3, 2, 2}, {1, 3}, false},
    {{0, 3}, {1}, false},
    {{2, 3, 0}, {1}, true},
};

const std::vector<Case> of_nothing{{{0}, {}, false}, {{3, 0}, {1}, false}, {{0, 3}, {0}, true}, {{2, 0, 3}, {}, true}};

const std::vector<Case> large_cases{
    {{300, 517}, {}, false},         {{300, 517}, {0}, false},
    {{300, 517}, {1}, true},         {{7, 5, 67, 71}, {0, 2, 3}, false},
    {{7, 5, 67, 71}, {1, 3}, false}, {{200003}, {}, false},
    {{3, 70001}, {1}, false},
};

struct Reduction {
    const char* operation;
    Variable (*call)(const Variable& x, const Axes& axes, bool keepdims);
    enum { any, apart, positive } inputs;
    bool has_value_of_nothing;
};

const std::vector<Reduction> reductions_over_axes{
    {"sum", [](const Variable& x, const Axes& a, bool k) { return sum(x, a, k); }, Reduction::any, true},
    {"mean", [](const Variable& x, const Axes& a, bool k) { return mean(x, a, k); }, Reduction::any, false},
    {"prod", [](const Variable& x, const Axes& a, bool k) { return prod(x, a, k); }, Reduction::positive, true},
    {"max", [](const Variable& x, const Axes& a, bool k) { return max(x, a, k); }, Reduction::apart, false},
    {"min", [](const Variable& x, const Axes& a, bool k) { return min(x, a, k); }, Reduction::apart, false},
    {"var", [](const Variable& x, const Axes& a, bool k) { return var(x, a, k); }, Reduction::any, false},
    {"norm", [](const Variable& x, const Axes& a, bool k) { return norm(x, a, k); }, Reduction::positive, false},
    {"logsumexp", [](const Variable& x, const Axes& a, bool k) { return logsumexp(x, a, k); }, Reduction::any, false},
};

/// These divide by n - ddof or by a deviation, and so need more than one element.
const std::vector<Reduction> deviations{
    {"var", [](const Variable& x, const Axes& a, bool k) { return var(x, a, k, 1); }, Reduction::apart, false},
    {"std", [](const Variable& x, const Axes& a, bool k) { return std(x, a, k); }, Reduction::apart, false},
    {"std", [](const Variable& x, const Axes& a, bool k) { return std(x, a, k, 1); }, Reduction::apart, false},
};

bool reduces_several(const Case& c) {
    if (c.axes.list.empty()) return c.shape.count() > 1;
    Index n = 1;
    for (const Index axis : c.axes.list) n *= c.shape[axis < 0 ? axis + c.shape.rank() : axis];
    return n > 1;
}

struct AlongAxis {
    const char* operation;
    Variable (*call)(const Variable& x, Index axis);
};

Variable as_variable(const IntArray& positions) { return Variable(xt::cast<double>(positions)); }

const std::vector<AlongAxis> along_axis{
    {"softmax", [](const Variable& x, Index axis) { return softmax(x, axis); }},
    {"log_softmax", [](const Variable& x, Index axis) { return log_softmax(x, axis); }},
    {"cumsum", [](const Variable& x, Index axis) { return cumsum(x, axis); }},
    {"argmax", [](const Variable& x, Index axis) { return as_variable(argmax(x, axis)); }},
    {"argmin", [](const Variable& x, Index axis) { return as_variable(argmin(x, axis)); }},
};

/// The product's derivative has the other factors as factors, even where one or two of them are zero.
void add_products_with_zeros(Samples& samples) {
    for (const double second : {0.0, 3.0}) {
        const Variable x(xt::xarray<double>{{2, 0, -1.5, 3}, {1, second, 0, 2}});
        for (const Axes& axes : {Axes(), Axes(0), Axes(1)})
            samples.push_back({"prod", {x}, [axes](const Inputs& in) { return prod(in[0], axes); }});
    }
}

/// Labels go round the classes.
void add_cross_entropies(Samples& samples, Draw& draw) {
    for (const auto& [rows, classes] :
         {std::pair<Index, Index>{4, 3}, {1, 5}, {5, 1}, {3, 17}, {0, 3}, {301, 517}, {3, 9001}})
        for (const double smoothing : {0.0, 0.125, 1.0}) {
            if (classes == 1 && smoothing > 0) continue;  // 0 but for rounding, which has no relative size
            IntArray labels = IntArray::from_shape({static_cast<std::size_t>(rows)});
            for (Index i = 0; i < rows; ++i) labels(i) = i * 7 % classes;
            samples.push_back({"softmax_cross_entropy",
                               {draw.uniform({rows, classes}, -3, 3)},
                               [=](const Inputs& x) { return softmax_cross_entropy(x[0], labels, smoothing); },
                               {},
                               rows * classes > 1000});
        }
}

}  // namespace

Samples reductions() {
    Draw draw(3);
    Samples samples;
    const auto add = [&](const Reduction& reduction, const Case& c, bool large) {
        // factors stay near 1 where there are many of them
        const double spread = large ? 0.001 : 0.5;
        const Variable x = reduction.inputs == Reduction::apart ? draw.distinct(c.shape, large ? 1.0 / 65536 : 0.0625)
                           : reduction.inputs == Reduction::positive ? draw.uniform(c.shape, 1 - spread, 1 + spread)
                                                                     : draw.uniform(c.shape, -2, 2);
        samples.push_back({reduction.operation,
                           {x},
                           [f = reduction.call, c](const Inputs& in) { return f(in[0], c.axes, c.keepdims); },
                           {},
                           large,
                           reduction.operation == std::string("prod") ? 1e-4 : 4e-6});
    };
    for (const Reduction& reduction : reductions_over_axes) {
        for (const Case& c : cases) add(reduction, c, false);
        for (const Case& c : large_cases) add(reduction, c, true);
        if (reduction.has_value_of_nothing)
            for (const Case& c : of_nothing) add(reduction, c, false);
    }
    for (const Reduction& reduction : deviations) {
        for (const Case& c : cases)
            if (reduces_several(c)) add(reduction, c, false);
        for (const Case& c : large_cases) add(reduction, c, true);
    }
    const std::vector<std::pair<Shape, Index>> axes{{{4}, 0},       {{2, 3}, 0},        {{2, 3}, -1}, {{3, 1}, 1},
                                                    {{2, 3, 2}, 1}, {{2, 3, 2, 2}, -3}, {{0, 3}, 1},  {{3, 2, 0}, 1}};
    for (const AlongAxis& one : along_axis) {
        const auto along = [&one](Index axis) {
            return [f = one.call, axis](const Inputs& x) { return f(x[0], axis); };
        };
        for (const auto& [shape, axis] : axes) samples.push_back({one.operation, {draw.distinct(shape)}, along(axis)});
        for (const Index axis : {0, 1})
            samples.push_back({one.operation, {draw.distinct({300, 517}, 1.0 / 65536)}, along(axis), {}, true});
    }
    add_products_with_zeros(samples);
    add_cross_entropies(samples, draw);
    return samples;
}

XTAPE_CATALOGUE_SUITE(catalogue_reductions, reductions)

}  // namespace xtape::catalogue
