#include "support/nn.hpp"

#include <xtape/autograd/check_grads.hpp>

using namespace xtape;
using namespace xtape::nn_test;
using nn::DiceForm;
using nn::Reduction;

BOOST_AUTO_TEST_SUITE(nn_loss_segmentation)

namespace {

const Variable p = xt::xarray<double>{{{0.9, 0.2}, {0.4, 0.7}}, {{0.1, 0.6}, {0.8, 0.3}}};
const Variable t = xt::xarray<double>{{{1, 0}, {0, 1}}, {{0, 0}, {1, 1}}};

}  // namespace

BOOST_AUTO_TEST_CASE(dice_by_its_definition) {
    // sums of p t, p^2, t^2, p: 1.6 1.5 2 2.2 of the first mask, 1.1 1.1 2 1.8 of the second
    const double first = 1 - (2 * 1.6 + 1) / (1.5 + 2 + 1), second = 1 - (2 * 1.1 + 1) / (1.1 + 2 + 1);
    check_close(nn::dice(p, t, 1, DiceForm::squares, Reduction::none), {2}, {first, second}, 1e-14);
    check_close(nn::dice(p, t), (first + second) / 2, 1e-14);
    check_close(nn::dice(p, t, 0, DiceForm::sums, Reduction::sum), 2 - 3.2 / 4.2 - 2.2 / 3.8, 1e-14);
    // A perfect mask loses nothing, whatever stands below; neither do two empty ones.
    for (const DiceForm form : {DiceForm::squares, DiceForm::sums}) check_close(nn::dice(t, t, 0, form), 0, 1e-15);
    const Variable empty = Array::filled({2, 3}, float64, 0);
    check_close(nn::dice(empty, empty), 0, 1e-15);
    for (const DiceForm form : {DiceForm::squares, DiceForm::sums})
        check_grads([form](const Variable& a, const Variable& b) { return nn::dice(a, b, 0.5, form); }, p, t);
}

/// With smooth = 0 the derivative is closed: d/dp 1 - 2 I / B = -2 (t B - 2 p I) / B^2 with I = sum(p t), B = sum(p^2 + t^2).
BOOST_AUTO_TEST_CASE(gradient_of_dice) {
    Parameter x(p);
    std::vector<double> expected;
    const double both[] = {1.6, 1.1}, below[] = {3.5, 3.1};
    for (Index i = 0; i < 8; ++i) {
        const double I = both[i / 4], B = below[i / 4];
        expected.push_back(-2 * (t.array().at(i) * B - 2 * p.array().at(i) * I) / (B * B));
    }
    check_close(grad(nn::dice(x, t, 0, DiceForm::squares, Reduction::sum), x), {2, 2, 2}, expected, 1e-14);
}

BOOST_AUTO_TEST_CASE(tversky_by_its_definition) {
    // first mask: TP 1.6, FP 0.6, FN 0.4; second: TP 1.1, FP 0.7, FN 0.9
    const auto of = [](double tp, double fp, double fn, double alpha, double beta, double smooth) {
        return 1 - (tp + smooth) / (tp + alpha * fp + beta * fn + smooth);
    };
    check_close(nn::tversky(p, t, 0.3, 0.7, 1, Reduction::none), {2},
                {of(1.6, 0.6, 0.4, 0.3, 0.7, 1), of(1.1, 0.7, 0.9, 0.3, 0.7, 1)}, 1e-14);
    check_close(nn::tversky(p, t, 0.9, 0.1, 0, Reduction::sum),
                of(1.6, 0.6, 0.4, 0.9, 0.1, 0) + of(1.1, 0.7, 0.9, 0.9, 0.1, 0), 1e-14);
    // alpha = beta = 1 is Tanimoto's (Jaccard's) index
    check_close(nn::tversky(p, t, 1, 1, 0, Reduction::none), {2}, {1 - 1.6 / 2.6, 1 - 1.1 / 2.7}, 1e-14);
    check_grads([](const Variable& a, const Variable& b) { return nn::tversky(a, b, 0.3, 0.7, 0.5); }, p, t);
}

BOOST_AUTO_TEST_CASE(tversky_by_halves_is_dice) {
    for (const double smooth : {0.0, 0.5})
        for (const Reduction reduction : {Reduction::mean, Reduction::sum})
            check_close(nn::tversky(p, t, 0.5, 0.5, smooth, reduction),
                        nn::dice(p, t, 2 * smooth, DiceForm::sums, reduction).item(), 1e-14);
}

BOOST_AUTO_TEST_CASE(of_far_logits) {
    const Parameter z = xt::xarray<float>{{100, -100, 100, -100}, {-100, -100, -100, 100}};
    const Variable mask = xt::xarray<float>{{1, 0, 0, 1}, {0, 0, 0, 0}};
    const Variable loss = nn::dice(sigmoid(z), mask) + nn::tversky(sigmoid(z), mask);
    // dice: 1 - 3/5 and 1 - 1/2; tversky: 1 - 2/3 and 1 - 1/1.3
    check_close(loss, (0.4 + 0.5) / 2 + (1.0 / 3 + 1 - 1 / 1.3) / 2, 1e-6);
    const Variable slopes = grad(loss, z);
    for (Index i = 0; i < 8; ++i) BOOST_TEST(std::isfinite(slopes.array().at(i)));
}

BOOST_AUTO_TEST_CASE(arguments_must_fit) {
    const int line = __LINE__ + 1;
    BOOST_TEST(message<ShapeError>([&] {
                   nn::dice(p, reshape(t, {2, 4}));
               }) == "dice: prediction and target must have the same shape: (2, 2, 2) != (2, 4)\n"
                     "  recorded at nn_loss_segmentation.cpp:" +
                         std::to_string(line));
    check_contains(message<ShapeError>([&] { nn::tversky(wave({4}, 1), wave({4}, 2)); }),
                   "tversky: masks must be (N, ...), of two axes or more: (4,)");
    check_contains(message<ValueError>([&] { nn::dice(p, t, -1); }), "dice: smooth must not be negative: -1");
    check_contains(message<ValueError>([&] { nn::tversky(p, t, -1); }), "tversky: alpha must not be negative: -1");
    check_contains(message<ValueError>([&] { nn::tversky(p, t, 1, -2); }), "tversky: beta must not be negative: -2");
    check_contains(message<ValueError>([&] { nn::dice(Variable(), t); }), "dice: the prediction has no value");
    BOOST_CHECK_THROW(nn::dice(p, astype(t, float32)), DtypeError);
}

BOOST_AUTO_TEST_SUITE_END()
