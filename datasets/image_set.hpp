#pragma once

#include <string>
#include <vector>

#include <xtape/autograd/ops.hpp>

namespace xtape::datasets {

/// Labelled images.
struct ImageSet {
    Variable images;                   ///< (N, 1, H, W), float32 in [0, 1]
    IntArray labels;                   ///< (N,), positions in `classes`
    std::vector<std::string> classes;  ///< their names

    Index size() const { return images.shape(0); }
};

/// The parts of a published set: train on one, report on the other.
struct ImageSets {
    ImageSet train, test;
};

/// Images and labels from two IDX files. Throws DataError, also when their counts differ.
ImageSet read_image_set(const std::string& images_path, const std::string& labels_path,
                        std::vector<std::string> classes);

/// Fashion-MNIST: 60 000 + 10 000 images of 28 x 28, ten kinds of clothing (H. Xiao, K. Rasul, R. Vollgraf,
/// arXiv:1708.07747). The folder holds the four files with or without .gz; Debian's package dataset-fashion-mnist puts
/// them into /usr/share/datasets/fashion-mnist. Throws DataError.
ImageSets fashion_mnist(const std::string& folder);

/// MNIST's digits, files named as for Fashion-MNIST. Throws DataError.
ImageSets mnist(const std::string& folder);

/// The images at `positions`, in that order. Throws ShapeError when one does not exist.
ImageSet select(const ImageSet& set, const IntArray& positions);

/// The labels at `positions`, in that order. Throws ShapeError when one does not exist.
IntArray select(const IntArray& labels, const IntArray& positions);

}  // namespace xtape::datasets
