#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/xtensor.hpp>
#include <xtape/datasets/loader.hpp>

using namespace xtape;
using datasets::Batch;
using datasets::Loader;

namespace {

/// n rows of 2 x 3 numbers; row i holds 6 i ... 6 i + 5, its label is 10 i.
Variable rows(Index n) {
    xt::xarray<float> x = xt::zeros<float>({static_cast<std::size_t>(n), std::size_t{2}, std::size_t{3}});
    for (std::size_t i = 0; i < x.size(); ++i) x.flat(i) = static_cast<float>(i);
    return x;
}

IntArray tens(Index n) {
    IntArray labels = IntArray::from_shape({static_cast<std::size_t>(n)});
    for (std::size_t i = 0; i < labels.size(); ++i) labels(i) = static_cast<std::int64_t>(10 * i);
    return labels;
}

Loader loader(Index n, Index batch_size) { return Loader(rows(n), tens(n), batch_size); }

/// Whether rows, labels and positions belong together.
bool consistent(const Batch& batch) {
    for (std::size_t i = 0; i < batch.positions.size(); ++i) {
        if (batch.labels(i) != 10 * batch.positions(i)) return false;
        for (Index j = 0; j < 6; ++j)
            if (batch.x.array().at(static_cast<Index>(i) * 6 + j) != static_cast<double>(batch.positions(i) * 6 + j))
                return false;
    }
    return batch.size() == static_cast<Index>(batch.positions.size());
}

std::vector<Batch> collect(datasets::Epoch epoch) {
    std::vector<Batch> batches;
    for (auto& batch : epoch) batches.push_back(batch);
    return batches;
}

std::vector<std::int64_t> order(datasets::Epoch epoch) {
    std::vector<std::int64_t> all;
    for (const Batch& batch : collect(std::move(epoch)))
        all.insert(all.end(), batch.positions.begin(), batch.positions.end());
    return all;
}

bool alike(const std::vector<Batch>& a, const std::vector<Batch>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Batch& p, const Batch& q) {
        return p.x.shape() == q.x.shape() && p.labels == q.labels && p.positions == q.positions &&
               std::memcmp(p.x.array().data<float>(), q.x.array().data<float>(),
                           static_cast<std::size_t>(p.x.size()) * sizeof(float)) == 0;
    });
}

