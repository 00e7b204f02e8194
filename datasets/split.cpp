#include <xtape/datasets/split.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include <fmt/format.h>

#include <xtape/autograd/random.hpp>

namespace xtape::datasets {
namespace {

struct Class {
    std::vector<std::int64_t> members;
    std::size_t validation = 0;
    double missing = 0;  // of its share, after rounding down
};

/// Hands out `total` validation samples: first every class's share rounded down, then one each where most is missing.
void allot(std::vector<Class*> classes, double fraction, std::size_t total) {
    std::size_t given = 0;
    for (Class* c : classes) {
        const double share = fraction * static_cast<double>(c->members.size());
        c->validation = static_cast<std::size_t>(std::floor(share));
        c->missing = share - std::floor(share);
        given += c->validation;
    }
    std::stable_sort(classes.begin(), classes.end(), [](Class* a, Class* b) { return a->missing > b->missing; });
    for (Class* c : classes) {
        if (given >= total) break;
        if (c->validation == c->members.size()) continue;
        ++c->validation;
        ++given;
    }
}

IntArray sorted(std::vector<std::int64_t> positions) {
    std::sort(positions.begin(), positions.end());
    IntArray result = IntArray::from_shape({positions.size()});
    std::copy(positions.begin(), positions.end(), result.begin());
    return result;
}

}  // namespace

Split stratified_split(const IntArray& labels, double fraction, std::uint64_t seed) {
    if (!(fraction >= 0 && fraction <= 1))
        throw ValueError(fmt::format("stratified_split: a fraction is in [0, 1]: {}", fraction));
    std::map<std::int64_t, Class> by_label;
    std::int64_t position = 0;
    for (std::int64_t label : labels) by_label[label].members.push_back(position++);
    std::vector<Class*> classes;
    for (auto& [label, c] : by_label) classes.push_back(&c);
    allot(classes, fraction, static_cast<std::size_t>(std::llround(fraction * static_cast<double>(labels.size()))));

    Generator generator(seed);
    std::vector<std::int64_t> train, validation;
    for (const Class* c : classes) {
        const std::vector<Index> order = random::permutation(static_cast<Index>(c->members.size()), generator);
        for (std::size_t i = 0; i < order.size(); ++i)
            (i < c->validation ? validation : train).push_back(c->members[static_cast<std::size_t>(order[i])]);
    }
    return {sorted(std::move(train)), sorted(std::move(validation))};
}

}  // namespace xtape::datasets
