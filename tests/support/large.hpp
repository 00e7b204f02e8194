#pragma once

#include <xtape/autograd/random.hpp>
#include <xtape/autograd/storage.hpp>

/// Arrays so large that element-wise results of them wait until they are read.
namespace large {

using xtape::Array;
using xtape::DType;
using xtape::Index;

inline constexpr Index many = 200003;  // several pieces of work, the last one no multiple of any vector

inline Array numbers(std::uint64_t seed, DType dtype = xtape::float32) {
    xtape::Generator generator(seed);
    return xtape::random::uniform({many}, 0.1, 0.9, generator, dtype);
}

inline std::size_t live() { return xtape::storage::stats().live_bytes; }

/// How many arrays of `many` numbers have come to life since `before` was read.
inline std::size_t arrays_since(std::size_t before) { return (live() - before + many * 2) / (many * 4); }

}  // namespace large
