#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <xtape/autograd/kernels/gemm_paths.hpp>

using namespace xtape;
using kernels::Factor;

/// Products inside larger matrices, against loops in float64.
namespace {

const std::vector<Index> sizes{1, 2, 3, 7, 15, 16, 17, 31, 33, 64, 100, 129};

template <class T>
using Gemm = void (*)(Index, Index, Index, Factor<T>, Factor<T>, T*, Index, bool);

template <class T>
struct Matrix {
    Index rows, columns, stride;
    std::vector<T> elements;

    Matrix(Index of_rows, Index of_columns, Index of_stride, double speed)
        : rows(of_rows), columns(of_columns), stride(of_stride) {
        for (Index i = 0; i < rows * stride; ++i)
            elements.push_back(static_cast<T>(std::sin(speed * static_cast<double>(i) * static_cast<double>(i))));
    }
    T& at(Index i, Index j) { return elements[static_cast<std::size_t>(i * stride + j)]; }
    double at(Index i, Index j) const { return double{elements[static_cast<std::size_t>(i * stride + j)]}; }
};

/// What went wrong first, or nothing.
template <class T>
std::string wrong(Gemm<T> gemm, bool trans_a, bool trans_b, Index m, Index n, Index k, bool accumulate,
                  Index stride = 0) {
    const Index width_a = trans_a ? m : k, width_b = trans_b ? k : n;
    const Matrix<T> a(trans_a ? k : m, width_a, stride > 0 ? stride : width_a + 2, 0.7);
    const Matrix<T> b(trans_b ? n : k, width_b, stride > 0 ? stride : width_b + 3, 0.3);
    const Matrix<T> before(m, n, stride > 0 ? stride : n + 1, 0.5);
    Matrix<T> c = before;
    if (!accumulate)
        for (Index i = 0; i < m; ++i)
            for (Index j = 0; j < n; ++j) c.at(i, j) = std::numeric_limits<T>::quiet_NaN();
    gemm(m, n, k, Factor<T>{a.elements.data(), a.stride, trans_a}, Factor<T>{b.elements.data(), b.stride, trans_b},
         c.elements.data(), c.stride, accumulate);

    const auto place = [&](Index i, Index j) {
        return std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k) + (trans_a ? " T" : " N") +
               (trans_b ? "T" : "N") + (accumulate ? " added" : "") + " at " + std::to_string(i) + ", " +
               std::to_string(j);
    };
    const double rounding = double{std::numeric_limits<T>::epsilon()} * static_cast<double>(k + 10);
    std::vector<double> row(static_cast<std::size_t>(n));
    for (Index i = 0; i < m; ++i) {
        for (Index j = 0; j < n; ++j) row[static_cast<std::size_t>(j)] = accumulate ? before.at(i, j) : 0;
        for (Index l = 0; l < k; ++l)
            for (Index j = 0; j < n; ++j)
                row[static_cast<std::size_t>(j)] +=
                    (trans_a ? a.at(l, i) : a.at(i, l)) * (trans_b ? b.at(j, l) : b.at(l, j));
        const Matrix<T>& result = c;
        for (Index j = 0; j < n; ++j) {
            const double expected = row[static_cast<std::size_t>(j)];
            if (!(std::abs(result.at(i, j) - expected) <= rounding * std::max(1.0, std::abs(expected))))
                return place(i, j);
        }
        if (result.at(i, n) != before.at(i, n)) return place(i, n);  // between the rows nothing is touched
    }
    return {};
}

template <class T>
void check_all_flags(Gemm<T> gemm, Index m, Index n, Index k, Index stride = 0) {
    for (const bool trans_a : {false, true})
        for (const bool trans_b : {false, true})
            for (const bool accumulate : {false, true})
                BOOST_TEST(wrong<T>(gemm, trans_a, trans_b, m, n, k, accumulate, stride) == "");
}

