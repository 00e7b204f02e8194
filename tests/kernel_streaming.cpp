#include <xtape/autograd/kernels/streaming.hpp>

#include <algorithm>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <xtape/autograd/ops.hpp>

/// Passes over arrays that are larger than the caches: strips, elements asked for ahead, stores past the caches. Numbers are
/// small integers, so that every sum is exact whatever its order.
using namespace xtape;

namespace {

double number(Index i) { return static_cast<double>(i * 7 % 131 - 65); }

Variable numbers(const Shape& shape, DType dtype) {
    Array x = Array::uninitialized(shape, dtype);
    dispatch(dtype, [&](auto tag) {
        using T = decltype(tag);
        T* const to = x.mutable_data<T>();
        for (Index i = 0; i < x.size(); ++i) to[i] = static_cast<T>(number(i));
    });
    return Variable(x);
}

/// Where the array first differs from what is expected of position i; -1 where nowhere.
template <class F>
Index first_wrong(const Variable& y, const F& expected) {
    Index wrong = -1;
    dispatch(y.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T* const from = y.array().data<T>();
        for (Index i = 0; i < y.size() && wrong < 0; ++i)
            if (static_cast<double>(from[i]) != expected(i)) wrong = i;
    });
    return wrong;
}

/// So many rows that the array is larger than all caches.
Index rows_past_caches(Index row, DType dtype) {
    const Index size = dtype == float32 ? 4 : 8;
    return kernels::cache_bytes().all / (row * size) + 3;
}

/// Rows of whole lines of the cache; others that begin anywhere in one and end in part of a vector; some with strips of
/// their own; some cut into pieces.
const std::vector<Index> row_lengths{64, 61, 1000, 2061, 40003};

}  // namespace

BOOST_AUTO_TEST_SUITE(kernel_streaming)

BOOST_AUTO_TEST_CASE(strips_come_to_every_item_once_and_go_upwards) {
    for (const bool far : {false, true}) {
        for (const Index n : {0, 1, 7, 8, 9, 10, 11, 12, 1001}) {
            const kernels::Strips strips(n, far);
            BOOST_TEST(strips.count() == (far && n >= 8 ? 4 : 1));
            std::vector<int> times(static_cast<std::size_t>(n));
            Index last[kernels::Strips::most] = {-1, -1, -1, -1};
            strips.each([&](Index item, Index strip) {
                BOOST_REQUIRE((item >= strips.first(strip) && item < strips.first(strip + 1)));
                BOOST_REQUIRE(item > last[strip]);
                last[strip] = item;
                ++times[static_cast<std::size_t>(item)];
            });
            BOOST_TEST(std::count(times.begin(), times.end(), 1) == n);
        }
    }
}

BOOST_AUTO_TEST_CASE(every_element_of_a_large_result_is_right) {
    const NoGrad constant;
    for (const DType dtype : {float32, float64}) {
        for (const Index row : row_lengths) {
            const Index rows = rows_past_caches(row, dtype);
            Variable x = numbers({rows, row}, dtype);
            const Variable column = numbers({rows, 1}, dtype), line = numbers({row}, dtype);
            BOOST_TEST(first_wrong(x * 2, [](Index i) { return number(i) * 2; }) == -1, row);
            BOOST_TEST(first_wrong(x + column, [row](Index i) { return number(i) + number(i / row); }) == -1, row);
            BOOST_TEST(first_wrong(x * line, [row](Index i) { return number(i) * number(i % row); }) == -1, row);
            x = std::move(x) + column;  // in place
            BOOST_TEST(first_wrong(x, [row](Index i) { return number(i) + number(i / row); }) == -1, row);
        }
    }
}

BOOST_AUTO_TEST_CASE(every_element_of_a_large_transpose_is_right) {
    const NoGrad constant;
    for (const DType dtype : {float32, float64}) {
        for (const Index row : row_lengths) {
            const Index rows = rows_past_caches(row, dtype);
            const auto expected = [rows, row](Index i) { return number(i % rows * row + i / rows); };
            BOOST_TEST(first_wrong(transpose(numbers({rows, row}, dtype)), expected) == -1, row);
        }
        const Index samples = rows_past_caches(48 * 77, dtype);  // NCHW to NHWC: rows of whole lines
        const auto nhwc = [](Index i) { return number(i / 48 / 77 * 48 * 77 + i % 48 * 77 + i / 48 % 77); };
        BOOST_TEST(first_wrong(permute(numbers({samples, 48, 77}, dtype), {0, 2, 1}), nhwc) == -1);
    }
}

BOOST_AUTO_TEST_CASE(large_sums_are_right_along_every_axis) {
    for (const DType dtype : {float32, float64}) {
        for (const Index row : row_lengths) {
            const Index rows = rows_past_caches(row, dtype);
            const Variable x = numbers({rows, row}, dtype);
            std::vector<double> along_rows(static_cast<std::size_t>(rows)),
                along_columns(static_cast<std::size_t>(row));
            double all = 0;
            for (Index i = 0; i < x.size(); ++i) {
                along_rows[static_cast<std::size_t>(i / row)] += number(i);
                along_columns[static_cast<std::size_t>(i % row)] += number(i);
                all += number(i);
            }
            const auto of = [](const std::vector<double>& sums) {
                return [&sums](Index i) { return sums[static_cast<std::size_t>(i)]; };
            };
            BOOST_TEST(first_wrong(sum(x, {1}), of(along_rows)) == -1, row);
            BOOST_TEST(first_wrong(sum(x, {0}), of(along_columns)) == -1, row);
            BOOST_TEST(sum(x).item() == all);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
