#include "catalogue.hpp"

#include <boost/test/unit_test.hpp>

/// Element-wise operations on two operands: broadcasts, scalars on either side, the same operand twice.
namespace xtape::catalogue {

namespace {

const std::vector<std::pair<Shape, Shape>> pairs_of_shapes{
    {{}, {}},
    {{3}, {3}},
    {{}, {2, 3}},
    {{2, 3}, {}},
    {{2, 3}, {3}},
    {{2, 3}, {2, 1}},
    {{3, 1}, {1, 4}},
    {{4, 1, 2}, {3, 1}},
    {{1}, {2, 3}},
    {{2, 3, 2}, {2}},
    {{0, 3}, {3}},
    {{2, 0}, {2, 1}},
    {{1}, {0}},
    {{2, 2, 3, 2}, {2, 1, 3, 1}},
    {{2, 1, 3, 1}, {1, 2, 1, 2}},
};

const std::vector<std::pair<Shape, Shape>> large_pairs{
    {{203, 517}, {203, 517}}, {{203, 517}, {517}}, {{203, 517}, {203, 1}}, {{}, {203, 517}}, {{41, 1, 67}, {53, 1}},
};

struct Binary {
    const char* operation;
    Variable (*call)(const Variable& a, const Variable& b);
    double low_a, high_a, low_b, high_b;
};

const std::vector<Binary> smooth{
    {"operator+", [](const Variable& a, const Variable& b) { return a + b; }, -2, 2, -2, 2},
    {"operator-(Operand, Operand)", [](const Variable& a, const Variable& b) { return a - b; }, -2, 2, -2, 2},
    {"operator*", [](const Variable& a, const Variable& b) { return a * b; }, -2, 2, -2, 2},
    {"operator/", [](const Variable& a, const Variable& b) { return a / b; }, -2, 2, 0.5, 2},
    {"operator/", [](const Variable& a, const Variable& b) { return a / b; }, -2, 2, -2, -0.5},
    {"pow", [](const Variable& a, const Variable& b) { return pow(a, b); }, 0.25, 2, -2, 2},
};

/// These bend or jump where both operands are equal.
const std::vector<Binary> bent{
    {"maximum", [](const Variable& a, const Variable& b) { return maximum(a, b); }, 0, 0, 0, 0},
    {"minimum", [](const Variable& a, const Variable& b) { return minimum(a, b); }, 0, 0, 0, 0},
    {"operator<", [](const Variable& a, const Variable& b) { return a < b; }, 0, 0, 0, 0},
    {"operator<=", [](const Variable& a, const Variable& b) { return a <= b; }, 0, 0, 0, 0},
    {"operator>", [](const Variable& a, const Variable& b) { return a > b; }, 0, 0, 0, 0},
    {"operator>=", [](const Variable& a, const Variable& b) { return a >= b; }, 0, 0, 0, 0},
    {"equal", [](const Variable& a, const Variable& b) { return equal(a, b); }, 0, 0, 0, 0},
    {"not_equal", [](const Variable& a, const Variable& b) { return not_equal(a, b); }, 0, 0, 0, 0},
};

struct OneArray {
    const char* operation;
    Variable (*call)(const Variable& x);
    double low, high;
    std::vector<double> kinks = {};
};

/// One array, met by a scalar or by itself.
const std::vector<OneArray> one_array{
    {"operator+", [](const Variable& x) { return x + 1.5; }, -2, 2},
    {"operator+", [](const Variable& x) { return 1.5 + x; }, -2, 2},
    {"operator+", [](const Variable& x) { return x + x; }, -2, 2},
    {"operator-(Operand, Operand)", [](const Variable& x) { return x - 1.5; }, -2, 2},
    {"operator-(Operand, Operand)", [](const Variable& x) { return 1.5 - x; }, -2, 2},
    {"operator-(Operand, Operand)", [](const Variable& x) { return x - x; }, -2, 2},
    {"operator-(Operand, Operand)", [](const Variable& x) { return 1 - sigmoid(x); }, -4, 4},
    {"operator*", [](const Variable& x) { return x * -1.5; }, -2, 2},
    {"operator*", [](const Variable& x) { return 3 * x; }, -2, 2},
    {"operator*", [](const Variable& x) { return x * x; }, -2, 2},
    {"operator*", [](const Variable& x) { return x * x * x; }, -2, 2},
    {"operator/", [](const Variable& x) { return x / 4; }, -2, 2},
    {"operator/", [](const Variable& x) { return 1.5 / x; }, 0.5, 2},
    {"operator/", [](const Variable& x) { return x / x; }, 0.5, 2},
    {"pow", [](const Variable& x) { return pow(x, 0); }, -2, 2},
    {"pow", [](const Variable& x) { return pow(x, 1); }, -2, 2},
    {"pow", [](const Variable& x) { return pow(x, 2); }, -2, 2},
    {"pow", [](const Variable& x) { return pow(x, 3); }, -2, 2},
    {"pow", [](const Variable& x) { return pow(x, 4); }, -2, 2},
    {"pow", [](const Variable& x) { return pow(x, -1); }, -2, -0.5},
    {"pow", [](const Variable& x) { return pow(x, -2); }, 0.5, 2},
    {"pow", [](const Variable& x) { return pow(x, 0.5); }, 0.25, 4},
    {"pow", [](const Variable& x) { return pow(x, 2.5); }, 0.25, 2},
    {"pow", [](const Variable& x) { return pow(2, x); }, -2, 2},
    {"pow", [](const Variable& x) { return pow(x, x); }, 0.25, 2},
    {"maximum", [](const Variable& x) { return maximum(x, 0.5); }, -2, 2, {0.5}},
    {"maximum", [](const Variable& x) { return maximum(0.5, x); }, -2, 2, {0.5}},
    {"maximum", [](const Variable& x) { return maximum(x, x); }, -2, 2},
    {"minimum", [](const Variable& x) { return minimum(x, 0.5); }, -2, 2, {0.5}},
    {"minimum", [](const Variable& x) { return minimum(0.5, x); }, -2, 2, {0.5}},
    {"operator<", [](const Variable& x) { return x < 0.5; }, -2, 2, {0.5}},
    {"operator>=", [](const Variable& x) { return 0.5 >= x; }, -2, 2, {0.5}},
    {"where", [](const Variable& x) { return where(x.detach() > 0.5, x, 2 * x); }, -2, 2, {0.5}},
    {"where", [](const Variable& x) { return where(x.detach() > 0.5, x, 0.0); }, -2, 2, {0.5}},
    {"where", [](const Variable& x) { return where(x.detach() > 0.5, 1.0, x); }, -2, 2, {0.5}},
};

void add_selections(Samples& samples, Draw& draw) {
    const std::vector<std::vector<Shape>> shapes{
        {{3}, {3}, {3}},    {{2, 3}, {2, 3}, {3}}, {{2, 3}, {}, {2, 1}}, {{3}, {2, 3}, {2, 1}},
        {{2, 1}, {3}, {3}}, {{}, {3}, {2, 3}},     {{0}, {1}, {0}},      {{2, 3, 2}, {3, 1}, {2, 1, 2}},
    };
    for (const auto& s : shapes) {
        const Variable condition = draw.mask(s[0]);
        samples.push_back({"where",
                           {draw.uniform(s[1], -2, 2), draw.uniform(s[2], -2, 2)},
                           [condition](const Inputs& x) { return where(condition, x[0], x[1]); }});
        const Variable mask = draw.mask(s[2]);
        samples.push_back({"masked_fill", {draw.uniform(s[0], -2, 2)}, [mask](const Inputs& x) {
                               return masked_fill(x[0], mask, 7);
                           }});
    }
}

}  // namespace

Samples arithmetic() {
    Draw draw(2);
    Samples samples;
    const auto with_pairs = [&](const std::vector<Binary>& operations, const auto& inputs) {
        for (const Binary& binary : operations) {
            const auto call = [f = binary.call](const Inputs& x) { return f(x[0], x[1]); };
            for (const auto& [a, b] : pairs_of_shapes)
                samples.push_back({binary.operation, inputs(binary, a, b), call});
            for (const auto& [a, b] : large_pairs)
                samples.push_back({binary.operation, inputs(binary, a, b), call, {}, true});
        }
    };
    with_pairs(smooth, [&](const Binary& binary, const Shape& a, const Shape& b) {
        return Inputs{draw.uniform(a, binary.low_a, binary.high_a), draw.uniform(b, binary.low_b, binary.high_b)};
    });
    with_pairs(bent, [&](const Binary&, const Shape& a, const Shape& b) { return draw.distinct_pair(a, b); });
    for (const OneArray& one : one_array)
        for (const Shape& shape : {Shape{}, Shape{5}, Shape{0}, Shape{2, 3}, Shape{2, 1, 2, 2}})
            samples.push_back({one.operation,
                               {draw.uniform(shape, one.low, one.high, one.kinks)},
                               [f = one.call](const Inputs& x) { return f(x[0]); }});
    add_selections(samples, draw);
    return samples;
}

XTAPE_CATALOGUE_SUITE(catalogue_arithmetic, arithmetic)

}  // namespace xtape::catalogue
