#pragma once

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include <xtape/autograd/check_grads.hpp>
#include <xtape/autograd/elementwise.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/random.hpp>

/// For tests that a fused formula agrees with the same formula in plain operations.
namespace xtape::testing {

/// The focal loss of a probability, as README has it.
inline const auto focal_of = [](auto p, auto t) {
    auto q = t * p + (1 - t) * (1 - p);
    return -(1 - q) * (1 - q) * log(q);
};

/// A vector of these numbers.
inline Variable numbers(const std::vector<double>& list, DType dtype = float64) {
    Array array = Array::uninitialized({static_cast<Index>(list.size())}, dtype);
    dispatch(dtype, [&](auto tag) {
        using T = decltype(tag);
        for (std::size_t i = 0; i < list.size(); ++i) array.mutable_data<T>()[i] = static_cast<T>(list[i]);
    });
    return array;
}

/// A function of any number of Variables.
using Many = std::function<Variable(const std::vector<Variable>&)>;

/// |a - b| is within `units` of the element type's rounding, relative to what the numbers of the array are like, of which
/// `usual` is the size where they do not cancel.
inline void check_close(const Variable& a, const Variable& b, double units, double usual, const std::string& what) {
    BOOST_REQUIRE_MESSAGE(a.shape() == b.shape(), what << ": " << to_string(a.shape()) << to_string(b.shape()));
    BOOST_TEST_REQUIRE((a.dtype() == b.dtype()), what);
    double size = 2 * usual;
    for (Index i = 0; i < b.size(); ++i) size = std::max(size, std::abs(b.array().at(i)));
    const double unit = b.dtype() == float32 ? 0x1p-23 : 0x1p-52;
    for (Index i = 0; i < a.size(); ++i) {
        const double x = a.array().at(i), y = b.array().at(i);
        const double allowed = units * unit * (std::abs(y) + 0.05 * size);
        if (!(std::abs(x - y) <= allowed)) {
            BOOST_TEST(false, what << ", element " << i << " of " << to_string(a.shape()) << ": " << x << " and " << y
                                   << ", off by " << std::abs(x - y) / unit / (std::abs(y) + 0.05 * size));
            return;
        }
    }
}

/// Value, gradients and gradients of a combination of the gradients.
inline std::vector<Variable> derivatives(const Many& f, const std::vector<Variable>& values,
                                         const std::function<Variable(const Variable&)>& reduce, bool second) {
    std::vector<Variable> leaves;
    std::vector<Parameter> parameters;
    for (const Variable& x : values) parameters.emplace_back(x);
    for (const Parameter& x : parameters) leaves.push_back(x);
    const Variable y = f(leaves);
    const Variable loss = reduce(y);
    std::vector<Variable> all{y.detach(), loss.detach()};
    for (const Variable& g : grad(loss, leaves)) all.push_back(g);
    if (!second) return all;
    Variable combined = Variable(0.0, values[0].dtype());
    double weight = 0.7;
    for (const Variable& g : grad(loss, leaves, create_graph))
        combined = combined + static_cast<double>(y.size()) * (weight += 0.4) * sum(g);
    for (const Variable& x : leaves)  // plain operations leave nothing on the tape where a derivative is a constant
        all.push_back(combined.requires_grad() ? grad(combined, x) : 0.0 * x.detach());
    return all;
}

/// The fused operation and plain operations, over arguments of these shapes.
inline void compare(const std::string& name, const Many& fused, const Many& plain, const Many& fused_mean,
                    const std::vector<Shape>& shapes, double low, double high, DType dtype, double units, bool second) {
    Generator seeded(7);
    std::vector<Variable> xs;
    for (const Shape& shape : shapes) xs.emplace_back(random::uniform(shape, low, high, seeded, dtype));
    const auto weighted = [](const Variable& y) {
        Array w = Array::uninitialized(y.shape(), y.dtype());
        dispatch(y.dtype(), [&](auto tag) {
            using T = decltype(tag);
            for (Index i = 0; i < w.size(); ++i)
                w.mutable_data<T>()[i] = static_cast<T>(0.5 + static_cast<double>(i % 7) / 7);
        });
        return sum(y * Variable(w)) / static_cast<double>(std::max<Index>(1, y.size()));
    };
    const std::string what = name + (dtype == float32 ? ", float32" : ", float64");
    const auto a = derivatives(fused, xs, weighted, second), b = derivatives(plain, xs, weighted, second);
    BOOST_REQUIRE(a.size() == b.size());
    const auto usual = [&](std::size_t i) {  // each element's share of a mean, summed where an argument is broadcast
        return i < 2 || i >= 2 + xs.size() ? 1 : 1 / static_cast<double>(std::max<Index>(1, a[i].size()));
    };
    for (std::size_t i = 0; i < a.size(); ++i)
        check_close(a[i], b[i], units, usual(i), what + ", result " + std::to_string(i));
    if (a[0].size() == 0) return;
    const auto same = [](const Variable& y) { return y; };
    const auto c = derivatives(fused_mean, xs, same, second);
    const auto d = derivatives([&](const std::vector<Variable>& x) { return mean(plain(x)); }, xs, same, second);
    BOOST_REQUIRE(c.size() == d.size());
    for (std::size_t i = 0; i < c.size(); ++i)
        check_close(c[i], d[i], units, usual(i), what + " and mean, result " + std::to_string(i));
}

template <std::size_t N, class F>
Many spread(const F& f) {
    return [f](const std::vector<Variable>& x) -> Variable {
        if constexpr (N == 1) return f(x[0]);
        if constexpr (N == 2) return f(x[0], x[1]);
        if constexpr (N == 3) return f(x[0], x[1], x[2]);
        if constexpr (N == 4) return f(x[0], x[1], x[2], x[3]);
    };
}

template <std::size_t N, class F>
void check_lambda_of(const std::string& name, double low, double high, const F& f) {
    const auto fused = elementwise(name, f);
    const Many many = spread<N>(fused), plain = spread<N>(f);
    const Many many_mean = [fused](const std::vector<Variable>& x) -> Variable {
        if constexpr (N == 1) return mean(fused(x[0]));
        if constexpr (N == 2) return mean(fused(x[0], x[1]));
        if constexpr (N == 3) return mean(fused(x[0], x[1], x[2]));
        if constexpr (N == 4) return mean(fused(x[0], x[1], x[2], x[3]));
    };
    const auto all = [&](const Shape& shape) { return std::vector<Shape>(N, shape); };
    for (const DType dtype : {float64, float32}) {
        const double units = dtype == float64 ? 2000 : 300;
        compare(name, many, plain, many_mean, all({37}), low, high, dtype, units, true);
        compare(name, many, plain, many_mean, all({}), low, high, dtype, units, true);
        compare(name, many, plain, many_mean, all({3, 0}), low, high, dtype, units, true);
        if (N > 1) {
            std::vector<Shape> shapes = all({4, 5});
            const std::vector<Shape> others{{5}, {4, 1}, {}, {1, 1}};
            for (std::size_t i = 1; i < N; ++i) shapes[i] = others[i - 1];
            compare(name, many, plain, many_mean, shapes, low, high, dtype, units, true);
            std::rotate(shapes.begin(), shapes.begin() + 1, shapes.end());
            compare(name, many, plain, many_mean, shapes, low, high, dtype, units, true);
        }
    }
    Generator seeded(3);
    std::vector<Variable> xs;
    for (std::size_t i = 0; i < N; ++i) xs.emplace_back(random::uniform({2, 3}, low, high, seeded, float64));
    for (const Many& g : {many, many_mean}) {
        const GradCheck verdict = gradient_check(g, xs);
        BOOST_TEST(verdict.ok, name << ": " << verdict.message);
    }
}

/// f of numbers between low and high, as elementwise(f) and called with Variables: values, first and second
/// derivatives in both types, with broadcasting; and check_grads.
template <class F>
void check_lambda(const std::string& name, double low, double high, const F& f) {
    BOOST_TEST_CONTEXT(name) {
        if constexpr (std::is_invocable_v<F, Symbol>)
            check_lambda_of<1>(name, low, high, f);
        else if constexpr (std::is_invocable_v<F, Symbol, Symbol>)
            check_lambda_of<2>(name, low, high, f);
        else if constexpr (std::is_invocable_v<F, Symbol, Symbol, Symbol>)
            check_lambda_of<3>(name, low, high, f);
        else
            check_lambda_of<4>(name, low, high, f);
    }
}

}  // namespace xtape::testing
