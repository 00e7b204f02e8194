#include "support/nn.hpp"

#include <xtape/autograd/check_grads.hpp>

using namespace xtape;
using namespace xtape::nn_test;
using nn::Distance;
using nn::Reduction;

BOOST_AUTO_TEST_SUITE(nn_loss_metric)

namespace {

double at(const Variable& x, Index i, Index j) { return x.array().at(i * x.shape(1) + j); }

double squared(const Variable& a, const Variable& b, Index i) {
    double total = 0;
    for (Index j = 0; j < a.shape(1); ++j) total += (at(a, i, j) - at(b, i, j)) * (at(a, i, j) - at(b, i, j));
    return total;
}

double cosine(const Variable& a, Index i, const Variable& b, Index k) {
    double ab = 0, aa = 0, bb = 0;
    for (Index j = 0; j < a.shape(1); ++j) {
        ab += at(a, i, j) * at(b, k, j);
        aa += at(a, i, j) * at(a, i, j);
        bb += at(b, k, j) * at(b, k, j);
    }
    return ab / std::sqrt(aa * bb);
}

}  // namespace

BOOST_AUTO_TEST_CASE(triplets) {
    const Variable a = wave({3, 4}, 1), p = wave({3, 4}, 3), n = wave({3, 4}, 2);
    std::vector<double> squares, roots;
    for (Index i = 0; i < 3; ++i) {
        squares.push_back(std::max(0.0, squared(a, p, i) - squared(a, n, i) + 0.2));
        roots.push_back(std::max(0.0, std::sqrt(squared(a, p, i)) - std::sqrt(squared(a, n, i)) + 1));
    }
    check_close(nn::triplet(a, p, n, 0.2, Distance::squared, Reduction::none), {3}, squares, 1e-14);
    check_close(nn::triplet(a, p, n), (squares[0] + squares[1] + squares[2]) / 3, 1e-14);
    check_close(nn::triplet(a, p, n, 1, Distance::euclidean, Reduction::none), {3}, roots, 1e-14);
    // PyTorch 1.13.1: triplet_margin_with_distance_loss(a, p, n, distance_function=lambda x, y: ((x - y)**2).sum(-1),
    // margin=.2, reduction='none') and triplet_margin_loss(a, p, n, margin=1, eps=0, reduction='none')
    check_close(nn::triplet(a, p, n, 0.2, Distance::squared, Reduction::none), {3},
                {3.188648920381449, 3.7777790231117025, 5.654372587900415}, 1e-14);
    check_close(nn::triplet(a, p, n, 1, Distance::euclidean, Reduction::none), {3},
                {1.9148259350547279, 1.9161852430626427, 2.3057269660852944}, 1e-14);
    // A triplet that keeps its margin is done with.
    check_close(nn::triplet(a, n, p, 0.2), 0, 1e-15);
    for (const Distance distance : {Distance::squared, Distance::euclidean})
        check_grads([distance](const Variable& x, const Variable& y,
                               const Variable& z) { return nn::triplet(x, y, z, 0.5, distance); },
                    a, p, n);
}

BOOST_AUTO_TEST_CASE(gradient_of_a_triplet) {
    const Variable p = wave({3, 4}, 3), n = wave({3, 4}, 2);
    Parameter a(wave({3, 4}, 1));  // 2 (n - p) where the margin is not kept, here everywhere
    std::vector<double> expected;
    for (Index i = 0; i < 12; ++i) expected.push_back(2 * (n.array().at(i) - p.array().at(i)));
    check_close(grad(nn::triplet(a, p, n, 9, Distance::squared, Reduction::sum), a), {3, 4}, expected, 1e-14);
    // The root's derivative where both are equal: 0, not NaN.
    const Variable same = grad(nn::triplet(a, Variable(a).detach(), n, 5, Distance::euclidean), a);
    for (Index i = 0; i < 12; ++i) BOOST_TEST(std::isfinite(same.array().at(i)));
}

