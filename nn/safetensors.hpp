#pragma once

#include <map>
#include <string>

#include <xtape/nn/module.hpp>

/// The safetensors format (https://github.com/huggingface/safetensors): named arrays in one file that Python and others
/// read. Length of the header (8 bytes, little-endian), header (JSON: dtype, shape and place of each array), elements
/// (little-endian).
namespace xtape::nn {

/// Free text that a file carries.
using Metadata = std::map<std::string, std::string>;

struct TensorFile {
    NamedArrays tensors;  ///< in the order of their elements in the file
    Metadata metadata;
};

/// Writes arrays under their names. The file appears whole or not at all, see AtomicFile. Throws ValueError on an empty
/// array, a name that comes twice, is no UTF-8 or is "__metadata__", and DataError when the system refuses.
void save_tensors(const NamedArrays& tensors, const std::string& path, const Metadata& metadata = {},
                  Where where = Where::here());

/// Reads all arrays, of float32 or float64. A missing or malformed file is a DataError that names file and byte, thrown
/// before anything is allocated that its size does not warrant.
TensorFile load_tensors(const std::string& path, Where where = Where::here());

}  // namespace xtape::nn