Variable noisy(const Variable& x, Generator& generator) {
    return x + Variable(random::normal(x.shape(), 0, 1, generator));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(datasets_loader)

BOOST_AUTO_TEST_CASE(in_order_until_told_otherwise) {
    const Loader plain = loader(10, 4);
    BOOST_TEST(plain.size() == 3);
    BOOST_TEST(plain.samples() == 10);
    const std::vector<Batch> batches = collect(plain.epoch(0));
    BOOST_REQUIRE(batches.size() == 3u);
    BOOST_TEST((batches[0].size() == 4 && batches[1].size() == 4 && batches[2].size() == 2));
    for (const Batch& batch : batches) BOOST_TEST(consistent(batch));
    BOOST_TEST((batches[1].x.shape() == Shape{4, 2, 3}));
    BOOST_TEST((order(plain.epoch(5)) == std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

BOOST_AUTO_TEST_CASE(drop_last_leaves_out_a_smaller_batch) {
    BOOST_TEST(collect(loader(10, 4).drop_last().epoch(0)).size() == 2u);
    BOOST_TEST(collect(loader(8, 4).drop_last().epoch(0)).size() == 2u);
    BOOST_TEST(collect(loader(3, 4).drop_last().epoch(0)).empty());
    BOOST_TEST(loader(10, 4).drop_last().size() == 2);
    BOOST_TEST(loader(10, 4).drop_last().epoch(0).size() == 2);
}

BOOST_AUTO_TEST_CASE(one_permutation_for_each_seed_and_epoch) {
    const Loader shuffled = loader(100, 7).shuffle(3);
    const auto first = order(shuffled.epoch(0)), second = order(shuffled.epoch(1));
    BOOST_TEST((first == order(shuffled.epoch(0))));
    BOOST_TEST((first == order(loader(100, 7).shuffle(3).epoch(0))));
    BOOST_TEST((first == order(loader(100, 50).shuffle(3).epoch(0))));  // whatever the batches' size
    BOOST_TEST((first != second));
    BOOST_TEST((first != order(loader(100, 7).shuffle(4).epoch(0))));
    for (auto positions : {first, second}) {
        std::sort(positions.begin(), positions.end());
        for (std::int64_t i = 0; i < 100; ++i) BOOST_REQUIRE(positions[static_cast<std::size_t>(i)] == i);
    }
    for (const Batch& batch : collect(shuffled.epoch(2))) BOOST_TEST(consistent(batch));
}

BOOST_AUTO_TEST_CASE(prefetching_changes_nothing) {
    for (Index n : {0, 1, 7, 64, 100}) {
        Loader direct = loader(n, 8).shuffle(1).transform(noisy, 2);
        const Loader ahead = Loader(direct).prefetch();
        for (Index epoch : {0, 1, 9}) BOOST_TEST(alike(collect(direct.epoch(epoch)), collect(ahead.epoch(epoch))));
    }
}

BOOST_AUTO_TEST_CASE(transforms_draw_for_their_batch_alone) {
    const Loader noise = loader(20, 4).transform(noisy, 5);
    const std::vector<Batch> a = collect(noise.epoch(0)), b = collect(noise.epoch(1));
    BOOST_TEST(alike(a, collect(noise.epoch(0))));
    BOOST_TEST(!alike(a, b));
    // Other rows, other noise; the same noise for batch 0 whatever came of batch 1.
    BOOST_TEST(a[0].x.array().at(0) - 0 != a[1].x.array().at(0) - 24);
    BOOST_TEST(a[0].x.array().at(0) == (*noise.epoch(0).begin()).x.array().at(0));
}

BOOST_AUTO_TEST_CASE(batches_are_constants) {
    const Parameter p(rows(6).array());
    const Loader from_parameter(p, tens(6), 3);
    const Loader recorded =
        Loader(rows(6), tens(6), 3).transform([&](const Variable& x, Generator&) { return x * sum(p); }, 0);
    for (const Batch& batch : collect(from_parameter.epoch(0))) BOOST_TEST(!batch.x.requires_grad());
    for (const Batch& batch : collect(recorded.epoch(0))) BOOST_TEST(!batch.x.requires_grad());
    BOOST_TEST(recording());
}

BOOST_AUTO_TEST_CASE(the_loader_as_a_range_counts_epochs) {
    Loader shuffled = loader(30, 8).shuffle(1).prefetch();
    for (Index epoch = 0; epoch < 3; ++epoch) {
        std::vector<std::int64_t> positions;
        for (auto&& batch : shuffled) positions.insert(positions.end(), batch.positions.begin(), batch.positions.end());
        BOOST_TEST((positions == order(shuffled.epoch(epoch))));
    }
}

BOOST_AUTO_TEST_CASE(what_is_thrown_in_the_thread_comes_out) {
    for (bool prefetch : {false, true}) {
        Loader failing = loader(40, 4).transform(
            [](const Variable& x, Generator&) {
                if (x.array().at(0) > 100) throw std::runtime_error("bad sample");
                return x;
            },
            0);
        if (prefetch) failing.prefetch();
        Index good = 0;
        const auto walk = [&] {
            for (auto& batch : failing.epoch(0)) good += batch.size();
        };
        BOOST_CHECK_EXCEPTION(walk(), std::runtime_error,
                              [](const std::runtime_error& e) { return std::string(e.what()) == "bad sample"; });
        BOOST_TEST(good == 20);  // the rows before: 24 and 48 and 72 and 96 come through, 120 does not
        good = 0;
        BOOST_CHECK_THROW(walk(), std::runtime_error);
    }
}

BOOST_AUTO_TEST_CASE(an_epoch_may_be_left_early) {
    for (int stop = 0; stop < 6; ++stop) {
        const Loader ahead = loader(1000, 3).shuffle(0).prefetch();
        int seen = 0;
        for (auto& batch : ahead.epoch(0)) {
            BOOST_TEST(consistent(batch));
            if (seen++ == stop) break;
        }
    }
    loader(1000, 3).prefetch().epoch(0);  // not begun at all
    std::vector<datasets::Epoch> epochs;
    for (Index i = 0; i < 5; ++i) epochs.push_back(loader(50, 5).prefetch().epoch(i));  // outlive their loader
    for (auto& epoch : epochs) BOOST_TEST(collect(std::move(epoch)).size() == 10u);
}

BOOST_AUTO_TEST_CASE(arguments_out_of_range) {
    BOOST_CHECK_THROW(Loader(rows(3), tens(4), 1), ShapeError);
    BOOST_CHECK_THROW(Loader(rows(3), IntArray{{1, 2}, {3, 4}, {5, 6}}, 1), ShapeError);
    BOOST_CHECK_THROW(Loader(Variable(1.0), tens(1), 1), ShapeError);
    BOOST_CHECK_THROW(loader(3, 0), ValueError);
    BOOST_CHECK_THROW(loader(3, 1).epoch(-1), ValueError);
    BOOST_TEST(collect(loader(3, PTRDIFF_MAX).epoch(0)).size() == 1u);
    const Loader shrinking = loader(4, 4).transform([](const Variable& x, Generator&) { return sum(x); }, 0);
    BOOST_CHECK_THROW(collect(shrinking.epoch(0)), ShapeError);
    const Loader nothing = loader(4, 4).transform([](const Variable&, Generator&) { return Variable(); }, 0);
    BOOST_CHECK_THROW(collect(nothing.epoch(0)), ShapeError);
}

BOOST_AUTO_TEST_SUITE_END()
