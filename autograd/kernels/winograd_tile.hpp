#pragma once

#include <xtape/autograd/kernels/vector.hpp>

/// The arithmetic of Winograd's minimal filtering of tiles with 3 x 3 kernels: y = A^T [(G w G^T) . (B^T d B)] A for one
/// tile, its many channels in the lanes of vectors. The transforms along one axis are evaluations of polynomials at some
/// points and infinity.
namespace xtape::kernels::winograd {

/// Vectors along one axis of a tile.
template <Index n>
struct Line {
    Vector<float> at[n];
};

/// F(4 x 4, 3 x 3) at the points 0, +-3/4, +-3/2: 36 products for 16 outputs where the definition has 144. All constants of B
/// and A are exact, and errors are half of those at the textbook's 0, +-1, +-2.
struct FourByFour {
    static constexpr Index outputs = 4;
    static constexpr Index side = outputs + 2;

    static Line<6> input(const Line<6>& d) {
        Line<6> v;
        v.at[0] = p * d.at[0] - s * d.at[2] + d.at[4];
        pair(d.at[4] - bb * d.at[2], a * (d.at[3] - bb * d.at[1]), v.at[1], v.at[2]);
        pair(d.at[4] - aa * d.at[2], b * (d.at[3] - aa * d.at[1]), v.at[3], v.at[4]);
        v.at[5] = p * d.at[1] - s * d.at[3] + d.at[5];
        return v;
    }

    static Line<4> output(const Line<6>& v) {
        const auto even_a = v.at[1] + v.at[2], odd_a = v.at[1] - v.at[2];
        const auto even_b = v.at[3] + v.at[4], odd_b = v.at[3] - v.at[4];
        return {v.at[0] + even_a + even_b, a * odd_a + b * odd_b, aa * even_a + bb * even_b,
                a * aa * odd_a + b * bb * odd_b + v.at[5]};
    }

    static Line<6> output_adjoint(const Line<4>& y) {
        Line<6> v;
        v.at[0] = y.at[0];
        pair(y.at[0] + aa * y.at[2], a * (y.at[1] + aa * y.at[3]), v.at[1], v.at[2]);
        pair(y.at[0] + bb * y.at[2], b * (y.at[1] + bb * y.at[3]), v.at[3], v.at[4]);
        v.at[5] = y.at[3];
        return v;
    }

    static Line<6> kernel(const Line<3>& w) {
        Line<6> u;
        u.at[0] = (1 / p) * w.at[0];
        pair(weight_a * w.at[0] + weight_a * aa * w.at[2], weight_a * a * w.at[1], u.at[1], u.at[2]);
        pair(weight_b * w.at[0] + weight_b * bb * w.at[2], weight_b * b * w.at[1], u.at[3], u.at[4]);
        u.at[5] = w.at[2];
        return u;
    }

    static Line<3> kernel_adjoint(const Line<6>& u) {
        const auto even_a = weight_a * (u.at[1] + u.at[2]), odd_a = weight_a * (u.at[1] - u.at[2]);
        const auto even_b = weight_b * (u.at[3] + u.at[4]), odd_b = weight_b * (u.at[3] - u.at[4]);
        return {(1 / p) * u.at[0] + even_a + even_b, a * odd_a + b * odd_b, aa * even_a + bb * even_b + u.at[5]};
    }

private:
    static constexpr float a = 0.75F, b = 1.5F, aa = a * a, bb = b * b, p = aa * bb, s = aa + bb;
    // 1 / M'(point) of M(x) = x (x^2 - a^2) (x^2 - b^2)
    static constexpr float weight_a = 1 / (2 * aa * (aa - bb)), weight_b = 1 / (2 * bb * (bb - aa));

    /// The values at a point and at its negative, from the even and the odd part of a polynomial.
    static void pair(const Vector<float>& even, const Vector<float>& odd, Vector<float>& plus, Vector<float>& minus) {
        plus = even + odd;
        minus = even - odd;
    }
};

/// F(2 x 2, 3 x 3) at the points 0, +-1: 16 products for 4 outputs, about as exact as the definition.
struct TwoByTwo {
    static constexpr Index outputs = 2;
    static constexpr Index side = outputs + 2;

    static Line<4> input(const Line<4>& d) {
        return {d.at[0] - d.at[2], d.at[2] + d.at[1], d.at[2] - d.at[1], d.at[3] - d.at[1]};
    }

    static Line<2> output(const Line<4>& v) { return {v.at[0] + v.at[1] + v.at[2], v.at[1] - v.at[2] + v.at[3]}; }

    static Line<4> output_adjoint(const Line<2>& y) { return {y.at[0], y.at[0] + y.at[1], y.at[0] - y.at[1], y.at[1]}; }

    static Line<4> kernel(const Line<3>& w) {
        const auto even = 0.5F * (w.at[0] + w.at[2]), odd = 0.5F * w.at[1];
        return {w.at[0], even + odd, even - odd, w.at[2]};
    }

    static Line<3> kernel_adjoint(const Line<4>& u) {
        const auto even = 0.5F * (u.at[1] + u.at[2]);
        return {u.at[0] + even, 0.5F * (u.at[1] - u.at[2]), even + u.at[3]};
    }
};

/// `transform` along both axes: of load(i, j) for i, j in [0, in), into store(i, j, vector) for i, j in [0, out).
template <Index in, Index out, class Transform, class Load, class Store>
inline void both_axes(const Transform& transform, const Load& load, const Store& store) {
    Vector<float> half[out][in];
#pragma GCC unroll 6
    for (Index j = 0; j < in; ++j) {
        Line<in> column;
#pragma GCC unroll 6
        for (Index i = 0; i < in; ++i) column.at[i] = load(i, j);
        const Line<out> transformed = transform(column);
#pragma GCC unroll 6
        for (Index i = 0; i < out; ++i) half[i][j] = transformed.at[i];
    }
#pragma GCC unroll 6
    for (Index i = 0; i < out; ++i) {
        Line<in> row;
#pragma GCC unroll 6
        for (Index j = 0; j < in; ++j) row.at[j] = half[i][j];
        const Line<out> transformed = transform(row);
#pragma GCC unroll 6
        for (Index j = 0; j < out; ++j) store(i, j, transformed.at[j]);
    }
}

}  // namespace xtape::kernels::winograd
