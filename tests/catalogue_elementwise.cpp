#include "catalogue.hpp"

#include <boost/test/unit_test.hpp>

/// Operations on one operand, and the stable forms of logarithms.
namespace xtape::catalogue {

namespace {

const std::vector<Shape> shapes_of_all_kinds{{}, {1}, {7}, {0}, {2, 3}, {5, 1}, {3, 1, 2}, {2, 0, 3}, {2, 1, 3, 2}};

struct Unary {
    const char* operation;
    Variable (*call)(const Variable& x);
    double low, high;
    std::vector<double> kinks = {};
};

const std::vector<Unary> unary_operations{
    {"operator-(Operand)", [](const Variable& x) { return -x; }, -2, 2},
    {"negative", [](const Variable& x) { return negative(x); }, -2, 2},
    {"abs", [](const Variable& x) { return abs(x); }, -2, 2, {0}},
    {"sign", [](const Variable& x) { return sign(x); }, -2, 2, {0}},
    {"square", [](const Variable& x) { return square(x); }, -2, 2},
    {"sqrt", [](const Variable& x) { return sqrt(x); }, 0.25, 4},
    {"reciprocal", [](const Variable& x) { return reciprocal(x); }, 0.25, 2},
    {"reciprocal", [](const Variable& x) { return reciprocal(x); }, -2, -0.25},
    {"exp", [](const Variable& x) { return exp(x); }, -3, 3},
    {"expm1", [](const Variable& x) { return expm1(x); }, -3, 3},
    {"log", [](const Variable& x) { return log(x); }, 0.25, 4},
    {"log", [](const Variable& x) { return log(sigmoid(x)); }, -4, 4},
    {"log", [](const Variable& x) { return log(1 - sigmoid(x)); }, -4, 4},
    {"log1p", [](const Variable& x) { return log1p(x); }, -0.75, 3},
    {"sin", [](const Variable& x) { return sin(x); }, -4, 4},
    {"cos", [](const Variable& x) { return cos(x); }, -4, 4},
    {"tanh", [](const Variable& x) { return tanh(x); }, -3, 3},
    {"sigmoid", [](const Variable& x) { return sigmoid(x); }, -4, 4},
    {"log_sigmoid", [](const Variable& x) { return log_sigmoid(x); }, -4, 4},
    {"softplus", [](const Variable& x) { return softplus(x); }, -4, 4},
    {"relu", [](const Variable& x) { return relu(x); }, -2, 2, {0}},
    {"leaky_relu", [](const Variable& x) { return leaky_relu(x); }, -2, 2, {0}},
    {"leaky_relu", [](const Variable& x) { return leaky_relu(x, 0.3); }, -2, 2, {0}},
    {"elu", [](const Variable& x) { return elu(x); }, -2, 2, {0}},
    {"elu", [](const Variable& x) { return elu(x, 0.7); }, -2, 2, {0}},
    {"gelu", [](const Variable& x) { return gelu(x); }, -3, 3},
    {"erf", [](const Variable& x) { return erf(x); }, -2, 2},
    {"heaviside", [](const Variable& x) { return heaviside(x); }, -2, 2, {0}},
    {"clip", [](const Variable& x) { return clip(x, -0.5, 0.75); }, -2, 2, {-0.5, 0.75}},
    {"masked_fill", [](const Variable& x) { return masked_fill(x, x.detach() > 0.25, -3); }, -2, 2, {0.25}},
    {"astype", [](const Variable& x) { return astype(x, float64); }, -2, 2},
};

}  // namespace

Samples elementwise() {
    Draw draw(1);
    Samples samples;
    for (const Unary& unary : unary_operations) {
        const auto call = [f = unary.call](const Inputs& x) { return f(x[0]); };
        for (const Shape& shape : shapes_of_all_kinds)
            samples.push_back({unary.operation, {draw.uniform(shape, unary.low, unary.high, unary.kinks)}, call});
        samples.push_back(
            {unary.operation, {draw.uniform({203, 517}, unary.low, unary.high, unary.kinks)}, call, {}, true});
    }
    const auto cross_entropy = [](const Inputs& x) { return sigmoid_cross_entropy(x[0], x[1]); };
    for (const Shape& shape : shapes_of_all_kinds)
        samples.push_back(
            {"sigmoid_cross_entropy", {draw.uniform(shape, -4, 4), draw.uniform(shape, 0, 1)}, cross_entropy});
    const auto huber = [](const Inputs& x) { return huber_loss(x[0], x[1], 0.5); };
    for (const Shape& shape : shapes_of_all_kinds) {
        samples.push_back(
            {"huber_loss", {draw.uniform(shape, 0, 0.2), draw.uniform(shape, -0.2, 0)}, huber});  // inside
        samples.push_back({"huber_loss", {draw.uniform(shape, 1, 2), draw.uniform(shape, -1, 0.4)}, huber});
    }
    for (const Index axis : {0, 1, -1})
        samples.push_back(
            {"log", {draw.uniform({3, 4}, -2, 2)}, [axis](const Inputs& x) { return log(softmax(x[0], axis)); }});

    GradCheckOptions coarse;  // of a cast to float32, which is linear but for its rounding
    coarse.step = 0.5;
    coarse.tolerance = 1e-5;
    for (const Shape& shape : shapes_of_all_kinds)
        samples.push_back(
            {"astype", {draw.uniform(shape, -2, 2)}, [](const Inputs& x) { return astype(x[0], float32); }, coarse});
    return samples;
}

XTAPE_CATALOGUE_SUITE(catalogue_elementwise, elementwise)

}  // namespace xtape::catalogue
