#include <memory>
#include <utility>

#include <fmt/format.h>

#include <xtape/autograd/kernels/cross_entropy.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/tape.hpp>

namespace xtape {

namespace {

void check_rows(const Variable& logits, const IntArray& labels, Where where) {
    const Shape& shape = logits.shape();
    if (shape.rank() != 2 || labels.dimension() != 1 || static_cast<Index>(labels.size()) != shape[0])
        throw ShapeError(
            fmt::format("softmax_cross_entropy: logits must be (N, C) and labels (N,): {} and {} axes with "
                        "{} elements",
                        to_string(shape), labels.dimension(), labels.size()),
            where);
    for (std::size_t i = 0; i < labels.size(); ++i)
        if (const std::int64_t label = labels.data()[i]; label < 0 || label >= shape[1])
            throw ValueError(fmt::format("softmax_cross_entropy: the label at position {} must be in [0, {}): {}", i,
                                         shape[1], label),
                             where);
}

}  // namespace

// softmax_cross_entropy: y = log(sum(e^z)) - sum(target z);  dz = g (softmax(z) - target)
Variable softmax_cross_entropy(Variable logits, const IntArray& labels, double label_smoothing, Where where) {
    check_rows(logits, labels, where);
    if (!(label_smoothing >= 0 && label_smoothing <= 1))
        throw ValueError(fmt::format("softmax_cross_entropy: label_smoothing must be in [0, 1]: {}", label_smoothing),
                         where);
    const auto y = kernels::cross_entropy(logits.array(), labels.data(), label_smoothing);
    if (!logits.requires_grad() || !recording()) return Variable(y.losses);

    const auto kept = std::make_shared<const IntArray>(labels);
    auto dz = on(logits, holding(
                             [z = logits, y, kept, label_smoothing, where](const Variable& g) {
                                 if (!recording())
                                     return Variable(kernels::cross_entropy_gradient(g.array(), z.array(), y,
                                                                                     kept->data(), label_smoothing));
                                 const Index classes = z.shape()[1];
                                 const double share = label_smoothing / static_cast<double>(classes);
                                 const Variable target =
                                     one_hot(*kept, classes, z.dtype(), where) * (1 - label_smoothing) + share;
                                 return expand_dims(g, 1, where) * (softmax(z, 1, where) - target);
                             },
                             logits, y.losses, y.maxima, y.exponentials,
                             KeptPiece{kept->data(), kept->size() * sizeof(std::int64_t)}));
    return record("softmax_cross_entropy", where, y.losses, std::move(dz));
}

}  // namespace xtape
