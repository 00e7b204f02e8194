#include <xtape/nn/embedding.hpp>

#include <fmt/format.h>

#include <xtape/nn/check.hpp>
#include <xtape/nn/labels.hpp>

namespace xtape::nn {

Embedding::Embedding(Index count, Index width, Generator& generator, Where where) {
    check::setting("Embedding", "count", count, 1, where);
    check::setting("Embedding", "width", width, 1, where);
    weight = Parameter(random::normal({count, width}, 0, 1, generator));
}

Variable Embedding::operator()(const IntArray& indices, Where where) const {
    const auto scope = calling();
    const Index count = weight.array().shape(0);
    if (const Index bad = labels::first_outside(indices, count); bad >= 0)
        throw ShapeError(fmt::format("{}: the index at position {} must be in [0, {}): {}", describe(),
                                     labels::position(indices, bad), count, labels::at(indices, bad)),
                         where);
    return called(take(weight, indices, 0, where));
}

void Embedding::visit(Visitor& v) { v("weight", weight); }

std::string Embedding::describe() const {
    return fmt::format("Embedding({}, {})", weight.array().shape(0), weight.array().shape(1));
}

}  // namespace xtape::nn
