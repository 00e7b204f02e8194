#include <xtape/xtape.hpp>

#include <limits>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/kernels/finite.hpp>

/// The first element that is not finite, wherever it stands.
using namespace xtape;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();

void put(Array& x, Index i, double value) {
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        x.mutable_data<T>()[i] = static_cast<T>(value);
    });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(kernel_finite)

BOOST_AUTO_TEST_CASE(every_place_of_every_small_size) {
    for (const DType dtype : {float32, float64})
        for (Index n = 0; n <= 150; ++n) {
            Array x = Array::filled({n}, dtype, 1.5);
            BOOST_TEST(kernels::first_non_finite(x) == -1);
            for (Index i = n; i-- > 0;) {  // from the last on, so that each is the first in its turn
                put(x, i, i % 3 == 0 ? not_a_number : i % 3 == 1 ? inf : -inf);
                BOOST_TEST(kernels::first_non_finite(x) == i);
            }
        }
}

BOOST_AUTO_TEST_CASE(the_first_of_many_pieces) {
    for (const int count : {1, 2, 4}) {
        set_threads(count);
        for (const DType dtype : {float32, float64}) {
            Array x = Array::filled({1'000'003}, dtype, -2);
            BOOST_TEST(kernels::first_non_finite(x) == -1);
            for (const Index i : {Index{1'000'002}, Index{700'000}, Index{32'769}, Index{32'767}, Index{4'095}}) {
                put(x, i, inf);
                BOOST_TEST(kernels::first_non_finite(x) == i);
            }
        }
    }
    set_threads(0);
}

BOOST_AUTO_TEST_CASE(the_largest_and_smallest_numbers_are_finite) {
    using Float = std::numeric_limits<float>;
    using Double = std::numeric_limits<double>;
    for (const DType dtype : {float32, float64}) {
        Array x = Array::filled({40}, dtype, dtype == float32 ? double{Float::max()} : Double::max());
        put(x, 7, dtype == float32 ? double{Float::lowest()} : Double::lowest());
        put(x, 21, dtype == float32 ? double{Float::denorm_min()} : Double::denorm_min());
        put(x, 39, -0.0);
        BOOST_TEST(kernels::first_non_finite(x) == -1);
    }
}

BOOST_AUTO_TEST_SUITE_END()
