#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include <xtape/autograd/check_grads.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/random.hpp>
#include <xtape/autograd/tape.hpp>
#include <xtape/autograd/xtensor.hpp>

/// The catalogue: every operation of ops.hpp with inputs inside its domain, in every kind of shape it takes. A family of
/// operations is a file; catalogue.cpp sees to it that none is missing.
namespace xtape::catalogue {

using Inputs = std::vector<Variable>;

/// One call of an operation.
struct Sample {
    std::string operation;  ///< as ops.hpp declares it; with the types of its arguments where a name stands for several
    Inputs inputs;          ///< float64, but each number is one of float32 too, so that both can be compared
    GradFunction call;
    GradCheckOptions options = {};
    bool large = false;      ///< big enough to be shared among threads, too big to be checked by differences
    double rounding = 4e-6;  ///< what float32 may differ by, relative to the largest element

    std::string name() const;
};

using Samples = std::vector<Sample>;

Samples elementwise();
Samples arithmetic();
Samples reductions();
Samples movement();
Samples linear_algebra();
Samples indexing();
Samples normalization();
Samples windows();

/// check_grads passes, at first and second order.
void check_gradients(const Samples& samples);
/// Values and gradients in float32 are those in float64 up to rounding.
void check_float32(const Samples& samples);
/// Values and gradients have the same bits for one thread and for two.
void check_threads(const Samples& samples);

/// Draws inputs; a family has its own, so that its numbers do not depend on what ran before.
class Draw {
public:
    explicit Draw(std::uint64_t seed) : generator_(seed) {}

    /// Uniform in [low, high], further than `distance` from each kink.
    Variable uniform(const Shape& shape, double low, double high, const std::vector<double>& kinks = {},
                     double distance = 0.05);
    /// Around 0, any two elements at least `spacing` apart, in random order.
    Variable distinct(const Shape& shape, double spacing = 0.0625);
    /// Two such arrays, all elements of both apart from each other.
    Inputs distinct_pair(const Shape& a, const Shape& b);
    /// Zeros and ones.
    Variable mask(const Shape& shape);

private:
    Generator generator_;
};

/// The declarations of a header, by name; as name(type, type) where a name is declared more than once. Where is left out.
std::vector<std::string> declared_operations(const std::string& header);

/// What a header declares and the samples do not call, then what the samples call and it does not declare.
std::vector<std::string> absent_operations(const std::string& header, const std::vector<std::string>& called);

}  // namespace xtape::catalogue

/// The suite of a family.
#define XTAPE_CATALOGUE_SUITE(suite, samples)                                                                          \
    BOOST_AUTO_TEST_SUITE(suite)                                                                                       \
    BOOST_AUTO_TEST_CASE(gradients_at_first_and_second_order) { check_gradients(samples()); }                          \
    BOOST_AUTO_TEST_CASE(float32_agrees_with_float64) { check_float32(samples()); }                                    \
    BOOST_AUTO_TEST_CASE(same_bits_for_one_and_two_threads) { check_threads(samples()); }                              \
    BOOST_AUTO_TEST_SUITE_END()
