#pragma once

#include <boost/test/unit_test.hpp>

#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include <xtape/autograd/check_grads.hpp>
#include <xtape/autograd/ops.hpp>
#include <xtape/autograd/tape.hpp>
#include <xtape/autograd/threads.hpp>

/// For tests of operations that move elements: arrays whose elements are their own numbers, so that a result says where
/// each came from.
namespace xtape::testing {

using Values = std::vector<double>;
using Position = std::vector<Index>;

/// 0, 1, 2, ...
inline Variable counting(const Shape& shape, DType dtype = float64) {
    Array array = Array::uninitialized(shape, dtype);
    dispatch(dtype, [&](auto tag) {
        using T = decltype(tag);
        std::iota(array.mutable_data<T>(), array.mutable_data<T>() + array.size(), T{0});
    });
    return array;
}

inline Values values(const Variable& x) {
    Values result;
    for (Index i = 0; i < x.size(); ++i) result.push_back(x.array().at(i));
    return result;
}

inline void check(const Variable& x, const Shape& shape, const Values& expected) {
    BOOST_TEST(to_string(x.shape()) == to_string(shape));
    BOOST_TEST(values(x) == expected, boost::test_tools::per_element());
}

inline bool same_elements(const Variable& a, const Variable& b) {
    return dispatch(a.dtype(), [&](auto tag) {
        using T = decltype(tag);
        return a.array().data<T>() == b.array().data<T>();
    });
}

/// The position of an element, in row-major order.
inline Position position(Index element, const Shape& shape) {
    Position result(static_cast<std::size_t>(shape.rank()));
    for (Index axis = shape.rank() - 1; axis >= 0; --axis) {
        result[static_cast<std::size_t>(axis)] = element % shape[axis];
        element /= shape[axis];
    }
    return result;
}

/// The element at a position.
inline Index element(const Position& at, const Shape& shape) {
    Index result = 0;
    for (Index axis = 0; axis < shape.rank(); ++axis)
        result = result * shape[axis] + at[static_cast<std::size_t>(axis)];
    return result;
}

/// Whether y, made from counting(x), has this shape and at every position the element of x at source(position).
inline bool moves(const Variable& y, const Shape& shape, const Shape& x,
                  const std::function<Position(Position)>& source) {
    if (y.shape() != shape) return false;
    for (Index i = 0; i < y.size(); ++i)
        if (y.array().at(i) != static_cast<double>(element(source(position(i, shape)), x))) return false;
    return true;
}

/// f throws a ShapeError with this text and the place of the call in the test.
template <class F>
void check_error(F f, const std::string& text, const char* file, int line) {
    const std::string path(file), place = path.substr(path.rfind('/') + 1) + ":" + std::to_string(line);
    BOOST_CHECK_EXCEPTION(f(), ShapeError, [&](const ShapeError& e) {
        const std::string what = e.what();
        BOOST_TEST(what.find(text) != std::string::npos, what + " does not say " + text);
        BOOST_TEST(what.find(place) != std::string::npos, what + " does not say " + place);
        return true;
    });
}

/// The tape's gradient of sum(w * f(x)) is the transposed matrix of f times w; the matrix is taken from f's values on
/// unit arrays. f is linear but for a constant.
inline void check_adjoint(const std::function<Variable(const Variable&)>& f, const Shape& shape) {
    const Parameter x(counting(shape));
    const Variable y = f(x);
    const Variable w = counting(y.shape()) + 1.0;
    const Variable zero = f(Array::filled(shape, float64, 0));
    Values expected;
    for (Index i = 0; i < shape.count(); ++i) {
        Array unit = Array::filled(shape, float64, 0);
        unit.mutable_data<double>()[i] = 1;
        const Variable column = f(unit);
        double dot = 0;
        for (Index j = 0; j < y.size(); ++j) dot += w.array().at(j) * (column.array().at(j) - zero.array().at(j));
        expected.push_back(dot);
    }
    check(grad(sum(w * y), x), shape, expected);
}

/// Gradients at first and second order against differences.
template <class F>
void check_both_orders(F f, const std::vector<Variable>& xs) {
    const GradCheck verdict = gradient_check(f, xs);
    BOOST_TEST(verdict.ok, verdict.message);
}

/// results() has the same values for one thread and for two.
inline void check_threads(const std::function<std::vector<Variable>()>& results) {
    const int before = threads();
    std::vector<Values> of_one, of_two;
    set_threads(1);
    for (const Variable& y : results()) of_one.push_back(values(y));
    set_threads(2);
    for (const Variable& y : results()) of_two.push_back(values(y));
    set_threads(before);
    BOOST_TEST((of_one == of_two));
}

}  // namespace xtape::testing

#define CHECK_SHAPE_ERROR(expression, text)                                                                            \
    xtape::testing::check_error([&] { (void)(expression); }, text, __FILE__, __LINE__)
