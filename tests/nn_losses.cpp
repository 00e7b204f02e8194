#include "support/nn.hpp"

#include <limits>

#include <xtape/autograd/check_grads.hpp>

using namespace xtape;
using namespace xtape::nn_test;
using nn::Reduction;

BOOST_AUTO_TEST_SUITE(nn_losses)

static double softplus_of(double z) { return std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z))); }

BOOST_AUTO_TEST_CASE(log_loss_is_f1) {
    const Variable a = xt::xarray<double>{0.9, 0.2, 0.6}, y = xt::xarray<double>{1, 0, 0.25};
    const std::vector<double> each{-std::log(0.9), -std::log(0.8), -0.25 * std::log(0.6) - 0.75 * std::log(0.4)};
    check_close(nn::log_loss(a, y, Reduction::none), {3}, each, 1e-14);
    check_close(nn::log_loss(a, y), (each[0] + each[1] + each[2]) / 3, 1e-14);
    check_close(nn::log_loss(a, y, Reduction::sum), each[0] + each[1] + each[2], 1e-14);
    check_grads([](const Variable& p, const Variable& t) { return nn::log_loss(p, t, Reduction::none); }, a, y);
}

BOOST_AUTO_TEST_CASE(log_loss_of_a_sigmoid_is_exact) {
    const std::vector<double> expected{0, 100, 100, 0, softplus_of(-3.0)};
    const Variable y = xt::xarray<float>{1, 1, 0, 0, 1};
    Parameter z = xt::xarray<float>{100, -100, 100, -100, 3};
    const Variable losses = nn::log_loss(sigmoid(z), y, Reduction::none);
    check_close(losses, {5}, expected);
    check_close(grad(sum(losses), z), {5}, {0, -1, 1, 0, -1 / (1 + std::exp(3.0))});
}

BOOST_AUTO_TEST_CASE(log_loss_of_certain_probabilities) {
    const Variable a = xt::xarray<float>{1, 0, 1, 0}, y = xt::xarray<float>{1, 0, 0, 1};
    const double infinity = std::numeric_limits<double>::infinity();
    BOOST_TEST(values(nn::log_loss(a, y, Reduction::none).array()) == (std::vector<double>{0, 0, infinity, infinity}),
               boost::test_tools::per_element());
    const Parameter certain = xt::xarray<float>{0, 1};
    nn::log_loss(certain, xt::xarray<float>{0, 1}).backward();
    BOOST_TEST(values(certain.grad()) == (std::vector<double>{0.5, -0.5}), boost::test_tools::per_element());
    const NoGrad constant;  // saturated and not recorded: right answers cost nothing
    check_close(nn::log_loss(sigmoid(Variable(xt::xarray<float>{200, -200})), xt::xarray<float>{1, 0}), 0);
}

BOOST_AUTO_TEST_CASE(bce_with_logits_is_f6) {
    const Variable z = xt::xarray<double>{0, 2, -3, 1.5}, y = xt::xarray<double>{1, 0, 0, 0.3};
    std::vector<double> each;
    for (Index i = 0; i < 4; ++i) each.push_back(softplus_of(z.array().at(i)) - y.array().at(i) * z.array().at(i));
    check_close(nn::bce_with_logits(z, y, Reduction::none), {4}, each, 1e-14);
    check_close(nn::bce_with_logits(z, y), (each[0] + each[1] + each[2] + each[3]) / 4, 1e-14);
    check_close(nn::log_loss(sigmoid(z), y), (each[0] + each[1] + each[2] + each[3]) / 4, 1e-12);
    check_grads([](const Variable& v, const Variable& t) { return nn::bce_with_logits(v, t); }, z, y);

    const Variable far =
        nn::bce_with_logits(xt::xarray<float>{1000, -1000, 50}, xt::xarray<float>{0, 1, 1}, Reduction::none);
    BOOST_TEST(far.array().at(0) == 1000);
    BOOST_TEST(far.array().at(1) == 1000);
    BOOST_CHECK_CLOSE(far.array().at(2), std::exp(-50.0), 1e-3);  // a small loss keeps its digits
}

