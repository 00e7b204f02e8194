#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/array.hpp>

/// For tests that hold an operation to a few units in the last place of a reference in long double, whose exponential
/// reaches 1e4.
namespace xtape::exact {

using Real = long double;

constexpr double few = 4;

/// Both signs of the places where something may go wrong, in the element type.
template <class T>
std::vector<T> grid() {
    std::vector<T> all{0};
    for (const double z :
         {1e4,  745.2, 745.0, 709.8, 709.7, 708.5, 708.3, 200.0, 104.0, 103.9, 89.0, 88.8, 88.7,  88.0,  87.3,  40.0,
          37.0, 20.0,  17.5,  16.0,  5.0,   3.0,   1.0,   0.75,  0.5,   0.1,   1e-3, 1e-8, 1e-17, 1e-38, 1e-300})
        for (const double sign : {1.0, -1.0}) all.push_back(static_cast<T>(sign * z));
    all.push_back(std::numeric_limits<T>::denorm_min());
    all.push_back(-std::numeric_limits<T>::denorm_min());
    all.push_back(-T(0));
    return all;
}

template <class T>
Array array_of(const std::vector<T>& values) {
    Array array = Array::uninitialized({static_cast<Index>(values.size())}, dtype_of<T>);
    std::copy(values.begin(), values.end(), array.mutable_data<T>());
    return array;
}

/// Within `ulps` units in the last place; what is smaller than every normal number may be 0, each of a few terms.
template <class T>
void check_number(double got, Real expected, double ulps, const std::string& what) {
    const Real allowed =
        Real(ulps) * std::numeric_limits<T>::epsilon() * std::fabs(expected) + 4 * std::numeric_limits<T>::min();
    BOOST_CHECK_MESSAGE(
        std::isfinite(got) && std::fabs(got - expected) <= allowed,
        what << ": " << got << ", should be " << static_cast<double>(expected) << ", off by "
             << static_cast<double>(std::fabs(got - expected) / std::fabs(expected) / std::numeric_limits<T>::epsilon())
             << " epsilon");
}

}  // namespace xtape::exact
