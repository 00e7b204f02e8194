#include "support/nn.hpp"

using namespace xtape;
using namespace xtape::nn_test;

BOOST_AUTO_TEST_SUITE(nn_init)

static Parameter empty_weight(const Shape& shape, DType dtype = float32) { return Array::filled(shape, dtype, 7); }

struct Moments {
    double mean = 0, deviation = 0, largest = 0;
};

static Moments moments(const Parameter& p) {
    Moments m;
    const auto n = static_cast<double>(p.size());
    for (double v : values(p.array())) m.mean += v / n, m.largest = std::max(m.largest, std::abs(v));
    for (double v : values(p.array())) m.deviation += (v - m.mean) * (v - m.mean) / n;
    m.deviation = std::sqrt(m.deviation);
    return m;
}

/// Uniform in +-bound: reaches nearly to the bound and has the deviation of that distribution.
static void check_uniform(const Parameter& p, double bound) {
    const Moments m = moments(p);
    BOOST_TEST(m.largest <= bound);
    BOOST_TEST(m.largest > 0.99 * bound);
    BOOST_TEST(std::abs(m.mean) < 0.05 * bound);
    BOOST_TEST(std::abs(m.deviation * std::sqrt(3.0) / bound - 1) < 0.05);
}

static void check_normal(const Parameter& p, double mean, double deviation) {
    const Moments m = moments(p);
    BOOST_TEST(std::abs(m.mean - mean) < 0.06 * deviation);
    BOOST_TEST(std::abs(m.deviation / deviation - 1) < 0.05);
    BOOST_TEST(m.largest > std::abs(mean) + 2.5 * deviation);  // no uniform reaches so far
}

BOOST_AUTO_TEST_CASE(fans_of_linear_and_convolution) {
    const auto linear = nn::init::fans({3, 5});
    BOOST_TEST(linear.in == 3);
    BOOST_TEST(linear.out == 5);
    const auto conv = nn::init::fans({8, 2, 3, 5});
    BOOST_TEST(conv.in == 30);
    BOOST_TEST(conv.out == 120);
    check_contains(message<ShapeError>([] { nn::init::fans({3}); }), "(3,) has 1 axes");
}

BOOST_AUTO_TEST_CASE(simple_ones) {
    Parameter p = empty_weight({2, 3}, float64);
    const NodePtr node = p.node();
    nn::init::zeros(p);
    BOOST_TEST(values(p.array()) == std::vector<double>(6, 0), boost::test_tools::per_element());
    nn::init::ones(p);
    BOOST_TEST(values(p.array()) == std::vector<double>(6, 1), boost::test_tools::per_element());
    nn::init::constant(p, -2.5);
    BOOST_TEST(values(p.array()) == std::vector<double>(6, -2.5), boost::test_tools::per_element());
    BOOST_CHECK(p.node() == node);  // an optimiser stays connected
    BOOST_CHECK(p.dtype() == float64);

    Generator generator(1);
    Parameter large = empty_weight({80, 50});
    nn::init::uniform(large, 2, 6, generator);
    const Moments m = moments(large);
    BOOST_TEST(std::abs(m.mean - 4) < 0.1);
    BOOST_TEST((m.largest <= 6 && m.largest > 5.9));
    nn::init::normal(large, 3, 0.5, generator);
    check_normal(large, 3, 0.5);
}

BOOST_AUTO_TEST_CASE(scaled_ones) {
    Generator generator(2);
    Parameter w = empty_weight({40, 100}), k = empty_weight({24, 5, 4, 6});  // fans 40 / 100 and 120 / 576
    nn::init::xavier_uniform(w, generator);
    check_uniform(w, std::sqrt(6.0 / 140));
    nn::init::xavier_uniform(k, generator, 2);
    check_uniform(k, 2 * std::sqrt(6.0 / 696));
    nn::init::xavier_normal(w, generator);
    check_normal(w, 0, std::sqrt(2.0 / 140));
    nn::init::kaiming_uniform(w, generator);
    check_uniform(w, std::sqrt(6.0 / 40));
    nn::init::kaiming_uniform(k, generator, 0.5, nn::init::Fan::out);
    check_uniform(k, std::sqrt(6.0 / 1.25 / 576));
    nn::init::kaiming_uniform(w, generator, std::sqrt(5.0));  // PyTorch's default for layers
    check_uniform(w, 1 / std::sqrt(40.0));
    nn::init::kaiming_normal(k, generator);
    check_normal(k, 0, std::sqrt(2.0 / 120));
    nn::init::kaiming_normal(w, generator, 0, nn::init::Fan::out);
    check_normal(w, 0, std::sqrt(2.0 / 100));
}

BOOST_AUTO_TEST_CASE(the_generator_decides) {
    Parameter a = empty_weight({5, 5}), b = empty_weight({5, 5});
    Generator one(3), same(3);
    nn::init::kaiming_normal(a, one);
    nn::init::kaiming_normal(b, same);
    BOOST_TEST(same_values(a.array(), b.array()));
    nn::init::kaiming_normal(b, same);
    BOOST_TEST(!same_values(a.array(), b.array()));
}

BOOST_AUTO_TEST_CASE(orthogonal_rows_or_columns) {
    for (const Shape& shape : {Shape{4, 4}, Shape{3, 7}, Shape{7, 3}, Shape{6, 2, 3, 3}, Shape{1, 5}, Shape{60, 61}}) {
        Generator generator(4);
        Parameter p = empty_weight(shape, float64);
        nn::init::orthogonal(p, generator, 2);
        const Index rows = shape[0], cols = p.size() / rows;
        const bool wide = rows <= cols;
        const Index count = wide ? rows : cols, length = wide ? cols : rows;
        const auto element = [&](Index i, Index k) { return p.array().at(wide ? i * cols + k : k * cols + i); };
        double worst = 0;
        for (Index i = 0; i < count; ++i)
            for (Index j = 0; j < count; ++j) {
                double product = 0;
                for (Index k = 0; k < length; ++k) product += element(i, k) * element(j, k);
                worst = std::max(worst, std::abs(product - (i == j ? 4 : 0)));
            }
        BOOST_TEST(worst < 1e-13, to_string(shape) << " " << worst);
    }
    Generator generator(4);
    Parameter none = empty_weight({0, 5}), flat = empty_weight({5});
    nn::init::orthogonal(none, generator);
    nn::init::kaiming_uniform(none, generator);
    check_contains(message<ShapeError>([&] { nn::init::orthogonal(flat, generator); }), "at least 2 axes: (5,) has 1");
    Parameter single = empty_weight({30, 20});  // float32
    nn::init::orthogonal(single, generator);
    BOOST_CHECK(single.dtype() == float32);
}

BOOST_AUTO_TEST_SUITE_END()
