#pragma once

#include <cstdint>

#include <xtape/autograd/array.hpp>
#include <xtape/autograd/kernels/scratch.hpp>
#include <xtape/autograd/kernels/windows.hpp>

/// Pooling of the two last axes of (N, C, H, W), dilation 1; every window touches the image.
namespace xtape::kernels {

/// Where in its window each maximum was: row * kernel columns + column. One byte each for windows of up to 255 places.
class PoolCodes {
public:
    explicit PoolCodes(Index count, const Windows& windows)
        : narrow_(windows.taps() <= 255), bytes_(narrow_ ? count : 0), words_(narrow_ ? 0 : count) {}

    bool narrow() const { return narrow_; }
    std::uint8_t* bytes() const { return bytes_.data(); }
    std::int32_t* words() const { return words_.data(); }

private:
    bool narrow_;
    Scratch<std::uint8_t> bytes_;
    Scratch<std::int32_t> words_;
};

/// The maximum of each window, padding left out; NaN if there is one. Fills `codes` with the places of the first maxima
/// (of the first NaN) in row-major order unless it is null.
Array max_pool(const Array& x, const Windows& windows, PoolCodes* codes);

/// What an operation that ends in ReLU and 2 x 2 maxima keeps, one byte for each output: 0 to 3 says where in its window the
/// first maximum was, row by row; 4 says that no gradient passes, because ReLU made it 0 or it is NaN.
using BlockCodes = Scratch<std::uint8_t>;

/// g (N, C, H', W') at the places that the codes name, zeros elsewhere: (N, C, H, W). Adjoint of block_gather.
Array block_scatter(const Array& g, const Windows& windows, const BlockCodes& codes);

/// What stands in x (N, C, H, W) at the places that the codes name, 0 where they name none: (N, C, H', W').
Array block_gather(const Array& x, const Windows& windows, const BlockCodes& codes);

/// Adds each element of g (N, C, H', W') to the place of its maximum: (N, C, H, W). Adjoint of max_pool_gather.
Array max_pool_scatter(const Array& g, const Windows& windows, const PoolCodes& codes);

/// Takes from x (N, C, H, W) what stands at the places of the maxima: (N, C, H', W').
Array max_pool_gather(const Array& x, const Windows& windows, const PoolCodes& codes);

/// The sum of each window divided by the number of its places, those in the padding included.
Array average_pool(const Array& x, const Windows& windows);

/// Shares each element of g out evenly over its window. Adjoint of average_pool.
Array average_pool_spread(const Array& g, const Windows& windows);

}  // namespace xtape::kernels