BOOST_AUTO_TEST_CASE(differences_of_two_arrays) {
    const Variable p = xt::xarray<double>{{1, 2}, {-1, 4}},
                   t = xt::xarray<double>{{0.5, 4}, {-1.25, -3}};  // 0.5 -2 0.25 7
    check_close(nn::mse(p, t), (0.25 + 4 + 0.0625 + 49) / 4, 1e-14);
    check_close(nn::l1(p, t), 9.75 / 4, 1e-14);
    check_close(nn::huber(p, t, 1, Reduction::none), {2, 2}, {0.125, 1.5, 0.03125, 6.5}, 1e-14);
    check_close(nn::huber(p, t, 3, Reduction::sum), 0.125 + 2 + 0.03125 + 3 * (7 - 1.5), 1e-14);
    check_close(nn::mse(p, t, Reduction::none), {2, 2}, {0.25, 4, 0.0625, 49}, 1e-14);
    check_grads([](const Variable& a, const Variable& b) { return nn::mse(a, b); }, p, t);
    check_grads([](const Variable& a, const Variable& b) { return nn::l1(a, b); }, p, t);
    check_grads([](const Variable& a, const Variable& b) { return nn::huber(a, b, 1, Reduction::none); }, p, t);
    check_contains(message<ValueError>([&] { nn::huber(p, t, 0); }), "huber: delta must be above 0: 0");
    check_contains(message<ValueError>([&] { huber_loss(p, t, 0); }), "huber_loss: delta must be above 0: 0");
    check_contains(message<ShapeError>([&] { huber_loss(p, reshape(t, {4})); }),
                   "huber_loss: shapes differ: a (2, 2) != b (4,)");
    BOOST_CHECK_THROW(huber_loss(p, astype(t, float32)), DtypeError);
    const Parameter q = p.array();  // p - t is 0.5, -2, 0.25, 7: where it is larger than 1 the slope is 1
    check_close(grad(nn::huber(q, t, 1, Reduction::sum), q), {2, 2}, {0.5, -1, 0.25, 1}, 1e-14);

    Parameter leaf = xt::xarray<double>{3, 5};  // F21: 2 (s - v) / n
    check_close(grad(nn::mse(leaf, xt::xarray<double>{1, 6}), leaf), {2}, {2, -1}, 1e-14);
}

BOOST_AUTO_TEST_CASE(quantile_by_its_definition) {
    const Variable p = xt::xarray<double>{1, 2, -1, 4, 3}, t = xt::xarray<double>{0.5, 4, -1.25, -3, 3};
    for (const double tau : {0.1, 0.5, 0.9}) {
        // e = t - p: -0.5, 2, -0.25, -7, 0
        const std::vector<double> each{(1 - tau) * 0.5, tau * 2, (1 - tau) * 0.25, (1 - tau) * 7, 0};
        check_close(nn::quantile(p, t, tau, Reduction::none), {5}, each, 1e-14);
        check_close(nn::quantile(p, t, tau), (each[0] + each[1] + each[2] + each[3]) / 5, 1e-14);
        const Parameter q(p);
        check_close(grad(nn::quantile(q, t, tau, Reduction::sum), q), {5}, {1 - tau, -tau, 1 - tau, 1 - tau, 0}, 1e-14);
        const Variable apart = slice(p, {range(0, 4)}), truth = slice(t, {range(0, 4)});  // without the kink
        check_grads([tau](const Variable& a, const Variable& b) { return nn::quantile(a, b, tau); }, apart, truth);
    }
    check_close(nn::quantile(p, t, 0.5), nn::l1(p, t).item() / 2, 1e-14);
    // Of 0, 1, ..., 9 the loss is least between 6 and 7 for tau = 0.7.
    const Variable ten = xt::xarray<double>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    const auto loss = [&](double guess) { return nn::quantile(Array::filled({10}, float64, guess), ten, 0.7).item(); };
    BOOST_TEST(std::abs(loss(6) - loss(7)) < 1e-14);
    for (const double guess : {5.5, 7.5}) BOOST_TEST(loss(guess) > loss(6.5) + 0.01);
    for (const double tau : {0.0, 1.0, -0.5})
        check_contains(message<ValueError>([&] { nn::quantile(p, t, tau); }), "quantile: tau must be in (0, 1): ");
}

