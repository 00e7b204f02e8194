#pragma once

#include <array>

#include <xtape/autograd/kernels/moments.hpp>
#include <xtape/autograd/kernels/normalization.hpp>

/// Batch normalisation seen from one channel: what its numbers are multiplied by and what is added to them.
namespace xtape::kernels {

namespace detail {

inline double at(const Array& values, Index i, double otherwise) { return values ? values.at(i) : otherwise; }

}  // namespace detail

/// y = (x - centre) scale + shift.
template <class T>
struct ChannelNorm {
    ChannelNorm(const Moments& moments, Index channel, const Array& weight, const Array& bias, double eps) {
        const Normalizer<T> normal(moments.mean.at(channel), moments.variance.at(channel), eps);
        const double factor = normal.inverse * detail::at(weight, channel, 1);
        centre = normal.centre;
        scale = static_cast<T>(factor);
        shift = static_cast<T>(detail::at(bias, channel, 0) - normal.rest * factor);
    }

    T centre, scale, shift;
};

/// dx = g scale + (x - centre) slant + shift, and the gradients of weight and bias.
template <class T>
struct ChannelNormSlope {
    /// From the sums of g and of g (x - centre) over the `count` numbers of the channel:
    ///   dx = w / deviation (g - mean(g) - x' mean(g x')), x' being the normalised x.
    ChannelNormSlope(const Moments& moments, Index channel, const Array& weight, double eps, double of_g,
                     double of_products, Index count) {
        const Normalizer<T> normal(moments.mean.at(channel), moments.variance.at(channel), eps);
        const double factor = normal.inverse * detail::at(weight, channel, 1), n = static_cast<double>(count);
        const double of_normalized = (of_products - normal.rest * of_g) * normal.inverse;
        const double by_distance = -factor * normal.inverse * of_normalized / n;
        dweight = static_cast<T>(of_normalized);
        dbias = static_cast<T>(of_g);
        scale = static_cast<T>(factor);
        slant = static_cast<T>(by_distance);
        shift = static_cast<T>(-factor * of_g / n - by_distance * normal.rest);
    }

    T dweight, dbias, scale, slant, shift;
};

}  // namespace xtape::kernels
