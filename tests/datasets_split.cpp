#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/datasets/split.hpp>

using namespace xtape;
using datasets::Split;
using datasets::stratified_split;

namespace {

/// Labels of the given class sizes, mixed.
IntArray mixed(const std::vector<std::size_t>& sizes) {
    std::vector<std::int64_t> labels;
    for (std::size_t c = 0; c < sizes.size(); ++c) labels.insert(labels.end(), sizes[c], static_cast<std::int64_t>(c));
    IntArray result = IntArray::from_shape({labels.size()});
    for (std::size_t i = 0; i < labels.size(); ++i) result(i) = labels[(i * 7919) % labels.size()];
    return result;
}

/// Whether both parts together are every position once, each part in ascending order.
bool is_partition(const Split& split, std::size_t n) {
    std::set<std::int64_t> all(split.train.begin(), split.train.end());
    all.insert(split.validation.begin(), split.validation.end());
    return split.train.size() + split.validation.size() == n && all.size() == n &&
           (n == 0 || (*all.begin() == 0 && *all.rbegin() == static_cast<std::int64_t>(n) - 1)) &&
           std::is_sorted(split.train.begin(), split.train.end()) &&
           std::is_sorted(split.validation.begin(), split.validation.end());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(datasets_split)

BOOST_AUTO_TEST_CASE(every_class_keeps_its_share) {
    const std::vector<std::size_t> sizes{500, 100, 33, 7, 1};
    const IntArray labels = mixed(sizes);
    for (double fraction : {0.1, 0.25, 0.29, 0.5, 0.7}) {
        const Split split = stratified_split(labels, fraction, 3);
        BOOST_TEST(is_partition(split, 641));
        BOOST_TEST(static_cast<long>(split.validation.size()) == std::lround(fraction * 641));
        for (std::size_t c = 0; c < sizes.size(); ++c) {
            double count = 0;
            for (std::int64_t position : split.validation)
                count += labels(static_cast<std::size_t>(position)) == static_cast<std::int64_t>(c);
            BOOST_TEST(std::abs(count - fraction * static_cast<double>(sizes[c])) < 1);
        }
    }
}

BOOST_AUTO_TEST_CASE(balanced_classes_stay_exactly_balanced) {
    const IntArray labels = mixed({60, 60, 60});
    const Split split = stratified_split(labels, 1.0 / 12, 1);
    std::vector<int> counts(3, 0);
    for (std::int64_t position : split.validation)
        ++counts[static_cast<std::size_t>(labels(static_cast<std::size_t>(position)))];
    BOOST_TEST((counts == std::vector<int>{5, 5, 5}));
}

BOOST_AUTO_TEST_CASE(the_seed_decides) {
    const IntArray labels = mixed({50, 50});
    BOOST_TEST((stratified_split(labels, 0.2, 5).validation == stratified_split(labels, 0.2, 5).validation));
    BOOST_TEST((stratified_split(labels, 0.2, 5).validation != stratified_split(labels, 0.2, 6).validation));
}

BOOST_AUTO_TEST_CASE(every_sample_is_equally_likely) {
    const IntArray labels = mixed({8, 4});
    std::vector<int> chosen(12, 0);
    for (std::uint64_t seed = 0; seed < 4000; ++seed)
        for (std::int64_t position : stratified_split(labels, 0.25, seed).validation)
            ++chosen[static_cast<std::size_t>(position)];
    for (int count : chosen) BOOST_TEST(std::abs(count - 1000) < 150);  // 5.5 standard errors
}

BOOST_AUTO_TEST_CASE(nothing_and_everything) {
    const IntArray labels = mixed({3, 2});
    BOOST_TEST(stratified_split(labels, 0).validation.size() == 0u);
    BOOST_TEST(stratified_split(labels, 1).train.size() == 0u);
    const IntArray none = IntArray::from_shape({0});
    BOOST_TEST(is_partition(stratified_split(none, 0.5), 0));
    BOOST_CHECK_THROW(stratified_split(labels, -0.1), ValueError);
    BOOST_CHECK_THROW(stratified_split(labels, 1.1), ValueError);
    BOOST_CHECK_THROW(stratified_split(labels, std::nan("")), ValueError);
}

BOOST_AUTO_TEST_SUITE_END()
