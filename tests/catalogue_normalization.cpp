#include "catalogue.hpp"

#include <boost/test/unit_test.hpp>

/// Batch and layer normalisation with weight and bias, with one of them and with none.
namespace xtape::catalogue {

namespace {

/// x, then weight and bias where they are there, which every call takes in this order.
struct Affine {
    bool weight, bias;

    Inputs draw(Draw& from, const Shape& x, const Shape& parameters) const {
        Inputs inputs{from.uniform(x, -2, 2)};
        if (weight) inputs.push_back(from.uniform(parameters, 0.5, 1.5));
        if (bias) inputs.push_back(from.uniform(parameters, -1, 1));
        return inputs;
    }
    Variable weight_of(const Inputs& in) const { return weight ? in[1] : Variable(); }
    Variable bias_of(const Inputs& in) const { return bias ? in.back() : Variable(); }
};

const Affine affine[] = {{true, true}, {true, false}, {false, true}, {false, false}};

struct Case {
    Shape shape;
    bool large = false;
};

const std::vector<Case> batches{{{4, 3}},
                                {{5, 1}},
                                {{3, 2, 5}},
                                {{2, 3, 2, 3}},
                                {{2, 2, 4, 5}},
                                {{1, 3, 7, 6}},
                                {{1, 2, 3, 3}},
                                {{3, 2, 17}},
                                {{2, 1, 2, 2, 5}},
                                {{1037, 61}, true},
                                {{130, 5, 3}, true},
                                {{67, 17, 14, 13}, true},
                                {{33, 3, 91, 89}, true},
                                {{2, 70001, 2}, true}};

struct Rows {
    Shape leading, shape;
    bool large = false;
};

const std::vector<Rows> rows{{{4}, {3}},
                             {{}, {5}},
                             {{2, 3}, {4}},
                             {{3}, {2, 3}},
                             {{1}, {17}},
                             {{2}, {2, 2, 5}},
                             {{0}, {3}},
                             {{300}, {517}, true},
                             {{3, 50}, {17, 33}, true},
                             {{9001}, {31}, true},
                             {{3}, {70001}, true}};

const double eps = 0.1;  // so that one number a group is not divided by next to nothing

/// With ReLU and maxima in the same pass. In many numbers some are nearly equal by chance, and rounding would choose another
/// maximum: those are drawn apart.
void add_with_tails(Samples& samples, Draw& draw, const Affine& a, const Shape& shape, bool large) {
    const auto add = [&](const char* name, const Shape& x_shape, auto operation) {
        Inputs inputs = a.draw(draw, x_shape, {x_shape[1]});
        if (large) inputs[0] = draw.distinct(x_shape, 1.0 / 4096);
        samples.push_back({name,
                           inputs,
                           [=](const Inputs& in) { return operation(in[0], a.weight_of(in), a.bias_of(in), eps).y; },
                           {},
                           large,
                           3e-5});
    };
    const auto relu_too = [](const Variable& x, const Variable& w, const Variable& b, double e) {
        return batch_norm_relu(x, w, b, e);
    };
    const auto maxima_too = [](const Variable& x, const Variable& w, const Variable& b, double e) {
        return batch_norm_relu_max_pool2d(x, w, b, e);
    };
    add("batch_norm_relu", shape, relu_too);
    if (shape[2] >= 2 && shape[3] >= 2) add("batch_norm_relu_max_pool2d", shape, maxima_too);
}

}  // namespace

Samples normalization() {
    Draw draw(8);
    Samples samples;
    for (const Affine& a : affine) {
        for (const Case& c : batches) {
            const Shape channels{c.shape[1]};
            samples.push_back(
                {"batch_norm(Variable, Variable, Variable, double)",
                 a.draw(draw, c.shape, channels),
                 [=](const Inputs& in) { return batch_norm(in[0], a.weight_of(in), a.bias_of(in), eps).y; },
                 {},
                 c.large,
                 3e-5});  // the weight's gradient adds up both signs
            if (c.shape.rank() == 4) add_with_tails(samples, draw, a, c.shape, c.large);
            const Variable mean = draw.uniform(channels, -1, 1), variance = draw.uniform(channels, 0.5, 2);
            samples.push_back({"batch_norm(Variable, const BatchStatistics&, Variable, Variable, double)",
                               a.draw(draw, c.shape, channels),
                               [=](const Inputs& in) {
                                   return batch_norm(in[0], {mean, variance}, a.weight_of(in), a.bias_of(in));
                               },
                               {},
                               c.large});
        }
        for (const Rows& r : rows) {
            Shape x = r.leading;
            for (const Index size : r.shape) x.push_back(size);
            samples.push_back(
                {"layer_norm",
                 a.draw(draw, x, r.shape),
                 [=](const Inputs& in) { return layer_norm(in[0], r.shape, a.weight_of(in), a.bias_of(in), eps); },
                 {},
                 r.large});
        }
    }
    const Inputs all{draw.uniform({3, 2, 4}, -2, 2), draw.uniform({2}, -1, 1), draw.uniform({2}, 0.5, 2),
                     draw.uniform({2}, 0.5, 1.5), draw.uniform({2}, -1, 1)};
    samples.push_back(
        {"batch_norm(Variable, const BatchStatistics&, Variable, Variable, double)", all, [](const Inputs& in) {
             return batch_norm(in[0], {in[1], in[2]}, in[3], in[4]);
         }});
    return samples;
}

XTAPE_CATALOGUE_SUITE(catalogue_normalization, normalization)

}  // namespace xtape::catalogue
