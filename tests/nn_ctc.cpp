#include "support/nn.hpp"

#include <limits>
#include <optional>

#include <xtape/autograd/check_grads.hpp>
#include <xtape/autograd/threads.hpp>

using namespace xtape;
using namespace xtape::nn_test;
using nn::Reduction;

BOOST_AUTO_TEST_SUITE(nn_ctc)

namespace {

using Word = std::vector<Index>;

const double infinity = std::numeric_limits<double>::infinity();

/// Repeats merged, then blanks dropped.
Word spelled(const Word& alignment, Index blank) {
    Word word;
    for (std::size_t t = 0; t < alignment.size(); ++t)
        if (alignment[t] != blank && (t == 0 || alignment[t] != alignment[t - 1])) word.push_back(alignment[t]);
    return word;
}

/// -log of the summed probability of all classes^frames alignments that spell the word.
double by_enumeration(const Variable& x, Index sample, Index frames, const Word& word, Index blank) {
    const Index samples = x.shape(1), classes = x.shape(2);
    double total = 0;
    Word alignment(static_cast<std::size_t>(frames), 0);
    for (;;) {
        if (spelled(alignment, blank) == word) {
            double log_p = 0;
            for (Index t = 0; t < frames; ++t)
                log_p += x.array().at((t * samples + sample) * classes + alignment[static_cast<std::size_t>(t)]);
            total += std::exp(log_p);
        }
        std::size_t t = 0;
        while (t < alignment.size() && ++alignment[t] == classes) alignment[t++] = 0;
        if (t == alignment.size()) return -std::log(total);
    }
}

const IntArray targets{{1, 1, 2}, {3, 2, 0}, {2, 3, 3}};
const std::vector<Index> input_lengths{6, 5, 3}, target_lengths{3, 2, 3};

Variable spoken(DType dtype = float64) { return log_softmax(wave({6, 3, 4}, 1, dtype) * 2, 2); }

}  // namespace

