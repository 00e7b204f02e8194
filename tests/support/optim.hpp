#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/array.hpp>

/// What the tests of optim share.
namespace xtape::optim_test {

using Numbers = std::vector<double>;

inline Array array_of(const Numbers& values, DType dtype = float64) {
    Array array = Array::uninitialized({static_cast<Index>(values.size())}, dtype);
    dispatch(dtype, [&](auto tag) {
        using T = decltype(tag);
        for (std::size_t i = 0; i < values.size(); ++i) array.mutable_data<T>()[i] = static_cast<T>(values[i]);
    });
    return array;
}

inline void check_close(const Numbers& found, const Numbers& wanted) {
    BOOST_TEST_REQUIRE(found.size() == wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) BOOST_TEST(std::abs(found[i] - wanted[i]) < 1e-14);
}

}  // namespace xtape::optim_test
