#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <xtape/autograd/ops.hpp>

/// IDX files of unsigned bytes (Y. LeCun's MNIST format), plain or gzip: a gzip file is known by its first bytes, a
/// name that ends in .gz promises one. Whatever is wrong with a file is a DataError that names the file, the byte (of
/// the unpacked data, unless the packing itself is broken) and what was expected; memory grows only with bytes that are
/// really there.
namespace xtape::datasets {

/// The contents of an IDX file: sizes, and the bytes in row-major order.
struct Idx {
    Shape shape;
    std::vector<std::uint8_t> bytes;
};

/// Reads an IDX file of `rank` axes. Throws DataError.
Idx read_idx(const std::string& path, Index rank);

/// Writes an IDX file, gzipped when the name ends in .gz, whole or not at all. Throws ShapeError when the bytes do not fill
/// the shape, DataError when the file cannot be written.
void write_idx(const std::string& path, const Idx& content);

/// A grey value in [0, 1].
inline float to_unit(std::uint8_t byte) { return static_cast<float>(byte) / 255.0f; }

/// Images (N, 1, H, W) in [0, 1] from a file of three axes: float32, byte / 255. Throws DataError.
Variable read_idx_images(const std::string& path);

/// Labels (N,) from a file of one axis. Throws DataError, also for a label that is not below `classes`.
IntArray read_idx_labels(const std::string& path, Index classes);

}  // namespace xtape::datasets