/// A NaN in A spoils its row, one in B its column, whatever they meet; an infinity meets 0.
template <class T>
void check_nan(Gemm<T> gemm, bool trans_a, bool trans_b, Index m, Index n, Index k) {
    std::vector<T> a(static_cast<std::size_t>(m * k), T{0}), b(static_cast<std::size_t>(k * n), T{0});
    std::vector<T> c(static_cast<std::size_t>(m * n), T{1});
    const Index row = m / 2, column = n - 1, term = k - 1;
    a[static_cast<std::size_t>(trans_a ? term * m + row : row * k + term)] = std::numeric_limits<T>::quiet_NaN();
    b[static_cast<std::size_t>(trans_b ? column * k : column)] = std::numeric_limits<T>::infinity();
    gemm(m, n, k, Factor<T>{a.data(), trans_a ? m : k, trans_a}, Factor<T>{b.data(), trans_b ? k : n, trans_b},
         c.data(), n, false);
    bool right = true;
    for (Index i = 0; i < m; ++i)
        for (Index j = 0; j < n; ++j)
            right &= std::isnan(c[static_cast<std::size_t>(i * n + j)]) == (i == row || j == column);
    BOOST_TEST(right, m << " x " << n << " x " << k << (trans_a ? " T" : " N") << (trans_b ? "T" : "N"));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(kernel_gemm)

BOOST_AUTO_TEST_CASE(every_size_layout_and_type) {
    for (const Index m : sizes)
        for (const Index n : sizes)
            for (const Index k : {1, 2, 7, 16, 33, 129}) {
                check_all_flags<float>(kernels::gemm, m, n, k);
                if (m * n * k < 50'000) check_all_flags<double>(kernels::gemm, m, n, k);
            }
}

BOOST_AUTO_TEST_CASE(tiles_take_any_shape_in_both_types) {
    for (const Index n : {1, 5, 64, 71, 129})
        for (const Index k : {3, 600, 1025}) {
            check_all_flags<float>(kernels::gemm_by_tiles, 30, n, k);
            check_all_flags<double>(kernels::gemm_by_tiles, 30, n, k);
        }
    check_all_flags<float>(kernels::gemm_by_tiles, 1, 200, 40);
    check_all_flags<float>(kernels::gemm_by_tiles, 400, 90, 70);  // enough rows to pack B
    check_all_flags<double>(kernels::gemm_by_tiles, 400, 90, 70);
}

BOOST_AUTO_TEST_CASE(long_vectors_and_large_products) {
    for (const Index k : {1000, 4099}) {
        check_all_flags<float>(kernels::gemm, 1, 37, k);
        check_all_flags<float>(kernels::gemm, 37, 1, k);
        check_all_flags<double>(kernels::gemm, 37, 1, k);
        check_all_flags<float>(kernels::gemm, k, 1, 37);
        check_all_flags<double>(kernels::gemm, 1, k, 37);
        check_all_flags<float>(kernels::gemm, 1, 1, k);
        check_all_flags<float>(kernels::gemm, k, 5, 1);
    }
    check_all_flags<float>(kernels::gemm, 150, 170, 90);
    check_all_flags<double>(kernels::gemm, 150, 170, 90);
}

BOOST_AUTO_TEST_CASE(strides_that_crowd_the_caches) {
    check_all_flags<float>(kernels::gemm, 100, 70, 40, 1024);
    check_all_flags<float>(kernels::gemm, 20, 140, 530, 1024);
    check_all_flags<double>(kernels::gemm, 70, 40, 33, 512);
}

BOOST_AUTO_TEST_CASE(openblas_agrees) {
    for (const auto& [m, n, k] : std::vector<std::tuple<Index, Index, Index>>{{2, 3, 4}, {1, 5, 3}, {65, 70, 129}}) {
        check_all_flags<float>(kernels::gemm_by_openblas, m, n, k);
        check_all_flags<double>(kernels::gemm_by_openblas, m, n, k);
    }
}

BOOST_AUTO_TEST_CASE(sizes_of_zero) {
    for (const bool trans : {false, true}) {
        BOOST_TEST(wrong<float>(kernels::gemm, trans, trans, 3, 4, 0, false) == "");
        BOOST_TEST(wrong<float>(kernels::gemm, trans, trans, 3, 4, 0, true) == "");
        BOOST_TEST(wrong<double>(kernels::gemm, trans, trans, 3, 1, 0, false) == "");
        BOOST_TEST(wrong<double>(kernels::gemm, trans, trans, 0, 4, 5, false) == "");
        BOOST_TEST(wrong<float>(kernels::gemm, trans, trans, 3, 0, 5, true) == "");
    }
}

BOOST_AUTO_TEST_CASE(zero_times_nan_is_nan) {
    for (const bool trans_a : {false, true})
        for (const bool trans_b : {false, true})
            for (const Index m : {1, 5, 20})
                for (const Index n : {1, 10, 16, 70})
                    for (const Index k : {2, 17, 600}) {
                        check_nan<float>(kernels::gemm, trans_a, trans_b, m, n, k);
                        check_nan<double>(kernels::gemm_by_tiles, trans_a, trans_b, m, n, k);
                    }
}

BOOST_AUTO_TEST_SUITE_END()
