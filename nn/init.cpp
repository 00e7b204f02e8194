#include <xtape/nn/init.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>

namespace xtape::nn::init {

Fans fans(const Shape& weight, Where where) {
    const auto size = [&](Index axis) { return static_cast<double>(weight[axis]); };
    if (weight.rank() == 2) return {size(0), size(1)};
    if (weight.rank() == 4) return {size(1) * size(2) * size(3), size(0) * size(2) * size(3)};
    throw ShapeError(fmt::format("fans: the weight must be (in, out) or (out, in, rows, columns): {} has {} axes",
                                 to_string(weight), weight.rank()),
                     where);
}

void zeros(Parameter& parameter) { constant(parameter, 0); }
void ones(Parameter& parameter) { constant(parameter, 1); }

void constant(Parameter& parameter, double value) {
    parameter.assign(Array::filled(parameter.shape(), parameter.dtype(), value));
}

void uniform(Parameter& parameter, double low, double high, Generator& generator) {
    parameter.assign(random::uniform(parameter.shape(), low, high, generator, parameter.dtype()));
}

void normal(Parameter& parameter, double mean, double deviation, Generator& generator) {
    parameter.assign(random::normal(parameter.shape(), mean, deviation, generator, parameter.dtype()));
}

namespace {

/// sqrt(2 / (a sum of fans)), and 0 for an empty weight, which has nothing to fill.
double deviation_for(double gain, double fan) { return fan > 0 ? gain * std::sqrt(2 / fan) : 0; }

double xavier_deviation(const Parameter& weight, double gain, Where where) {
    const Fans f = fans(weight.shape(), where);
    return deviation_for(gain, f.in + f.out);
}

double kaiming_deviation(const Parameter& weight, double slope, Fan fan, Where where) {
    const Fans f = fans(weight.shape(), where);
    return deviation_for(1 / std::sqrt(1 + slope * slope), fan == Fan::in ? f.in : f.out);
}

/// A uniform distribution of this deviation.
void symmetric(Parameter& weight, double deviation, Generator& generator) {
    const double bound = std::sqrt(3.0) * std::abs(deviation);
    uniform(weight, -bound, bound, generator);
}

}  // namespace

void xavier_uniform(Parameter& weight, Generator& generator, double gain, Where where) {
    symmetric(weight, xavier_deviation(weight, gain, where), generator);
}

void xavier_normal(Parameter& weight, Generator& generator, double gain, Where where) {
    normal(weight, 0, std::abs(xavier_deviation(weight, gain, where)), generator);
}

void kaiming_uniform(Parameter& weight, Generator& generator, double slope, Fan fan, Where where) {
    symmetric(weight, kaiming_deviation(weight, slope, fan, where), generator);
}

void kaiming_normal(Parameter& weight, Generator& generator, double slope, Fan fan, Where where) {
    normal(weight, 0, kaiming_deviation(weight, slope, fan, where), generator);
}

namespace {

/// Four sums side by side, which the processor can add at the same time.
double inner_product(const double* a, const double* b, Index n) {
    double sums[4] = {};
    Index i = 0;
    for (; i + 4 <= n; i += 4)
        for (Index k = 0; k < 4; ++k) sums[k] += a[i + k] * b[i + k];
    for (; i < n; ++i) sums[0] += a[i] * b[i];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/// Makes `count` random rows of `length` >= count orthonormal, one after another, by modified Gram-Schmidt; doing it
/// twice makes them so to rounding (Giraud et al., 2005). From normal numbers this is uniform over all such matrices.
std::vector<double> orthonormal_rows(Index count, Index length, Generator& generator) {
    const Array normal = random::normal({count, length}, 0, 1, generator, float64);
    std::vector<double> rows(normal.data<double>(), normal.data<double>() + normal.size());
    for (Index i = 0; i < count; ++i) {
        double* row = rows.data() + i * length;
        for (;;) {
            const double before = std::sqrt(inner_product(row, row, length));
            for (int pass = 0; pass < 2; ++pass)
                for (Index j = 0; j < i; ++j) {
                    const double* other = rows.data() + j * length;
                    const double along = inner_product(row, other, length);
                    for (Index k = 0; k < length; ++k) row[k] -= along * other[k];
                }
            const double norm = std::sqrt(inner_product(row, row, length));
            if (norm > 1e-8 * before) {
                for (Index k = 0; k < length; ++k) row[k] /= norm;
                break;
            }
            for (Index k = 0; k < length; ++k) row[k] = generator.normal();  // it lay in the span of the others
        }
    }
    return rows;
}

}  // namespace

void orthogonal(Parameter& weight, Generator& generator, double gain, Where where) {
    const Shape& shape = weight.shape();
    if (shape.rank() < 2)
        throw ShapeError(
            fmt::format("orthogonal: the weight must have at least 2 axes: {} has {}", to_string(shape), shape.rank()),
            where);
    const Index rows = shape[0], cols = rows > 0 ? weight.size() / rows : 0;
    const Index count = std::min(rows, cols), length = std::max(rows, cols);
    const std::vector<double> q = orthonormal_rows(count, length, generator);
    Array values = Array::uninitialized(shape, weight.dtype());
    dispatch(weight.dtype(), [&](auto tag) {
        using T = decltype(tag);
        T* out = values.mutable_data<T>();
        for (Index i = 0; i < rows; ++i)
            for (Index j = 0; j < cols; ++j) {
                const Index at = rows <= cols ? i * length + j : j * length + i;
                out[i * cols + j] = static_cast<T>(gain * q[static_cast<std::size_t>(at)]);
            }
    });
    weight.assign(std::move(values), where);
}

Parameter layer_default(const Shape& shape, double fan_in, Generator& generator) {
    const double bound = 1 / std::sqrt(fan_in);
    return random::uniform(shape, -bound, bound, generator);
}

}  // namespace xtape::nn::init
