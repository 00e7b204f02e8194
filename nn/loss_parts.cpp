#include <xtape/nn/loss_parts.hpp>

#include <fmt/format.h>

#include <xtape/nn/labels.hpp>

namespace xtape::nn::loss_parts {

void check_same(const char* loss, std::initializer_list<std::pair<const char*, const Variable&>> arguments,
                Where where) {
    for (const auto& [name, x] : arguments)
        if (!x) throw ValueError(fmt::format("{}: the {} has no value", loss, name), where);
    const auto& [first, model] = *arguments.begin();
    for (const auto& [name, x] : arguments)
        if (x.shape() != model.shape())
            throw ShapeError(fmt::format("{}: {} and {} must have the same shape: {} != {}", loss, first, name,
                                         to_string(model.shape()), to_string(x.shape())),
                             where);
}

void check_values(const char* loss, const Variable& prediction, const Variable& target, Where where) {
    check_same(loss, {{"prediction", prediction}, {"target", target}}, where);
}

void check_classes(const char* loss, const Variable& scores, const IntArray& labels, const Variable& class_weights,
                   Where where) {
    if (!scores) throw ValueError(fmt::format("{}: the prediction has no value", loss), where);
    if (scores.rank() != 2)
        throw ShapeError(fmt::format("{}: the prediction must be (N, C): {} has {} axes", loss,
                                     to_string(scores.shape()), scores.rank()),
                         where);
    const Index count = scores.shape()[0], classes = scores.shape()[1];
    const Shape shape(labels.shape().begin(), labels.shape().end());
    if (shape != Shape{count})
        throw ShapeError(fmt::format("{}: there must be one label for each row of {}: labels {} != {}", loss,
                                     to_string(scores.shape()), to_string(shape), to_string(Shape{count})),
                         where);
    if (const Index bad = labels::first_outside(labels, classes); bad >= 0)
        throw ValueError(fmt::format("{}: the label at position {} must be in [0, {}): {}", loss, bad, classes,
                                     labels::at(labels, bad)),
                         where);
    if (class_weights && class_weights.shape() != Shape{classes})
        throw ShapeError(fmt::format("{}: there must be one weight for each class of {}: weights {} != {}", loss,
                                     to_string(scores.shape()), to_string(class_weights.shape()),
                                     to_string(Shape{classes})),
                         where);
}

void check_positive(const char* loss, const char* name, double value, Where where) {
    if (!(value > 0)) throw ValueError(fmt::format("{}: {} must be above 0: {}", loss, name, value), where);
}

Variable picked(const Variable& scores, const IntArray& labels, Where where) {
    IntArray column = labels;
    column.reshape({labels.size(), std::size_t{1}});
    return reshape(take_along_axis(scores, column, 1, where), {scores.shape()[0]}, where);
}

namespace {

template <class Losses>
Variable reduced_to(Reduction reduction, Losses&& losses, Where where) {
    switch (reduction) {
    case Reduction::mean:
        return mean(std::forward<Losses>(losses), {}, false, where);
    case Reduction::sum:
        return sum(std::forward<Losses>(losses), {}, false, where);
    case Reduction::none:
        break;
    }
    return std::forward<Losses>(losses);
}

}  // namespace

Variable reduced(Variable losses, Reduction reduction, Where where) {
    return reduced_to(reduction, std::move(losses), where);
}

Variable reduced(const Fused& losses, Reduction reduction, Where where) { return reduced_to(reduction, losses, where); }

Variable reduced_classes(Variable losses, const Variable& sample_weights, Reduction reduction, Where where) {
    if (reduction == Reduction::mean && sample_weights)
        return at(sum(std::move(losses), {}, false, where), where) / sum(sample_weights, {}, false, where);
    return reduced(std::move(losses), reduction, where);
}

}  // namespace xtape::nn::loss_parts
