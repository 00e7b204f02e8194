#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/check_grads.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/tape.hpp>

/// For tests that lay the tape beside a formula: the formula is written as plain loops over Numbers, with none of xtape's
/// operations.
namespace xtape::closed_form {

/// An array of doubles that knows how to be indexed, and nothing else.
struct Numbers {
    Shape shape;
    std::vector<double> flat;

    explicit Numbers(const Shape& sizes, double value = 0)
        : shape(sizes), flat(static_cast<std::size_t>(sizes.count()), value) {}
    Numbers(const Shape& sizes, std::vector<double> values) : shape(sizes), flat(std::move(values)) {}

    /// Fills every place from its row and column.
    Numbers(Index rows, Index columns, const std::function<double(Index, Index)>& of) : Numbers({rows, columns}) {
        for (Index i = 0; i < rows; ++i)
            for (Index j = 0; j < columns; ++j) (*this)(i, j) = of(i, j);
    }

    template <class... At>
    double& operator()(At... at) {
        return flat[place({static_cast<Index>(at)...})];
    }
    template <class... At>
    double operator()(At... at) const {
        return flat[place({static_cast<Index>(at)...})];
    }

    Index rows() const { return shape[0]; }
    Index columns() const { return shape[1]; }

    /// f of every number.
    template <class F>
    Numbers map(F f) const {
        Numbers result = *this;
        std::transform(flat.begin(), flat.end(), result.flat.begin(), f);
        return result;
    }

    operator Variable() const {
        Array array = Array::uninitialized(shape, float64);
        std::copy(flat.begin(), flat.end(), array.mutable_data<double>());
        return array;
    }
    Parameter parameter() const { return Parameter(Variable(*this)); }

private:
    std::size_t place(std::initializer_list<Index> at) const {
        Index result = 0, axis = 0;
        for (Index i : at) result = result * shape[axis++] + i;
        return static_cast<std::size_t>(result);
    }
};

/// Uniform numbers, other ones for each seed.
inline Numbers uniform(const Shape& shape, unsigned seed, double low = -1, double high = 1) {
    std::mt19937_64 engine(seed);
    Numbers result(shape);
    for (double& value : result.flat) value = low + (high - low) * static_cast<double>(engine() >> 11) * 0x1p-53;
    return result;
}

/// Labels 0 and 1 in turn, but for a few.
inline Numbers labels(const Shape& shape) {
    Numbers result(shape);
    for (std::size_t i = 0; i < result.flat.size(); ++i) result.flat[i] = i % 2 == 0 || i % 5 == 3 ? 1 : 0;
    return result;
}

inline double sigmoid(double z) { return 1 / (1 + std::exp(-z)); }

/// A B, as a sum over the inner axis.
inline Numbers times(const Numbers& a, const Numbers& b) {
    return Numbers(a.rows(), b.columns(), [&](Index i, Index j) {
        double total = 0;
        for (Index k = 0; k < a.columns(); ++k) total += a(i, k) * b(k, j);
        return total;
    });
}

inline Numbers transposed(const Numbers& a) {
    return Numbers(a.columns(), a.rows(), [&](Index i, Index j) { return a(j, i); });
}

/// x has the formula's shape, and each of its elements, relative to the formula's.
inline void check_same(const Variable& x, const Numbers& expected, double tolerance = 1e-12) {
    BOOST_REQUIRE_EQUAL(to_string(x.shape()), to_string(expected.shape));
    for (Index i = 0; i < x.size(); ++i) {
        const double got = x.array().at(i), wanted = expected.flat[static_cast<std::size_t>(i)];
        BOOST_CHECK_MESSAGE(std::abs(got - wanted) <= tolerance * std::abs(wanted),
                            "element " << i << ": " << got << ", by the formula " << wanted << ", relative difference "
                                       << std::abs(got - wanted) / std::abs(wanted));
    }
}

inline void check_same(const Variable& x, double expected, double tolerance = 1e-12) {
    check_same(x, Numbers({}, {expected}), tolerance);
}

/// What the tape gives every x when g flows into y.
inline std::vector<Variable> pulled(const Variable& y, const Variable& g, const std::vector<Variable>& xs) {
    return pullback(y, g, xs, false, Where::here());
}

/// y of x with a backward rule written by hand, as annex 4 writes its layers: rule(g, x).
template <class Forward, class Rule>
auto by_hand(const char* name, Forward forward, Rule rule) {
    return [=](const Variable& x) {
        auto dx = on(x, [x, rule](const Variable& g) { return rule(g, x); });
        const NoGrad constant;
        return record(name, Where::here(), forward(x.detach()).array(), std::move(dx));
    };
}

/// The gradient check refuses `printed` and says that its rule is the wrong one; it passes `corrected`.
template <class Printed, class Corrected>
void check_verdicts(const char* name, Printed printed, Corrected corrected, const Variable& x) {
    const GradCheck refused = gradient_check(printed, {x}), passed = gradient_check(corrected, {x});
    BOOST_TEST(!refused.ok);
    BOOST_TEST(refused.operation == name, refused.message);
    BOOST_TEST(passed.ok, passed.message);
}

}  // namespace xtape::closed_form