BOOST_AUTO_TEST_CASE(kl_div_of_distributions) {
    const Variable q = xt::xarray<double>{{0.5, 0.25, 0.25}, {0.1, 0.2, 0.7}};
    const Variable t = xt::xarray<double>{{0.5, 0.5, 0}, {0.3, 0.3, 0.4}};
    const std::vector<double> each{
        0, 0.5 * std::log(2.0), 0, 0.3 * std::log(3.0), 0.3 * std::log(1.5), 0.4 * std::log(4.0 / 7)};
    check_close(nn::kl_div(log(q), t, Reduction::none), {2, 3}, each, 1e-14);
    check_close(nn::kl_div(log(q), t), (each[1] + each[3] + each[4] + each[5]) / 6, 1e-14);
    const Variable inside = xt::xarray<double>{{0.2, 0.5, 0.3}, {0.3, 0.3, 0.4}};
    check_grads([](const Variable& a, const Variable& b) { return nn::kl_div(a, b); }, log(q), inside);
    Parameter log_q(log(q)), target(t);  // d/dq = -t; d/dt = 1 + log t - q, and finite where t is 0
    const auto [by_q, by_t] = grad(nn::kl_div(log_q, target, Reduction::sum), log_q, target);
    check_close(by_q, {2, 3}, {-0.5, -0.5, 0, -0.3, -0.3, -0.4}, 1e-14);
    for (Index i : {0, 1, 3, 4, 5})
        BOOST_CHECK_CLOSE(by_t.array().at(i), 1 + std::log(t.array().at(i) / q.array().at(i)), 1e-10);
    BOOST_TEST(std::isfinite(by_t.array().at(2)));
}

BOOST_AUTO_TEST_CASE(hinge_of_scores) {
    const Variable s = xt::xarray<double>{2, 0.5, -0.5, 3}, t = xt::xarray<double>{1, 1, -1, -1};
    check_close(nn::hinge(s, t, Reduction::none), {4}, {0, 0.5, 0.5, 4}, 1e-14);
    check_close(nn::hinge(s, t), 1.25, 1e-14);
    check_grads([&](const Variable& v) { return nn::hinge(v, t); }, s);
    check_contains(message<ValueError>([&] {
                       nn::hinge(s, xt::xarray<double>{1, 0, 1, 1});
                   }),
                   "hinge: the label at position 1 must be -1 or 1: 0");
}

/// cross_entropy as PyTorch's documentation defines it, in plain loops.
static std::vector<double> by_definition(const Variable& z, const IntArray& labels, double smoothing,
                                         const std::vector<double>& w, double* weight_sum = nullptr) {
    const Index classes = z.shape(1);
    std::vector<double> each;
    for (Index n = 0; n < z.shape(0); ++n) {
        double total = 0, loss = 0;
        for (Index c = 0; c < classes; ++c) total += std::exp(z.array().at(n * classes + c));
        for (Index c = 0; c < classes; ++c) {
            const double log_p = z.array().at(n * classes + c) - std::log(total);
            const double target = (c == labels(n) ? 1 - smoothing : 0) + smoothing / static_cast<double>(classes);
            loss -= w[static_cast<std::size_t>(c)] * target * log_p;
        }
        each.push_back(loss);
        if (weight_sum) *weight_sum += w[static_cast<std::size_t>(labels(n))];
    }
    return each;
}

BOOST_AUTO_TEST_CASE(cross_entropy_and_nll) {
    const Variable z = wave({5, 4}, 1) * 3;
    const IntArray labels{3, 0, 0, 2, 1};
    const Variable weights = xt::xarray<double>{0.5, 2, 1, 0.25};
    const std::vector<double> w{0.5, 2, 1, 0.25}, ones(4, 1);
    for (double smoothing : {0.0, 0.1, 1.0})
        for (bool weighted : {false, true}) {
            double count = 0, total = 0;
            const auto each = by_definition(z, labels, smoothing, weighted ? w : ones, &count);
            for (double loss : each) total += loss;
            const Variable given = weighted ? weights : Variable();
            check_close(nn::cross_entropy(z, labels, Reduction::none, smoothing, given), {5}, each, 1e-13);
            check_close(nn::cross_entropy(z, labels, Reduction::sum, smoothing, given), total, 1e-13);
            check_close(nn::cross_entropy(z, labels, Reduction::mean, smoothing, given), total / count, 1e-13);
            check_grads(
                [&](const Variable& v) { return nn::cross_entropy(v, labels, Reduction::mean, smoothing, given); }, z);
            if (smoothing == 0)
                check_close(nn::nll(log_softmax(z), labels, Reduction::mean, given), total / count, 1e-13);
        }
}

BOOST_AUTO_TEST_CASE(cross_entropy_gradient_is_f20) {
    Parameter z(wave({3, 4}, 2));
    const Variable s = softmax(z);
    const Variable expected = (s - one_hot(IntArray{1, 3, 0}, 4, float64)) / 3;
    check_close(grad(nn::cross_entropy(z, IntArray{1, 3, 0}), z), {3, 4}, values(expected.array()), 1e-14);
    // Neither infinite nor NaN, however sure the model is.
    check_close(nn::cross_entropy(xt::xarray<float>{{1000, 0}, {1000, 0}}, IntArray{0, 1}, Reduction::none), {2},
                {0, 1000});
}

