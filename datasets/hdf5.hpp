#pragma once

#include <string>

#include <xtape/autograd/ops.hpp>

/// HDF5 files: the numbers of a dataset, which is named by its path within the file ("X_train", "group/images"). Integers
/// of any size and floating-point numbers in any byte order, of up to eight axes, packed or not. Whatever is wrong is a
/// DataError that names the file and the dataset; sizes are held against what the file has before memory is taken.
namespace xtape::datasets {

/// All elements of a dataset, converted to `dtype`: integers beyond 2^24 lose digits in float32. Throws DataError, also
/// when there is no such dataset or it holds anything but numbers.
Array read_hdf5(const std::string& path, const std::string& dataset, DType dtype = float32);

/// All elements of a dataset of integers, or of floating-point numbers that are whole. Throws DataError, also for a
/// number that is not whole or does not fit.
IntArray read_hdf5_integers(const std::string& path, const std::string& dataset);

}  // namespace xtape::datasets