BOOST_AUTO_TEST_CASE(which_key_belongs_to_each_query) {
    const Variable q = wave({4, 3}, 1), k = wave({4, 3}, 4);
    std::vector<double> each;
    for (Index i = 0; i < 4; ++i) {
        double total = 0;
        for (Index j = 0; j < 4; ++j) total += std::exp(cosine(q, i, k, j) / 0.1);
        each.push_back(std::log(total) - cosine(q, i, k, i) / 0.1);
    }
    check_close(nn::info_nce(q, k, 0.1, Reduction::none), {4}, each, 1e-13);
    check_close(nn::info_nce(q, k), (each[0] + each[1] + each[2] + each[3]) / 4, 1e-13);
    // PyTorch 1.13.1: cross_entropy(normalize(q) @ normalize(k).T / .1, arange(4), reduction='none')
    check_close(nn::info_nce(q, k, 0.1, Reduction::none), {4},
                {18.877469717634625, 18.394054963184303, 14.091763773234725, 19.560086441359665}, 1e-13);
    // Rows' lengths do not count, and all alike is a guess among N.
    check_close(nn::info_nce(q * 7, k * 0.01, 0.1), nn::info_nce(q, k).item(), 1e-12);
    const Variable ones = Array::filled({5, 3}, float64, 1);
    check_close(nn::info_nce(ones, ones), std::log(5.0), 1e-14);
    check_grads([](const Variable& x, const Variable& y) { return nn::info_nce(x, y, 0.5); }, q, k);
}

BOOST_AUTO_TEST_CASE(two_views_of_each_sample) {
    const Variable a = wave({4, 3}, 1), b = wave({4, 3}, 4);
    const auto view = [&](Index i) { return std::pair<const Variable&, Index>(i < 4 ? a : b, i % 4); };
    std::vector<double> each;
    double mean = 0;
    for (Index i = 0; i < 8; ++i) {
        const auto& [x, row] = view(i);
        double total = 0, own = 0;
        for (Index j = 0; j < 8; ++j) {
            if (j == i) continue;
            const auto& [y, other] = view(j);
            const double s = cosine(x, row, y, other) / 0.5;
            total += std::exp(s);
            if (j == (i + 4) % 8) own = s;
        }
        each.push_back(std::log(total) - own);
        mean += each.back() / 8;
    }
    check_close(nn::nt_xent(a, b, 0.5, Reduction::none), {8}, each, 1e-13);
    check_close(nn::nt_xent(a, b), mean, 1e-13);
    // PyTorch 1.13.1: s = normalize(cat([a, b])) @ normalize(cat([a, b])).T / .5; s.fill_diagonal_(-1e9);
    // cross_entropy(s, arange(8).roll(4), reduction='none')
    check_close(nn::nt_xent(a, b, 0.5, Reduction::none), {8},
                {4.656705781810795, 4.4802202261828326, 3.883245959518458, 4.606338221516136, 4.515370059127694,
                 4.200073771390764, 4.220011872536268, 4.690159186995208},
                1e-13);
    check_grads([](const Variable& x, const Variable& y) { return nn::nt_xent(x, y, 0.7); }, a, b);
}

BOOST_AUTO_TEST_CASE(far_and_empty_embeddings) {
    const Parameter x = xt::xarray<float>{{100, -100, 100}, {0, 0, 0}, {1e-3f, 0, 0}, {-100, 100, 100}};
    const Variable y = xt::xarray<float>{{-100, 100, -100}, {1, 0, 0}, {0, 0, 0}, {100, 100, 100}};
    for (const Variable& loss : {nn::info_nce(x, y, 0.01), nn::nt_xent(x, y, 0.01), nn::triplet(x, y, y * 0.5)}) {
        BOOST_TEST(std::isfinite(loss.item()));
        const Variable slopes = grad(loss, x);
        for (Index i = 0; i < slopes.size(); ++i) BOOST_TEST(std::isfinite(slopes.array().at(i)));
    }
}

