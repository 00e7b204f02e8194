#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include <xtape/autograd/kernels/pool.hpp>
#include <xtape/autograd/kernels/transpose.hpp>

/// 2 x 2 maxima with stride 2, in vector registers: pairs are taken apart and put together by shuffles. With ReLU what is
/// <= 0 becomes 0 and the code says so, for maxima that are not > 0 pass no gradient.
namespace xtape::kernels {

/// The code of a maximum that passes no gradient.
inline constexpr std::uint8_t dead_code = 4;

/// Windows of four that neither overlap nor leave the image.
inline bool is_2x2(const Windows& v) {
    return v.kernel == Pair(2) && v.stride == Pair(2) && v.padding == Pair(0) && 2 * v.outputs.rows <= v.image.rows &&
           2 * v.outputs.cols <= v.image.cols;
}

/// Whether v or an earlier best is the maximum; a NaN wins, the first of several stays.
template <class T>
auto beats(T v, T best) {
    if constexpr (std::is_arithmetic_v<T>)
        return !(v <= best) & (best == best);
    else
        return ~(v <= best) & (best == best);
}

template <class T>
class PairsOfRows {
public:
    static constexpr Index lanes = vector_lanes<T>;

    /// y[j] = max(top[2j], top[2j + 1], bottom[2j], bottom[2j + 1]) for j in [0, n), with codes unless they are null.
    template <bool relu>
    static void maxima(const T* top, const T* bottom, Index n, T* y, std::uint8_t* codes) {
        Index j = 0;
        for (; j + lanes <= n; j += lanes) max_block<relu>(top + 2 * j, bottom + 2 * j, lanes, y + j, at(codes, j));
        if (j < n) max_block<relu>(top + 2 * j, bottom + 2 * j, n - j, y + j, at(codes, j));
    }

    /// Makes, a vector at a time, two rows with g[j] at the place that its code names and zeros at the other three: calls
    /// f(row, column, vector, size), row being 0 or 1, for columns [0, 2n). Lanes past `size` are 0.
    template <class F>
    [[gnu::always_inline]] static void spread(const T* g, const std::uint8_t* codes, Index n, F&& f) {
        Index j = 0;
        for (; j + lanes <= n; j += lanes) spread_block(g + j, codes + j, j, lanes, f);
        if (j < n) spread_block(g + j, codes + j, j, n - j, f);
    }

private:
    using Place = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
    using Vector = kernels::Vector<T>;
    using Places = VectorMask<T>;
    using Lanes = std::make_integer_sequence<int, static_cast<int>(lanes)>;

    static std::uint8_t* at(std::uint8_t* codes, Index j) { return codes ? codes + j : nullptr; }

    /// `count` numbers from memory, then zeros; as many as go in.
    static Vector load(const T* from, Index count) {
        if (count >= lanes) return load_vector(from);
        return count > 0 ? load_vector(from, count) : Vector{};
    }

    template <int... lane>
    static void take_apart(const T* from, Index count, Vector& even, Vector& odd, std::integer_sequence<int, lane...>) {
        const Vector first = load(from, count), second = load(from + lanes, count - lanes);
        even = __builtin_shufflevector(first, second, (2 * lane)...);
        odd = __builtin_shufflevector(first, second, (2 * lane + 1)...);
    }

    template <class F, int... lane>
    [[gnu::always_inline]] static void put_together(Index row, Index column, Index count, const Vector& even,
                                                    const Vector& odd, F&& f, std::integer_sequence<int, lane...>) {
        constexpr int n = static_cast<int>(lanes);
        f(row, column, __builtin_shufflevector(even, odd, (lane / 2 + (lane & 1 ? n : 0))...), std::min(count, lanes));
        if (count > lanes)
            f(row, column + lanes, __builtin_shufflevector(even, odd, (n / 2 + lane / 2 + (lane & 1 ? n : 0))...),
              count - lanes);
    }

    static void take(const Vector& v, Place place, Vector& best, Places& places) {
        const Places wins = beats(v, best);
        best = wins ? v : best;
        places = wins ? Places{} + place : places;
    }