BOOST_AUTO_TEST_CASE(every_alignment_of_small_cases) {
    const Variable x = log_softmax(wave({5, 1, 3}, 3) * 2, 2);
    for (Index blank = 0; blank < 3; ++blank) {
        const Index a = (blank + 1) % 3, b = (blank + 2) % 3;
        for (const Word& word : {Word{}, Word{a}, Word{b}, Word{a, b}, Word{b, a}, Word{a, a}, Word{a, b, a},
                                 Word{a, a, b}, Word{b, b, b}, Word{a, b, b, a}}) {
            IntArray labels = IntArray::from_shape({std::size_t{1}, word.size()});
            std::copy(word.begin(), word.end(), labels.begin());
            for (Index frames = 0; frames <= 5; ++frames) {
                const double expected = by_enumeration(x, 0, frames, word, blank);
                const double got = nn::ctc(x, labels, {frames}, {}, blank, Reduction::sum).item();
                BOOST_TEST((got == expected || std::abs(got - expected) < 1e-13 * std::max(1.0, expected)),
                           frames << " frames: " << got << ", by enumeration " << expected);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(lengths_of_their_own) {
    const Variable x = spoken();
    std::vector<double> each;
    for (Index n = 0; n < 3; ++n) {
        Word word;
        for (Index s = 0; s < target_lengths[static_cast<std::size_t>(n)]; ++s) word.push_back(targets(n, s));
        each.push_back(by_enumeration(x, n, input_lengths[static_cast<std::size_t>(n)], word, 0));
    }
    BOOST_TEST(each[2] == infinity);  // two equal classes in a row need a blank between, so four frames
    const Variable losses = nn::ctc(x, targets, input_lengths, target_lengths, 0, Reduction::none);
    check_close(slice(losses, {range(0, 2)}), {2}, {each[0], each[1]}, 1e-14);
    BOOST_TEST(losses.array().at(2) == infinity);
    BOOST_TEST(nn::ctc(x, targets, input_lengths, target_lengths).item() == infinity);
    check_close(nn::ctc(x, targets, input_lengths, target_lengths, 0, Reduction::none, true), {3},
                {each[0], each[1], 0}, 1e-14);
    check_close(nn::ctc(x, targets, input_lengths, target_lengths, 0, Reduction::sum, true), each[0] + each[1], 1e-14);
    check_close(nn::ctc(x, targets, input_lengths, target_lengths, 0, Reduction::mean, true),
                (each[0] / 3 + each[1] / 2) / 3, 1e-14);
}

/// PyTorch 1.13.1: x = log_softmax(z, 2); ctc_loss(x, targets, input_lengths, target_lengths, 0, reduction, zero_infinity)
/// and autograd.grad of the mean with zero_infinity in z.
BOOST_AUTO_TEST_CASE(as_in_pytorch) {
    Parameter z(wave({6, 3, 4}, 1) * 2);
    const Variable x = log_softmax(z, 2);
    check_close(nn::ctc(x, targets, input_lengths, target_lengths, 0, Reduction::none, true), {3},
                {9.164248588758259, 3.512495985649906, 0}, 1e-14);
    const Variable mean = nn::ctc(x, targets, input_lengths, target_lengths, 0, Reduction::mean, true);
    check_close(mean, 1.6036658408036797, 1e-14);
    const std::vector<double> expected{0.0385267617572,
                                       -0.0791649205641,
                                       0.00154366563531,
                                       0.0390944931715,
                                       0.0351092414011,
                                       0.017267941072,
                                       0.00348423865412,
                                       -0.0558614211272,
                                       0,
                                       0,
                                       0,
                                       0,
                                       -0.0808599021492,
                                       -0.020328663269,
                                       0.0397941638855,
                                       0.0613944015326,
                                       0.000585523662026,
                                       0.00436067738436,
                                       0.00476197104277,
                                       -0.00970817208916,
                                       0,
                                       0,
                                       0,
                                       0,
                                       -0.0448271355262,
                                       -0.0585766728242,
                                       0.0970834347657,
                                       0.00632037358471,
                                       -0.000640723188531,
                                       0.0765792684885,
                                       -0.0790600923117,
                                       0.00312154701173,
                                       0,
                                       0,
                                       0,
                                       0,
                                       0.00231642363095,
                                       -0.00526884184818,
                                       -0.00115953637597,
                                       0.00411195459321,
                                       -0.106722459011,
                                       0.135952708742,
                                       -0.0384880070702,
                                       0.00925775733935,
                                       0,
                                       0,
                                       0,
                                       0,
                                       -0.00799258894254,
                                       -0.000761787971972,
                                       -0.00532963779808,
                                       0.0140840147126,
                                       -0.0443319875235,
                                       0.00415041207019,
                                       0.00768127970708,
                                       0.0325002957462,
                                       0,
                                       0,
                                       0,
                                       0,
                                       0.0269393553383,
                                       0.00156546531135,
                                       -0.0843586944381,
                                       0.0558538737885,
                                       0,
                                       0,
                                       0,
                                       0,
                                       0,
                                       0,
                                       0,
                                       0};
    check_close(grad(mean, z), {6, 3, 4}, expected, 1e-12);
    const IntArray others{{1, 1, 2}, {0, 2, 0}, {2, 0, 0}};
    check_close(nn::ctc(x, others, input_lengths, {3, 0, 1}, 3, Reduction::none), {3},
                {8.32704024741438, 10.750745667940578, 2.728071348087462}, 1e-14);
}

BOOST_AUTO_TEST_CASE(gradients_of_any_order) {
    const auto check = [](const Variable& x, const IntArray& labels, const std::vector<Index>& inputs,
                          const std::vector<Index>& lengths, Index blank) {
        for (const Reduction reduction : {Reduction::mean, Reduction::none})
            check_grads([&](const Variable& v) { return nn::ctc(v, labels, inputs, lengths, blank, reduction, true); },
                        x);
        check_grads(
            [&](const Variable& v) {
                return nn::ctc(log_softmax(v, 2), labels, inputs, lengths, blank, Reduction::mean, true);
            },
            x);
    };
    check(wave({6, 3, 4}, 1), targets, input_lengths, target_lengths, 0);
    check(wave({4, 2, 3}, 2), IntArray{{0, 1}, {1, 1}}, {}, {}, 2);
    check(wave({3, 2, 3}, 2), IntArray{{1, 2}, {1, 1}}, {3, 0}, {0, 1}, 0);  // only blanks; no frames at all
    check(wave({1, 1, 2}, 2), IntArray(IntArray::shape_type{1, 1}, 1), {}, {}, 0);
    check(wave({2, 1, 2}, 2), IntArray::from_shape({1, 0}), {}, {}, 0);
    // The derivatives of a gradient's square are of second and third order.
    check_grads(
        [](const Variable& v) {
            return sum(square(grad(nn::ctc(v, IntArray{{1, 2}}), v, create_graph)));
        },
        wave({4, 1, 3}, 5));
}

/// The two ways to the gradient, by the sums and by the tape of the recorded ones, are the same.
BOOST_AUTO_TEST_CASE(both_gradients_are_one) {
    Parameter x(spoken());
    const Variable loss = nn::ctc(x, targets, input_lengths, target_lengths, 0, Reduction::sum, true);
    const Variable plain = grad(loss, x), recorded = grad(loss, x, create_graph);
    BOOST_TEST(!plain.requires_grad());
    BOOST_TEST(recorded.requires_grad());
    check_close(recorded, {6, 3, 4}, values(plain.array()), 1e-13);
    // A frame says exactly one class: its row sums to -1 while it counts, and to 0 behind or where nothing can be spelled.
    for (Index t = 0; t < 6; ++t)
        for (Index n = 0; n < 3; ++n) {
            double total = 0;
            for (Index c = 0; c < 4; ++c) total += plain.array().at((t * 3 + n) * 4 + c);
            const bool counts = n < 2 && t < input_lengths[static_cast<std::size_t>(n)];
            BOOST_TEST(std::abs(total + (counts ? 1 : 0)) < 1e-14);
        }
}

BOOST_AUTO_TEST_CASE(float32_and_far_logits) {
    const Parameter z(astype(wave({40, 2, 5}, 1) * 100, float32));
    IntArray labels = IntArray::from_shape({2, 12});
    for (std::size_t i = 0; i < labels.size(); ++i) labels.data()[i] = static_cast<std::int64_t>(1 + i * i % 4);
    const Variable loss = nn::ctc(log_softmax(z, 2), labels, {}, {12, 7}, 0, Reduction::none);
    const Variable exact = nn::ctc(log_softmax(astype(z, float64), 2), labels, {}, {12, 7}, 0, Reduction::none);
    for (Index n = 0; n < 2; ++n) {
        BOOST_TEST(std::isfinite(loss.array().at(n)));
        BOOST_TEST(loss.array().at(n) > 100);
        BOOST_CHECK_CLOSE(loss.array().at(n), exact.array().at(n), 1e-4);
    }
    const Variable slopes = grad(sum(loss), z, create_graph);
    const Variable second = grad(sum(square(slopes)), z);
    for (Index i = 0; i < slopes.size(); ++i) {
        BOOST_TEST(std::isfinite(slopes.array().at(i)));
        BOOST_TEST(std::isfinite(second.array().at(i)));
    }
}

/// A probability of exactly 0 is an alignment less, not a NaN.
BOOST_AUTO_TEST_CASE(certain_classes) {
    const Parameter p = xt::xarray<double>{{{0, 1, 0}}, {{0.5, 0.5, 0}}, {{0, 0, 1}}};
    const Variable loss = nn::ctc(log(p), IntArray{{1, 2}}, {}, {}, 0, Reduction::sum);
    check_close(loss, 0, 1e-15);  // 1 1 2 and 1 _ 2, a half each
    const Variable none = nn::ctc(log(p), IntArray{{2, 1}}, {}, {}, 0, Reduction::sum);
    BOOST_TEST(none.item() == infinity);
    const Variable undone = nn::ctc(log(p).detach() + 0 * p, IntArray{{2, 1}}, {}, {}, 0, Reduction::sum, true);
    BOOST_TEST(undone.item() == 0);
    for (const double slope : values(grad(undone, p).array())) BOOST_TEST(slope == 0);
}

BOOST_AUTO_TEST_CASE(the_same_bits_for_any_number_of_threads) {
    const auto both = [] {
        Parameter x(log_softmax(wave({30, 8, 6}, 2, float32), 2));
        const Variable loss = nn::ctc(x, IntArray(IntArray::shape_type{8, 4}, 3));
        std::vector<double> all = values(grad(loss, x).array());
        all.push_back(loss.item());
        return all;
    };
    const int before = threads();
    set_threads(1);
    const std::vector<double> of_one = both();
    set_threads(2);
    BOOST_TEST((both() == of_one));
    set_threads(before);
}

BOOST_AUTO_TEST_CASE(arguments_must_fit) {
    const Variable x = spoken();
    const int line = __LINE__ + 1;
    BOOST_TEST(message<ShapeError>([&] {
                   nn::ctc(wave({6, 4}, 1), targets);
               }) == "ctc: the prediction must be (T, N, C): (6, 4) has 2 axes\n  recorded at nn_ctc.cpp:" +
                         std::to_string(line));
    check_contains(message<ShapeError>([&] {
                       nn::ctc(x, IntArray{{1, 2}});
                   }),
                   "ctc: targets must be (N, S) for N = 3 samples: (1, 2)");
    check_contains(message<ShapeError>([&] { nn::ctc(x, IntArray{1, 2, 3}); }), "(N, S) for N = 3 samples: (3,)");
    check_contains(message<ShapeError>([&] {
                       nn::ctc(x, targets, {6, 5});
                   }),
                   "ctc: there must be one input length for each of 3 samples: 2");
    check_contains(message<ValueError>([&] {
                       nn::ctc(x, targets, {6, 5, 7});
                   }),
                   "ctc: the input length of sample 2 must be in [0, 6]: 7");
    check_contains(message<ValueError>([&] {
                       nn::ctc(x, targets, {}, {3, -1, 3});
                   }),
                   "ctc: the target length of sample 1 must be in [0, 3]: -1");
    check_contains(message<ValueError>([&] { nn::ctc(x, targets, {}, {}, 4); }), "ctc: the blank must be in [0, 4): 4");
    check_contains(message<ValueError>([&] { nn::ctc(x, targets); }),  // (1, 2) is the blank and counts
                   "ctc: the target at position (1, 2) must be in [0, 4) and not the blank, 0: 0");
    check_contains(message<ValueError>([&] { nn::ctc(Variable(), targets); }), "ctc: the prediction has no value");
}

BOOST_AUTO_TEST_SUITE_END()