/// Only directions count: a row that is s times as long has the same loss and a gradient of 1 / s the size.
BOOST_AUTO_TEST_CASE(rows_of_any_length) {
    const Variable q = wave({4, 3}, 1, float32), k = wave({4, 3}, 4, float32);
    const std::vector<double> lengths{1e20, 1e-10, 1e30, 1e-30};
    const Variable scales = reshape(Variable(xt::xarray<float>{1e20f, 1e-10f, 1e30f, 1e-30f}), {4, 1});
    const auto check = [&](auto loss) {
        const Parameter plain(q), other(k), far(q * scales), away(k * scales);
        const Variable expected = loss(plain, other), got = loss(far, away);
        check_close(got, expected.item(), 1e-6);
        const auto [dq, dk] = grad(expected, plain, other);
        const auto [dfar, daway] = grad(got, far, away);
        for (Index i = 0; i < 12; ++i) {
            const double length = lengths[static_cast<std::size_t>(i / 3)];
            BOOST_TEST(std::abs(dfar.array().at(i) * length - dq.array().at(i)) < 1e-5);
            BOOST_TEST(std::abs(daway.array().at(i) * length - dk.array().at(i)) < 1e-5);
        }
    };
    check([](const Variable& a, const Variable& b) { return nn::info_nce(a, b, 0.5); });
    check([](const Variable& a, const Variable& b) { return nn::nt_xent(a, b); });

    const Parameter zeros = xt::xarray<float>{{0, 0}, {3, 4}};
    const Variable keys = xt::xarray<float>{{1, 0}, {0, 1}};
    const Variable losses = nn::info_nce(zeros, keys, 1, Reduction::none);
    check_close(losses, {2}, {std::log(2.0), std::log(1 + std::exp(-0.2))}, 1e-6);
    const Variable slopes = grad(sum(losses), zeros);
    BOOST_TEST(slopes.array().at(0) == 0);
    BOOST_TEST(slopes.array().at(1) == 0);
    BOOST_TEST(slopes.array().at(2) != 0);
    check_grads([](const Variable& x) { return nn::info_nce(x, x * x, 0.5); }, wave({3, 1}, 1));
}

/// |a - p|^2 - |a - n|^2 = (n - p) (2 a - p - n), which is a number where the squares are none.
BOOST_AUTO_TEST_CASE(an_anchor_far_away) {
    const auto one = [](double x) { return Array::filled({1, 1}, float32, x); };
    const Parameter a = one(1e20), p = one(1), n = one(3);
    const Variable loss = nn::triplet(a, p, n);
    BOOST_TEST(loss.item() == 4e20, boost::test_tools::tolerance(1e-6));
    const auto [da, dp, dn] = grad(loss, a, p, n);
    BOOST_TEST(da.item() == 4);
    BOOST_TEST(dp.item() == -2e20, boost::test_tools::tolerance(1e-6));
    BOOST_TEST(dn.item() == 2e20, boost::test_tools::tolerance(1e-6));
    // 1000 from both, which are 1 / 1024 apart: the difference of the squares would have the rounding of 1e6.
    const Variable far = one(1024), near = one(0), next = one(-0x1p-10);
    BOOST_TEST(nn::triplet(far, next, near, 0).item() == 2 + 0x1p-20, boost::test_tools::tolerance(1e-6));
}

BOOST_AUTO_TEST_CASE(arguments_must_fit) {
    const Variable a = wave({3, 4}, 1), b = wave({3, 1}, 2);
    const int line = __LINE__ + 1;
    BOOST_TEST(message<ShapeError>([&] { nn::triplet(a, a, b); }) ==
               "triplet: anchor and negative must have the same shape: (3, 4) != (3, 1)\n"
               "  recorded at nn_loss_metric.cpp:" +
                   std::to_string(line));
    check_contains(message<ShapeError>([&] { nn::triplet(a, b, a); }), "anchor and positive");
    check_contains(message<ValueError>([&] { nn::triplet(a, a, a, -1); }), "triplet: margin must not be negative: -1");
    check_contains(message<ShapeError>([&] { nn::info_nce(wave({3}, 1), wave({3}, 1)); }),
                   "info_nce: embeddings must be (N, D): (3,) has 1 axes");
    check_contains(message<ShapeError>([&] { nn::info_nce(a, b); }), "info_nce: query and key");
    check_contains(message<ValueError>([&] { nn::info_nce(a, a, 0); }), "info_nce: temperature must be above 0: 0");
    check_contains(message<ShapeError>([&] { nn::nt_xent(a, b); }), "nt_xent: first view and second view");
    check_contains(message<ValueError>([&] { nn::nt_xent(a, Variable()); }), "the second view has no value");
    BOOST_CHECK_THROW(nn::info_nce(a, astype(a, float32)), DtypeError);
}

BOOST_AUTO_TEST_SUITE_END()
