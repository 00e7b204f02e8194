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
    /// `open` says that whole vectors may be read and written beyond the end.
    template <bool relu>
    static void maxima(const T* top, const T* bottom, Index n, bool open, T* y, std::uint8_t* codes) {
        if (n >= lanes) {
            for (Index j = 0; j < n - lanes; j += lanes)
                max_block<relu>(top + 2 * j, bottom + 2 * j, y + j, at(codes, j));
            const Index j = n - lanes;
            max_block<relu>(top + 2 * j, bottom + 2 * j, y + j, at(codes, j));
        } else if (open) {
            max_block<relu>(top, bottom, y, codes);
        } else {
            T tops[2 * lanes] = {}, bottoms[2 * lanes] = {}, ys[lanes];
            std::uint8_t places[lanes];
            std::copy_n(top, 2 * n, tops);
            std::copy_n(bottom, 2 * n, bottoms);
            max_block<relu>(tops, bottoms, ys, places);
            std::copy_n(ys, n, y);
            if (codes) std::copy_n(places, n, codes);
        }
    }

    /// g[j] at the place that its code names, zeros at the other three; `open` as above.
    static void spread(const T* g, const std::uint8_t* codes, Index n, bool open, T* top, T* bottom) {
        if (n >= lanes) {
            for (Index j = 0; j < n - lanes; j += lanes) spread_block(g + j, codes + j, top + 2 * j, bottom + 2 * j);
            const Index j = n - lanes;
            spread_block(g + j, codes + j, top + 2 * j, bottom + 2 * j);
        } else if (open) {
            spread_block(g, codes, top, bottom);
        } else {
            T gs[lanes] = {}, tops[2 * lanes], bottoms[2 * lanes];
            std::uint8_t places[lanes] = {};
            std::copy_n(g, n, gs);
            std::copy_n(codes, n, places);
            spread_block(gs, places, tops, bottoms);
            std::copy_n(tops, 2 * n, top);
            std::copy_n(bottoms, 2 * n, bottom);
        }
    }

private:
    using Place = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
    typedef T Vector __attribute__((vector_size(vector_bytes)));
    typedef Place Places __attribute__((vector_size(vector_bytes)));
    typedef std::uint8_t Bytes __attribute__((vector_size(vector_bytes / sizeof(T))));
    using Lanes = std::make_integer_sequence<int, static_cast<int>(lanes)>;

    static std::uint8_t* at(std::uint8_t* codes, Index j) { return codes ? codes + j : nullptr; }

    template <class V>
    static V load(const void* from) {
        V v;
        std::memcpy(&v, from, sizeof(V));
        return v;
    }

    template <class V>
    static void store(void* to, const V& v) {
        std::memcpy(to, &v, sizeof(V));
    }

    template <int... lane>
    static void take_apart(const T* from, Vector& even, Vector& odd, std::integer_sequence<int, lane...>) {
        const Vector first = load<Vector>(from), second = load<Vector>(from + lanes);
        even = __builtin_shufflevector(first, second, (2 * lane)...);
        odd = __builtin_shufflevector(first, second, (2 * lane + 1)...);
    }

    template <int... lane>
    static void put_together(T* to, const Vector& even, const Vector& odd, std::integer_sequence<int, lane...>) {
        constexpr int n = static_cast<int>(lanes);
        store<Vector>(to, __builtin_shufflevector(even, odd, (lane / 2 + (lane & 1 ? n : 0))...));
        store<Vector>(to + lanes, __builtin_shufflevector(even, odd, (n / 2 + lane / 2 + (lane & 1 ? n : 0))...));
    }

    static void take(const Vector& v, Place place, Vector& best, Places& places) {
        const Places wins = beats(v, best);
        best = wins ? v : best;
        places = wins ? Places{} + place : places;
    }

    template <bool relu>
    static void max_block(const T* top, const T* bottom, T* y, std::uint8_t* codes) {
        Vector best, top_right, bottom_left, bottom_right;
        Places places = {};
        take_apart(top, best, top_right, Lanes());
        take_apart(bottom, bottom_left, bottom_right, Lanes());
        take(top_right, 1, best, places);
        take(bottom_left, 2, best, places);
        take(bottom_right, 3, best, places);
        if constexpr (relu) {
            places = best > 0 ? places : Places{} + dead_code;
            best = best <= 0 ? Vector{} : best;
        }
        store<Vector>(y, best);
        if (codes) store<Bytes>(codes, __builtin_convertvector(places, Bytes));
    }

    static void spread_block(const T* g, const std::uint8_t* codes, T* top, T* bottom) {
        const Vector gradient = load<Vector>(g), zero = {};
        const auto places = load_bytes<T>(codes);
        put_together(top, places == 0 ? gradient : zero, places == 1 ? gradient : zero, Lanes());
        put_together(bottom, places == 2 ? gradient : zero, places == 3 ? gradient : zero, Lanes());
    }
};

/// Whether a whole vector fits from row i of the outputs on, and two from both of its image rows.
template <class T>
bool is_open(const Windows& v, Index i) {
    constexpr Index lanes = PairsOfRows<T>::lanes;
    return i * v.outputs.cols + lanes <= v.output_size() && (2 * i + 1) * v.image.cols + 2 * lanes <= v.image_size();
}

/// The maxima of a plane, with codes unless they are null.
template <bool relu, class T>
void max_plane_2x2(const T* x, const Windows& v, T* y, std::uint8_t* codes) {
    for (Index i = 0; i < v.outputs.rows; ++i) {
        const T* top = x + 2 * i * v.image.cols;
        const Index at = i * v.outputs.cols;
        PairsOfRows<T>::template maxima<relu>(top, top + v.image.cols, v.outputs.cols, is_open<T>(v, i), y + at,
                                              codes ? codes + at : nullptr);
    }
}

/// The adjoint of take_plane_2x2: g where the codes say, zeros elsewhere.
template <class T>
void spread_plane_2x2(const T* g, const std::uint8_t* codes, const Windows& v, T* dx) {
    const Index width = v.image.cols, covered = 2 * v.outputs.cols;
    for (Index i = 0; i < v.outputs.rows; ++i) {
        T* top = dx + 2 * i * width;
        T* bottom = top + width;
        const Index at = i * v.outputs.cols;
        PairsOfRows<T>::spread(g + at, codes + at, v.outputs.cols, is_open<T>(v, i), top, bottom);
        std::fill(top + covered, top + width, T(0));
        std::fill(bottom + covered, bottom + width, T(0));
    }
    std::fill(dx + 2 * v.outputs.rows * width, dx + v.image_size(), T(0));
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