    template <bool relu>
    static void max_block(const T* top, const T* bottom, Index n, T* y, std::uint8_t* codes) {
        Vector best, top_right, bottom_left, bottom_right;
        Places places = {};
        take_apart(top, 2 * n, best, top_right, Lanes());
        take_apart(bottom, 2 * n, bottom_left, bottom_right, Lanes());
        take(top_right, 1, best, places);
        take(bottom_left, 2, best, places);
        take(bottom_right, 3, best, places);
        if constexpr (relu) {
            places = best > 0 ? places : Places{} + dead_code;
            best = best <= 0 ? Vector{} : best;
        }
        if (n == lanes)
            store_vector(y, best);
        else
            store_vector(y, best, n);
        if (codes) store_bytes<T>(codes, places, n);
    }

    template <class F>
    [[gnu::always_inline]] static void spread_block(const T* g, const std::uint8_t* codes, Index j, Index n, F&& f) {
        const Vector gradient = load(g, n), zero = {};
        const auto places = load_bytes<T>(codes, n);
        put_together(0, 2 * j, 2 * n, places == 0 ? gradient : zero, places == 1 ? gradient : zero, f, Lanes());
        put_together(1, 2 * j, 2 * n, places == 2 ? gradient : zero, places == 3 ? gradient : zero, f, Lanes());
    }
};

/// The maxima of a plane, with codes unless they are null.
template <bool relu, class T>
void max_plane_2x2(const T* x, const Windows& v, T* y, std::uint8_t* codes) {
    for (Index i = 0; i < v.outputs.rows; ++i) {
        const T* top = x + 2 * i * v.image.cols;
        const Index at = i * v.outputs.cols;
        PairsOfRows<T>::template maxima<relu>(top, top + v.image.cols, v.outputs.cols, y + at,
                                              codes ? codes + at : nullptr);
    }
}

/// The adjoint of take_plane_2x2, g where the codes say and zeros elsewhere, a vector at a time: f(row of the window, offset,
/// vector, size).
template <class T, class F>
void each_spread_2x2(const T* g, const std::uint8_t* codes, const Windows& v, F&& f) {
    const Index width = v.image.cols, covered = 2 * v.outputs.cols;
    const auto zeros = [&](Index begin, Index end) {
        for (; begin < end; begin += vector_lanes<T>) f(0, begin, Vector<T>{}, std::min(vector_lanes<T>, end - begin));
    };
    for (Index i = 0; i < v.outputs.rows; ++i) {
        const Index top = 2 * i * width, at = i * v.outputs.cols;
        PairsOfRows<T>::spread(g + at, codes + at, v.outputs.cols,
                               [&](Index row, Index column, const Vector<T>& spread, Index size) {
                                   f(row, top + row * width + column, spread, size);
                               });
        zeros(top + covered, top + width);
        zeros(top + width + covered, top + 2 * width);
    }
    zeros(2 * v.outputs.rows * width, v.image_size());
}

/// That, stored.
template <class T>
void spread_plane_2x2(const T* g, const std::uint8_t* codes, const Windows& v, T* dx) {
    each_spread_2x2(g, codes, v, [dx](Index, Index offset, const Vector<T>& spread, Index size) {
        if (size == vector_lanes<T>)
            store_vector(dx + offset, spread);
        else
            store_vector(dx + offset, spread, size);
    });
}

/// What stands where the codes say, 0 for dead ones.
template <class T>
void take_plane_2x2(const T* x, const std::uint8_t* codes, const Windows& v, T* y) {
    for (Index i = 0; i < v.outputs.rows; ++i) {
        for (Index j = 0; j < v.outputs.cols; ++j, ++codes, ++y) {
            const Index row = 2 * i + *codes / 2, col = 2 * j + *codes % 2;
            *y = *codes == dead_code ? T(0) : x[row * v.image.cols + col];
        }
    }
}

}  // namespace xtape::kernels
