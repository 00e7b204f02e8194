#include <algorithm>

#include <fmt/format.h>

#include <xtape/optim/check.hpp>
#include <xtape/optim/report.hpp>

namespace xtape::optim {

std::vector<Tile> worst_mistakes(const Variable& images, const Variable& probability, const IntArray& labels,
                                 const std::vector<std::string>& classes, std::size_t limit, Where where) {
    const auto n = static_cast<Index>(labels.size()), count = static_cast<Index>(classes.size());
    const bool fits = images && probability && labels.dimension() == 1 && images.rank() == 4 && images.shape(0) == n &&
                      images.shape(1) == 1 && probability.shape() == Shape{n, count};
    if (!fits)
        throw ShapeError(
            fmt::format("worst_mistakes: needs images (N, 1, H, W), probabilities (N, C), N labels and C classes: {}, "
                        "{}, {}, {}",
                        images ? to_string(images.shape()) : "nothing",
                        probability ? to_string(probability.shape()) : "nothing", labels.size(), classes.size()),
            where);
    struct Mistake {
        Index image;
        std::size_t predicted, label;
        double confidence;
    };
    std::vector<Mistake> mistakes;
    for (Index i = 0; i < n; ++i) {
        const std::int64_t label = labels.flat(static_cast<std::size_t>(i));
        check(label >= 0 && label < count,
              fmt::format("worst_mistakes: label {} of image {} is not in [0, {})", label, i, count), where);
        Index best = 0;
        for (Index c = 1; c < count; ++c)
            if (probability.array().at(i * count + c) > probability.array().at(i * count + best)) best = c;
        if (best != label)
            mistakes.push_back({i, static_cast<std::size_t>(best), static_cast<std::size_t>(label),
                                probability.array().at(i * count + best)});
    }
    std::stable_sort(mistakes.begin(), mistakes.end(),
                     [](const Mistake& a, const Mistake& b) { return a.confidence > b.confidence; });
    mistakes.resize(std::min(mistakes.size(), limit));

    const NoGrad constant;
    std::vector<Tile> tiles;
    for (const Mistake& m : mistakes)
        tiles.push_back({slice(images, {m.image, 0}).array(), fmt::format("{} {:.0f} %, is {}", classes[m.predicted],
                                                                          100 * m.confidence, classes[m.label])});
    return tiles;
}

}  // namespace xtape::optim
