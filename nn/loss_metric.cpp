#include <xtape/nn/loss_metric.hpp>

#include <fmt/format.h>

#include <xtape/nn/loss_parts.hpp>

namespace xtape::nn {

using namespace loss_parts;

namespace {

void check_rows(const char* loss, const Variable& x, Where where) {
    if (x.rank() != 2)
        throw ShapeError(
            fmt::format("{}: embeddings must be (N, D): {} has {} axes", loss, to_string(x.shape()), x.rank()), where);
}

/// How much farther from each anchor its positive lies than its negative.
Variable excess(const Variable& a, const Variable& p, const Variable& n, Distance distance, Where where) {
    if (distance == Distance::euclidean)
        return at(norm(at(a, where) - p, 1, false, where), where) - norm(at(a, where) - n, 1, false, where);
    // (x - y)^2 - (x - z)^2 as a product: exact, and finite, for an anchor that is far from both.
    static const auto squares =
        elementwise("triplet", [](auto x, auto y, auto z) { return (z - y) * ((x - y) + (x - z)); });
    return sum(squares(at(a, where), p, n), 1, false, where);
}

/// Rows of length 1; rows of zeros stay, with gradient 0.
Variable unit_rows(const Variable& x, Where where) {
    if (x.size() == 0) return x;
    // A length does not depend on the unit it is taken in: the largest magnitude, a constant, keeps squares from overflow.
    const Variable largest = max(abs(x.detach(), where), 1, true, where);
    const Variable empty = equal(at(largest, where), 0);
    const Variable scaled = at(x, where) / masked_fill(largest, empty, 1, where);
    const Variable unit = at(scaled, where) / masked_fill(norm(scaled, 1, true, where), empty, 1, where);
    return masked_fill(unit, empty, 0, where);
}

/// The cosines of all rows of a with all of b.
Variable cosines(const Variable& a, const Variable& b, Where where) {
    return matmul(unit_rows(a, where), transpose(unit_rows(b, where), where), where);
}

}  // namespace

Variable triplet(const Variable& anchor, const Variable& positive, const Variable& negative, double margin,
                 Distance distance, Reduction reduction, Where where) {
    check_same("triplet", {{"anchor", anchor}, {"positive", positive}, {"negative", negative}}, where);
    check_rows("triplet", anchor, where);
    if (!(margin >= 0)) throw ValueError(fmt::format("triplet: margin must not be negative: {}", margin), where);
    const Variable excesses = excess(anchor, positive, negative, distance, where);
    return reduced(relu(at(excesses, where) + margin, where), reduction, where);
}

Variable info_nce(const Variable& query, const Variable& key, double temperature, Reduction reduction, Where where) {
    check_same("info_nce", {{"query", query}, {"key", key}}, where);
    check_rows("info_nce", query, where);
    check_positive("info_nce", "temperature", temperature, where);
    IntArray own = IntArray::from_shape({static_cast<std::size_t>(query.shape()[0])});
    for (std::size_t i = 0; i < own.size(); ++i) own(i) = static_cast<std::int64_t>(i);
    const Variable similarity = at(cosines(query, key, where), where) / temperature;
    return reduced(softmax_cross_entropy(similarity, own, 0, where), reduction, where);
}

Variable nt_xent(const Variable& a, const Variable& b, double temperature, Reduction reduction, Where where) {
    check_same("nt_xent", {{"first view", a}, {"second view", b}}, where);
    check_rows("nt_xent", a, where);
    check_positive("nt_xent", "temperature", temperature, where);
    const auto samples = static_cast<std::size_t>(a.shape()[0]), rows = 2 * samples;
    IntArray itself = IntArray::from_shape({rows}), other = itself;
    for (std::size_t i = 0; i < rows; ++i) {
        itself(i) = static_cast<std::int64_t>(i);
        other(i) = static_cast<std::int64_t>((i + samples) % rows);
    }
    const Variable both = concatenate({a, b}, 0, where);
    const Variable similarity = at(cosines(both, both, where), where) / temperature;
    const Variable mine = one_hot(itself, both.shape()[0], both.dtype(), where);
    return reduced(softmax_cross_entropy(masked_fill(similarity, mine, -1e30, where), other, 0, where), reduction,
                   where);
}

}  // namespace xtape::nn
