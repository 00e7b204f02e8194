#include <xtape/autograd/array.hpp>

#include <atomic>
#include <cmath>
#include <thread>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <tbb/task_arena.h>

#include <xtape/autograd/kernels/deferred_product.hpp>
#include <xtape/autograd/kernels/deferred_reduction.hpp>
#include <xtape/autograd/kernels/reduce.hpp>
#include <xtape/autograd/observer.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/random.hpp>
#include <xtape/autograd/storage.hpp>
#include <xtape/autograd/tape.hpp>
#include <xtape/autograd/threads.hpp>
#include <xtape/nn/loss.hpp>

/// A large matrix times a column waits for the column's gradient, and nobody can tell.
using namespace xtape;

namespace {

constexpr Index rows = 1037, columns = 5003;  // more than any core's own caches hold, and no multiples of anything

Array numbers(std::uint64_t seed, const Shape& shape, DType dtype = float32) {
    Generator generator(seed);
    return random::uniform(shape, -0.5, 0.5, generator, dtype);
}

Array labels(DType dtype = float32) { return (Variable(numbers(2, {rows, 1}, dtype)) > 0.0).array(); }

std::vector<double> elements(const Array& array) {
    std::vector<double> result(static_cast<std::size_t>(array.size()));
    for (Index i = 0; i < array.size(); ++i) result[static_cast<std::size_t>(i)] = array.at(i);
    return result;
}

using Outcome = std::vector<std::vector<double>>;

/// Where somebody looks on nothing waits.
template <class F>
Outcome at_once(const F& f) {
    const KeepOutputs keeping;
    return f();
}

template <class F>
void check_bits(const F& f) {
    for (const DType dtype : {float32, float64}) {
        const Outcome expected = at_once([&] { return f(dtype); });
        for (const int count : {1, 2, 4}) {
            set_threads(count);
            const Outcome found = tbb::task_arena(count).execute([&] { return f(dtype); });
            set_threads(0);
            BOOST_REQUIRE(found.size() == expected.size());
            for (std::size_t k = 0; k < expected.size(); ++k)
                BOOST_TEST((found[k] == expected[k]),
                           "output " << k << " in " << name_of(dtype) << " with " << count << " threads");
        }
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(deferred_product)

BOOST_AUTO_TEST_CASE(a_perceptron_has_the_bits_of_its_operations_one_by_one) {
    check_bits([](DType dtype) -> Outcome {
        const Variable x(numbers(1, {rows, columns}, dtype)), y(labels(dtype));
        Parameter w(numbers(3, {columns, 1}, dtype)), b(numbers(4, {1}, dtype));
        Outcome all;
        for (int step = 0; step < 3; ++step) {
            const Variable a = sigmoid(matmul(x, w) + b);
            const Variable loss = -mean(y * log(a) + (1 - y) * log(1 - a));
            const auto [dw, db] = grad(loss, w, b);
            w -= 0.1 * dw;
            b -= 0.1 * db;
            for (const Variable& each : {dw, db, loss, a}) all.push_back(elements(each.array()));
        }
        all.push_back(elements(w.array()));
        return all;
    });
}

BOOST_AUTO_TEST_CASE(a_linear_layer_and_its_loss) {
    check_bits([](DType dtype) -> Outcome {
        const Variable x(numbers(1, {rows, columns}, dtype)), y(labels(dtype));
        Parameter w(numbers(3, {columns, 1}, dtype)), b(numbers(4, {1}, dtype));
        const Variable loss = nn::log_loss(sigmoid(linear(x, w, b)), y) + 0.01 * sum(square(w));
        loss.backward();
        return {elements(w.grad()), elements(b.grad()), elements(loss.array())};
    });
}

BOOST_AUTO_TEST_CASE(two_columns_and_two_matrices) {
    check_bits([](DType dtype) -> Outcome {
        const Index samples = 3000, wide = 1500, narrow = 700;  // sums of which are cut into other pieces
        const Variable x(numbers(1, {samples, wide}, dtype)), other(numbers(5, {samples, narrow}, dtype));
        const Parameter u(numbers(3, {wide, 1}, dtype)), v(numbers(4, {wide, 1}, dtype)),
            w(numbers(6, {narrow, 1}, dtype));
        const Variable p = matmul(x, u), q = matmul(x, v), r = matmul(other, w);
        const auto [du, dv, dw] = grad(sum(exp(p) * q + sin(p - r)), u, v, w);
        return {elements(du.array()), elements(dv.array()), elements(dw.array())};
    });
}

BOOST_AUTO_TEST_CASE(second_derivatives) {
    check_bits([](DType dtype) -> Outcome {
        const Variable x(numbers(1, {rows, columns}, dtype));
        const Parameter w(numbers(3, {columns, 1}, dtype));
        const Variable dw = grad(mean(tanh(matmul(x, w))), w, create_graph);
        const Variable second = grad(sum(square(dw)), w);
        return {elements(dw.array()), elements(second.array())};
    });
}

BOOST_AUTO_TEST_CASE(a_gradient_by_hand) {
    const Array x = numbers(1, {rows, columns}), y = labels();
    const Parameter w(numbers(3, {columns, 1})), b(numbers(4, {1}));
    const auto [dw, db] = grad(nn::log_loss(sigmoid(matmul(Variable(x), w) + b), Variable(y)), w, b);
    std::vector<double> d(rows);
    double sum = 0;
    for (Index i = 0; i < rows; ++i) {
        double z = b.array().at(0);
        for (Index j = 0; j < columns; ++j) z += x.at(i * columns + j) * w.array().at(j);
        d[static_cast<std::size_t>(i)] = (1 / (1 + std::exp(-z)) - y.at(i)) / rows;
        sum += d[static_cast<std::size_t>(i)];
    }
    for (const Index j : {Index{0}, Index{17}, columns - 1}) {
        double expected = 0;
        for (Index i = 0; i < rows; ++i) expected += x.at(i * columns + j) * d[static_cast<std::size_t>(i)];
        BOOST_TEST(std::abs(dw.array().at(j) - expected) < 1e-6);
    }
    BOOST_TEST(std::abs(db.array().at(0) - sum) < 1e-6);
}

BOOST_AUTO_TEST_CASE(whoever_is_read_first_the_gradient_is_made_in_the_same_pass) {
    const Array x = numbers(1, {rows, columns}), w = numbers(3, {columns, 1});
    const Array z = kernels::product_later(x, w);
    BOOST_REQUIRE(z);
    const Variable d = tanh(Variable(z));
    const Array gradient = kernels::gradient_later(x, d.array());
    const Array sum = kernels::reduce_later(kernels::reduce_sum, d.array(), {0}, false);
    BOOST_TEST((z.waits() && d.array().waits() && gradient.waits() && sum.waits()));
    sum.evaluate();
    BOOST_TEST((!z.waits() && !d.array().waits() && !gradient.waits()));
}

BOOST_AUTO_TEST_CASE(what_is_read_early_is_computed_early) {
    const Variable x(numbers(1, {rows, columns}));
    const Parameter w(numbers(3, {columns, 1}));
    const Variable loss = mean(square(matmul(x, w)));
    const double value = loss.array().at(0);
    BOOST_TEST(value > 0);
    const Variable dw = grad(loss, w);
    const Outcome expected =
        at_once([&]() -> Outcome { return {elements(grad(mean(square(matmul(x, w))), w).array())}; });
    BOOST_TEST((elements(dw.array()) == expected[0]));
}

BOOST_AUTO_TEST_CASE(nothing_waits_where_no_gradient_will_be_asked_for) {
    const Variable x(numbers(1, {rows, columns}));
    Parameter w(numbers(3, {columns, 1}));
    BOOST_TEST(matmul(x, w).array().waits());
    BOOST_TEST(!matmul(x, Variable(w).detach()).array().waits());
    BOOST_TEST(!matmul(Variable(numbers(1, {100, 10})), Parameter(numbers(3, {10, 1}))).array().waits());
    {
        const NoGrad constant;
        BOOST_TEST(!matmul(x, w).array().waits());
    }
    const Variable z = matmul(x, w);
    const KeepOutputs keeping;
    BOOST_TEST(!matmul(x, w).array().waits());
    BOOST_TEST(!mean(z).array().waits());
}

BOOST_AUTO_TEST_CASE(what_is_written_later_changes_no_result) {
    Array given = numbers(1, {rows, columns});
    Parameter w(numbers(3, {columns, 1}));
    const auto loss = [&](const Array& x) { return mean(exp(matmul(Variable(x), w))); };
    const Outcome expected = at_once([&]() -> Outcome {
        const Variable y = loss(given.copy());
        return {elements(y.array()), elements(grad(y, w).array())};
    });
    const Variable y = loss(given);
    given.mutable_data<float>()[5] = 100;
    w -= 0.5 * Variable(w.array().copy());
    BOOST_TEST((elements(y.array()) == expected[0]));
}

BOOST_AUTO_TEST_CASE(a_number_that_waits_is_used_like_any_other) {
    const Variable x(numbers(1, {rows, columns}));
    const Parameter w(numbers(3, {columns, 1}));
    const auto f = [&]() -> Outcome {
        const Variable z = matmul(x, w), m = mean(z);
        const Variable few = m * Variable(numbers(7, {5})), all = z - m, large = m + Variable(numbers(8, {100000}));
        Variable number = m;
        for (int i = 0; i < 100; ++i) number = number * 0.5 + number;  // more than wait for one another
        return {elements(few.array()), elements(all.array()), elements(large.array()), elements(number.array()),
                elements(matmul(reshape(m, {1, 1}), Variable(numbers(9, {1, 3}))).array())};
    };
    BOOST_TEST((f() == at_once(f)));
}

BOOST_AUTO_TEST_CASE(a_product_whose_column_waits) {
    check_bits([](DType dtype) -> Outcome {
        const Variable x(numbers(1, {2048, 2048}, dtype));
        const Parameter w(numbers(3, {2048, 1}, dtype));
        const Variable inner = matmul(x, w), twice = matmul(x, inner), y = matmul(x, tanh(inner)) + twice;
        return {elements(grad(sum(y), w).array()), elements(y.array())};
    });
}

BOOST_AUTO_TEST_CASE(a_gradient_that_needs_the_product_before) {
    check_bits([](DType dtype) -> Outcome {
        const Variable x(numbers(1, {rows, columns}, dtype)), y(labels(dtype));
        const Parameter w(numbers(3, {columns, 1}, dtype)), other(numbers(5, {columns, 1}, dtype));
        const Variable z = matmul(x, w), a = sigmoid(z + 0.5 * mean(matmul(x, other)));
        return {elements(grad(mean(square(z - mean(z).detach())), w).array()),
                elements(grad(mean(square(z - y) * abs(mean(z).detach())), w).array()),
                elements(grad(-mean(y * log(a)), w).array())};
    });
}

BOOST_AUTO_TEST_CASE(sums_of_single_elements_share_them) {
    const Variable x(numbers(1, {rows, columns}));
    const Parameter w(numbers(3, {columns, 1}));
    const auto f = [&]() -> Outcome {
        const Variable z = matmul(x, w), doubled = reshape(sum(z, {1}), {rows, 1}) * 2.0;
        return {elements(doubled.array()), elements(z.array())};
    };
    BOOST_TEST((f() == at_once(f)));
}

BOOST_AUTO_TEST_CASE(unread_results_hold_few_matrices) {
    const Parameter w(numbers(3, {columns, 1}));
    std::vector<Variable> unread;
    const std::size_t before = storage::stats().live_bytes;
    for (std::uint64_t batch = 0; batch < 12; ++batch)
        unread.push_back(matmul(Variable(numbers(batch, {rows, columns})), w).detach());
    BOOST_TEST((storage::stats().live_bytes - before) / (rows * columns * 4) <= 4U);
}

BOOST_AUTO_TEST_CASE(what_is_dropped_unread_leaves_nothing) {
    const Array x = numbers(1, {rows, columns});
    Parameter w(numbers(3, {columns, 1}));
    const std::size_t before = storage::stats().live_bytes;
    { const Variable loss = mean(square(matmul(Variable(x), w))); }
    BOOST_TEST(storage::stats().live_bytes == before);
    for (int step = 0; step < 3; ++step) {
        const Variable loss = mean(square(matmul(Variable(x), w)));
        w -= 0.1 * grad(loss, w);
    }
    BOOST_TEST(storage::stats().live_bytes == before);
}

BOOST_AUTO_TEST_CASE(several_threads_read_and_drop_what_waits_for_one_product) {
    const Array x = numbers(1, {rows, columns}), w = numbers(3, {columns, 1});
    struct Round {
        Array product, factor, gradient, sum;
    };
    const auto begin = [&] {
        Round round;
        round.product = kernels::product_later(x, w);
        round.factor = sin(Variable(round.product)).array();
        round.gradient = kernels::gradient_later(x, round.factor);
        round.sum = kernels::reduce_later(kernels::reduce_sum, round.factor, {0}, false);
        return round;
    };
    const Round alone = begin();
    const Outcome expected{elements(alone.product), elements(alone.factor), elements(alone.gradient),
                           elements(alone.sum)};
    for (int count = 0; count < 10; ++count) {
        Round round = begin();
        std::atomic<int> wrong{0};
        std::vector<std::thread> threads;
        const Array* const all[] = {&round.product, &round.factor, &round.gradient, &round.sum};
        for (std::size_t k = 0; k < 4; ++k) {
            threads.emplace_back([&, k, mine = *all[k]] { wrong += elements(mine) != expected[k]; });
            threads.emplace_back([dropped = *all[k]] {});
        }
        round = Round();
        for (std::thread& thread : threads) thread.join();
        BOOST_TEST(wrong == 0);
    }
}

BOOST_AUTO_TEST_SUITE_END()