BOOST_AUTO_TEST_CASE(shapes_must_be_equal) {
    const Variable column = wave({4, 1}, 1), row = wave({4}, 2);
    const int line = __LINE__ + 1;
    BOOST_TEST(
        message<ShapeError>([&] { nn::log_loss(column, row); }) ==
        "log_loss: prediction and target must have the same shape: (4, 1) != (4,)\n  recorded at nn_losses.cpp:" +
            std::to_string(line));
    check_contains(message<ShapeError>([&] { nn::bce_with_logits(column, row); }), "bce_with_logits: ");
    check_contains(message<ShapeError>([&] { nn::mse(column, row); }), "mse: ");
    check_contains(message<ShapeError>([&] { nn::l1(column, row); }), "l1: ");
    check_contains(message<ShapeError>([&] { nn::huber(column, row); }), "huber: ");
    check_contains(message<ShapeError>([&] { nn::quantile(column, row, 0.5); }), "quantile: ");
    check_contains(message<ShapeError>([&] { nn::kl_div(column, row); }), "kl_div: ");
    check_contains(message<ShapeError>([&] { nn::hinge(column, row); }), "hinge: ");
    check_contains(message<ShapeError>([&] { nn::accuracy(column, row); }), "accuracy: ");
    check_contains(message<ValueError>([&] { nn::mse(column, Variable()); }), "mse: the target has no value");
    BOOST_CHECK_THROW(nn::mse(column, astype(column, float32)), DtypeError);
}

BOOST_AUTO_TEST_CASE(labels_must_fit) {
    const Variable z = wave({3, 4}, 1);
    IntArray column{0, 1, 2};
    column.reshape({3, 1});
    check_contains(message<ValueError>([&] {
                       nn::cross_entropy(z, IntArray{0, 4, 1});
                   }),
                   "cross_entropy: the label at position 1 must be in [0, 4): 4\n  recorded at nn_losses.cpp");
    check_contains(message<ValueError>([&] {
                       nn::nll(z, IntArray{0, 1, -1});
                   }),
                   "nll: the label at position 2 must be in [0, 4): -1");
    check_contains(message<ShapeError>([&] { nn::cross_entropy(z, column); }),
                   "one label for each row of (3, 4): labels (3, 1) != (3,)");
    check_contains(message<ShapeError>([&] { nn::cross_entropy(z, IntArray{0, 1}); }), "labels (2,) != (3,)");
    check_contains(message<ShapeError>([&] {
                       nn::cross_entropy(wave({3}, 1), IntArray{0, 1, 1});
                   }),
                   "must be (N, C): (3,) has 1");
    check_contains(message<ShapeError>([&] {
                       nn::cross_entropy(z, IntArray{0, 1, 2}, Reduction::mean, 0, xt::xarray<double>{1, 2});
                   }),
                   "weights (2,) != (4,)");
    check_contains(message<ValueError>([&] {
                       nn::cross_entropy(z, IntArray{0, 1, 2}, Reduction::mean, 1.5);
                   }),
                   "label_smoothing must be in [0, 1]: 1.5");
}

BOOST_AUTO_TEST_CASE(nothing_at_all) {
    const Variable none = Array::filled({0, 3}, float32, 0);
    const IntArray no_labels = IntArray::from_shape({0});
    BOOST_TEST(nn::mse(none, none, Reduction::sum).item() == 0);
    BOOST_TEST(std::isnan(nn::mse(none, none).item()));
    BOOST_TEST(nn::cross_entropy(none, no_labels, Reduction::sum).item() == 0);
    BOOST_TEST(std::isnan(nn::accuracy(none, no_labels)));
}

BOOST_AUTO_TEST_CASE(accuracy_is_f23) {
    const Variable a = xt::xarray<float>{{0.5f, 0.49f}, {0.9f, 0.1f}}, y = xt::xarray<float>{{1, 1}, {1, 0}};
    BOOST_TEST(nn::accuracy(a, y) == 0.75);  // 0.5 counts as 1
    BOOST_TEST(nn::accuracy(a, y, 0.4) == 1);
    const Variable scores = xt::xarray<float>{{1, 2, 2}, {5, 0, 1}, {0, 0, 3}, {1, 0, 0}};
    BOOST_TEST(nn::accuracy(scores, IntArray{1, 0, 2, 2}) == 0.75);  // the first of equals
    check_contains(message<ShapeError>([&] { nn::accuracy(scores, IntArray{1, 0}); }), "(4, 3) and (2,)");
}

BOOST_AUTO_TEST_SUITE_END()
