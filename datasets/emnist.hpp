#pragma once

#include <string>
#include <vector>

#include <xtape/datasets/image_set.hpp>

/// EMNIST: handwritten digits and letters of 28 x 28 (G. Cohen, S. Afshar, J. Tapson, A. van Schaik, arXiv:1702.05373), in
/// any of its splits and in either form in which it is handed round.
namespace xtape::datasets {

/// How images lie in memory. EMNIST's files, of both forms, hold them transposed.
enum class Orientation { upright, stored };

/// Images (N, C, H, W) with rows and columns exchanged: what makes an image of EMNIST's files upright. Throws ShapeError.
Variable transposed_images(const Variable& images, Where where = Where::here());

/// The classes of a split.
struct EmnistMapping {
    std::vector<std::string> classes;  ///< "A", or "Aa" where both cases are one class
    Index first_label = 0;             ///< the label of classes[0] in the files: 1 in the split "letters", else 0
};

/// Reads a mapping.txt: a label and one or two ASCII codes in each line. Throws DataError, also when labels do not follow
/// one another.
EmnistMapping read_emnist_mapping(const std::string& path);

/// Reads NAME-train-images-idx3-ubyte and its three sisters (-labels-idx1-ubyte, -test-), plain or .gz, of a folder; NAME is
/// `split` or emnist-`split`: "balanced", "byclass", "bymerge", "letters", "digits", "mnist", or anything else that is there.
/// The classes come from the file `mapping`; without one from NAME-mapping.txt, mapping.txt, or the folder's only file that
/// ends in mapping.txt. Throws DataError.
ImageSets emnist(const std::string& folder, const std::string& split, const std::string& mapping = {},
                 Orientation orientation = Orientation::upright);

/// Reads one part in Kaggle's form, a label and the pixels of a square image in each row, with or without a header row.
/// The classes come from `mapping`; without one from the file's folder as above, NAME being what stands before -train or
/// -test in the file's name. Throws DataError.
ImageSet read_emnist_csv(const std::string& path, const std::string& mapping = {},
                         Orientation orientation = Orientation::upright);

}  // namespace xtape::datasets
