#include "support/nn.hpp"

#include <limits>

using namespace xtape;
using namespace xtape::nn_test;
using nn::Reduction;

/// Second derivatives of connectionist temporal classification, which are recorded sums over hundreds of states.
BOOST_AUTO_TEST_SUITE(nn_ctc_second_order)

namespace {

/// The labels 1, 2, 3, 4, 1, ...: no two in a row are equal.
IntArray cycle(Index length) {
    IntArray labels = IntArray::from_shape({std::size_t{1}, static_cast<std::size_t>(length)});
    for (Index s = 0; s < length; ++s) labels.data()[s] = 1 + s % 4;
    return labels;
}

/// The derivative of the sum of the gradient's squares.
Array of_squares(const Variable& log_probabilities, const IntArray& labels) {
    const Parameter x(log_probabilities);
    const Variable slopes = grad(nn::ctc(x, labels, {}, {}, 0, Reduction::sum), x, create_graph);
    return grad(sum(square(slopes)), x).array();
}

bool all_finite(const Array& x) {
    for (Index i = 0; i < x.size(); ++i)
        if (!std::isfinite(x.at(i))) return false;
    return true;
}

}  // namespace

/// With one frame to spare, S labels are spelled by repeating one of them or by a blank at one of S + 1 places. Of these 2 S + 1
/// equally probable alignments n(t, c) says whether one has class c at frame t: the loss has gradient -E n and second derivatives
/// -Cov(n, n), so the gradient's square has the derivative 2 Cov(n, sum of E n over all that n has).
BOOST_AUTO_TEST_CASE(one_frame_to_spare) {
    const Index length = 120, frames = length + 1, classes = 5;
    const IntArray labels = cycle(length);
    std::vector<std::vector<Index>> alignments;
    for (Index place = 0; place <= length; ++place)
        for (const bool blank : {true, false}) {
            if (!blank && place == length) continue;
            std::vector<Index> said(labels.begin(), labels.end());
            said.insert(said.begin() + place, blank ? 0 : said[static_cast<std::size_t>(place)]);
            alignments.push_back(said);
        }
    const double each = 1 / static_cast<double>(alignments.size());
    const auto index = [&](std::size_t t, Index c) {
        return static_cast<std::size_t>(classes) * t + static_cast<std::size_t>(c);
    };
    std::vector<double> mean(static_cast<std::size_t>(frames * classes), 0), expected = mean;
    for (const auto& said : alignments)
        for (std::size_t t = 0; t < said.size(); ++t) mean[index(t, said[t])] += each;
    std::vector<double> sums;
    double mean_sum = 0;
    for (const auto& said : alignments) {
        double total = 0;
        for (std::size_t t = 0; t < said.size(); ++t) total += mean[index(t, said[t])];
        sums.push_back(total);
        mean_sum += each * total;
    }
    for (std::size_t a = 0; a < alignments.size(); ++a)
        for (std::size_t t = 0; t < alignments[a].size(); ++t)
            expected[index(t, alignments[a][t])] += 2 * each * (sums[a] - mean_sum);

    for (const DType dtype : {float32, float64}) {
        const Variable x = Array::filled({frames, 1, classes}, dtype, -std::log(5.0));
        const Array got = of_squares(x, labels);
        double largest = 0, farthest = 0;
        for (std::size_t i = 0; i < expected.size(); ++i) {
            largest = std::max(largest, std::abs(expected[i]));
            farthest = std::max(farthest, std::abs(got.at(static_cast<Index>(i)) - expected[i]));
        }
        // Sums of logarithms near 195 are rounded by 1e-14, in each of 121 frames.
        BOOST_TEST(farthest < (dtype == float32 ? 1e-6 : 1e-11) * largest);
    }
}

BOOST_AUTO_TEST_CASE(long_targets_are_finite) {
    for (const Index length : {96, 200})
        BOOST_TEST(all_finite(of_squares(Array::filled({2 * length, 1, 5}, float32, -1.609), cycle(length))));
}

BOOST_AUTO_TEST_CASE(float32_is_as_exact_as_its_input) {
    const Variable x = log_softmax(wave({300, 1, 5}, 3, float32) * 2, 2).detach();
    const IntArray labels{{1, 3}};
    const Array single = of_squares(x, labels), exact = of_squares(astype(x, float64), labels);
    double largest = 0, farthest = 0;
    for (Index i = 0; i < exact.size(); ++i) {
        largest = std::max(largest, std::abs(exact.at(i)));
        farthest = std::max(farthest, std::abs(exact.at(i) - single.at(i)));
    }
    BOOST_TEST(largest > 0.1);
    BOOST_TEST(farthest < 1e-5 * largest);
}

/// A probability of 0 in the middle, and a target that nothing can spell.
BOOST_AUTO_TEST_CASE(impossible_states) {
    Array numbers = log_softmax(wave({6, 1, 4}, 1) * 2, 2).array();
    numbers.mutable_data<double>()[2 * 4 + 1] = -std::numeric_limits<double>::infinity();
    BOOST_TEST(all_finite(of_squares(numbers, IntArray{{1, 2}})));
    for (const double each : values(of_squares(numbers, IntArray{{1, 1, 1, 1}}))) BOOST_TEST(each == 0);
}

BOOST_AUTO_TEST_SUITE_END()
