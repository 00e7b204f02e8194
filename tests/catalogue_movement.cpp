#include "catalogue.hpp"

#include <boost/test/unit_test.hpp>

/// Operations that move elements and compute nothing.
namespace xtape::catalogue {

namespace {

using xt::placeholders::_;

struct Move {
    const char* operation;
    Shape shape;
    Variable (*call)(const Variable& x);
};

#define OF_X(...) [](const Variable& x) { return __VA_ARGS__; }

const std::vector<Move> shapes_changed{
    {"reshape", {2, 3}, OF_X(reshape(x, {3, 2}))},
    {"reshape", {2, 3, 4}, OF_X(reshape(x, {4, -1}))},
    {"reshape", {}, OF_X(reshape(x, {1, 1}))},
    {"reshape", {1}, OF_X(reshape(x, {}))},
    {"reshape", {0, 3}, OF_X(reshape(x, {3, 0, 2}))},
    {"flatten", {2, 3, 4}, OF_X(flatten(x))},
    {"flatten", {2, 3, 2, 2}, OF_X(flatten(x, 1))},
    {"flatten", {}, OF_X(flatten(x))},
    {"transpose", {2, 3}, OF_X(transpose(x))},
    {"transpose", {}, OF_X(transpose(x))},
    {"transpose", {4}, OF_X(transpose(x))},
    {"transpose", {2, 3, 4}, OF_X(transpose(x))},
    {"transpose", {2, 0}, OF_X(transpose(x))},
    {"permute", {2, 3, 4}, OF_X(permute(x, {1, 2, 0}))},
    {"permute", {2, 3, 4}, OF_X(permute(x, {0, 2, 1}))},
    {"permute", {2, 3, 2, 4}, OF_X(permute(x, {-1, 0, 2, 1}))},
    {"permute", {}, OF_X(permute(x, {}))},
    {"squeeze", {1, 3, 1}, OF_X(squeeze(x))},
    {"squeeze", {1, 3, 1}, OF_X(squeeze(x, -1))},
    {"squeeze", {2, 3}, OF_X(squeeze(x))},
    {"expand_dims", {2, 3}, OF_X(expand_dims(x, 1))},
    {"expand_dims", {2, 3}, OF_X(expand_dims(x, -1))},
    {"expand_dims", {}, OF_X(expand_dims(x, 0))},
    {"broadcast_to", {3}, OF_X(broadcast_to(x, {2, 3}))},
    {"broadcast_to", {2, 1}, OF_X(broadcast_to(x, {2, 3}))},
    {"broadcast_to", {}, OF_X(broadcast_to(x, {2, 2}))},
    {"broadcast_to", {3, 1, 2}, OF_X(broadcast_to(x, {2, 3, 2, 2}))},
    {"broadcast_to", {1}, OF_X(broadcast_to(x, {0}))},
    {"broadcast_to", {2, 3}, OF_X(broadcast_to(x, {2, 3}))},
    {"sum_to", {2, 3}, OF_X(sum_to(x, {3}))},
    {"sum_to", {2, 3}, OF_X(sum_to(x, {2, 1}))},
    {"sum_to", {2, 3}, OF_X(sum_to(x, {}))},
    {"sum_to", {2, 3, 2, 2}, OF_X(sum_to(x, {3, 1, 2}))},
    {"sum_to", {0, 3}, OF_X(sum_to(x, {1, 3}))},
    {"flip", {2, 3}, OF_X(flip(x))},
    {"flip", {2, 3, 4}, OF_X(flip(x, {0, -1}))},
    {"flip", {5}, OF_X(flip(x, 0))},
    {"flip", {0, 2}, OF_X(flip(x, 1))},
    {"repeat", {3}, OF_X(repeat(x, 2, 0))},
    {"repeat", {2, 3}, OF_X(repeat(x, 3, 1))},
    {"repeat", {2, 3, 2}, OF_X(repeat(x, 2, -2))},
    {"repeat", {2, 3}, OF_X(repeat(x, 0, 0))},
};

const std::vector<Move> parts{
    {"slice", {6}, OF_X(slice(x, {range(1, 5)}))},
    {"slice", {6}, OF_X(slice(x, {range(1, 6, 2)}))},
    {"slice", {6}, OF_X(slice(x, {range(_, _, -1)}))},
    {"slice", {6}, OF_X(slice(x, {range(5, 0, -2)}))},
    {"slice", {6}, OF_X(slice(x, {range(-3, _)}))},
    {"slice", {6}, OF_X(slice(x, {-2}))},
    {"slice", {6}, OF_X(slice(x, {range(4, 2)}))},
    {"slice", {4, 5}, OF_X(slice(x, {1}))},
    {"slice", {4, 5}, OF_X(slice(x, {range(_, 3), -1}))},
    {"slice", {4, 5}, OF_X(slice(x, {all(), range(0, 5, 3)}))},
    {"slice", {2, 3, 4}, OF_X(slice(x, {newaxis(), 1, all(), range(1, 3)}))},
    {"slice", {2, 3, 4}, OF_X(slice(x, {ellipsis(), 2}))},
    {"slice", {2, 3, 4, 2}, OF_X(slice(x, {0, ellipsis(), range(_, _, -1)}))},
    {"slice", {0, 3}, OF_X(slice(x, {all(), 1}))},
    {"pad", {2, 3}, OF_X(pad(x, {{1, 2}, {0, 1}}))},
    {"pad", {3}, OF_X(pad(x, {{2, 0}}, 5))},
    {"pad", {2, 2, 2, 2}, OF_X(pad(x, {{0, 0}, {0, 0}, {1, 1}, {2, 0}}))},
    {"pad", {}, OF_X(pad(x, {}))},
    {"pad", {0, 2}, OF_X(pad(x, {{1, 1}, {0, 0}}))},
    {"concatenate", {2, 3}, OF_X(concatenate({x, 2 * x, x}, 1))},
    {"stack", {2, 3}, OF_X(stack({x, x}, -1))},
    {"split(const Variable&, Index, Index)",
     {6, 2},
     [](const Variable& x) {
         const auto thirds = split(x, 3);
         return thirds[0] * thirds[2] + thirds[1];
     }},
    {"split(const Variable&, Index, Index)", {2, 4}, OF_X(split(x, 2, -1)[1])},
    {"split(const Variable&, const Shape&, Index)",
     {2, 6},
     [](const Variable& x) {
         const auto pieces = split(x, Shape{1, 3, 2}, 1);
         return pieces[0] * pieces[1] + sum(pieces[2]);
     }},
    {"split(const Variable&, const Shape&, Index)", {3}, OF_X(split(x, Shape{3, 0})[1])},
};

const std::vector<Move> large_moves{
    {"reshape", {300, 517}, OF_X(reshape(x, {517, 300}))},
    {"flatten", {300, 517}, OF_X(flatten(x))},
    {"transpose", {300, 517}, OF_X(transpose(x))},
    {"permute", {30, 53, 67}, OF_X(permute(x, {2, 0, 1}))},
    {"permute", {7, 30, 11, 67}, OF_X(permute(x, {0, 2, 3, 1}))},
    {"broadcast_to", {517}, OF_X(broadcast_to(x, {300, 517}))},
    {"broadcast_to", {300, 1}, OF_X(broadcast_to(x, {300, 517}))},
    {"sum_to", {300, 517}, OF_X(sum_to(x, {517}))},
    {"sum_to", {300, 517}, OF_X(sum_to(x, {300, 1}))},
    {"flip", {300, 517}, OF_X(flip(x, 1))},
    {"repeat", {300, 517}, OF_X(repeat(x, 3, 0))},
    {"slice", {300, 517}, OF_X(slice(x, {range(10, 290), range(_, _, -2)}))},
    {"pad", {300, 517}, OF_X(pad(x, {{3, 4}, {5, 6}}))},
    {"concatenate", {300, 517}, OF_X(concatenate({x, 2 * x}, 1))},
    {"stack", {300, 517}, OF_X(stack({x, 2 * x}, 1))},
};

#undef OF_X

void add_joins(Samples& samples, Draw& draw) {
    const auto join = [&](const char* operation, std::vector<Shape> shapes, Index axis) {
        Inputs inputs;
        for (const Shape& shape : shapes) inputs.push_back(draw.uniform(shape, -2, 2));
        const bool joins = std::string(operation) == "concatenate";
        samples.push_back({operation, inputs,
                           [joins, axis](const Inputs& x) { return joins ? concatenate(x, axis) : stack(x, axis); }});
    };
    join("concatenate", {{2}, {3}}, 0);
    join("concatenate", {{2, 3}, {1, 3}, {4, 3}}, 0);
    join("concatenate", {{2, 3}, {2, 1}}, -1);
    join("concatenate", {{2, 1, 3}, {2, 2, 3}}, 1);
    join("concatenate", {{2, 3}}, 1);
    join("concatenate", {{0, 3}, {2, 3}}, 0);
    join("stack", {{}, {}, {}}, 0);
    join("stack", {{3}, {3}}, 0);
    join("stack", {{2, 3}, {2, 3}, {2, 3}}, 1);
    join("stack", {{2, 3}, {2, 3}}, -1);
    join("stack", {{0}, {0}}, 1);
}

}  // namespace

Samples movement() {
    Draw draw(4);
    Samples samples;
    const auto add = [&](const std::vector<Move>& moves, bool large) {
        for (const Move& move : moves)
            samples.push_back({move.operation,
                               {draw.uniform(move.shape, -2, 2)},
                               [f = move.call](const Inputs& x) { return f(x[0]); },
                               {},
                               large});
    };
    add(shapes_changed, false);
    add(parts, false);
    add(large_moves, true);
    add_joins(samples, draw);
    return samples;
}

XTAPE_CATALOGUE_SUITE(catalogue_movement, movement)

}  // namespace xtape::catalogue
