#include <xtape/datasets/image_set.hpp>

#include <algorithm>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include <xtape/datasets/byte_source.hpp>
#include <xtape/datasets/idx.hpp>

namespace xtape::datasets {
namespace {

namespace fs = std::filesystem;

ImageSets read_image_sets(const fs::path& folder, const std::vector<std::string>& classes) {
    const auto part = [&](const std::string& prefix) {
        const std::string images = plain_or_packed(folder / (prefix + "-images-idx3-ubyte"));
        return read_image_set(images, plain_or_packed(folder / (prefix + "-labels-idx1-ubyte")), classes);
    };
    return {part("train"), part("t10k")};
}

}  // namespace

ImageSet read_image_set(const std::string& images_path, const std::string& labels_path,
                        std::vector<std::string> classes) {
    ImageSet set;
    set.labels = read_idx_labels(labels_path, static_cast<Index>(classes.size()));
    set.images = read_idx_images(images_path);
    set.classes = std::move(classes);
    if (set.images.shape(0) != static_cast<Index>(set.labels.size()))
        throw DataError(fmt::format("{}: byte 4: counts differ: expected {} labels for the images of {}, found {}",
                                    labels_path, set.images.shape(0), images_path, set.labels.size()));
    return set;
}

ImageSets fashion_mnist(const std::string& folder) {
    return read_image_sets(folder, {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker",
                                    "Bag", "Ankle boot"});
}

ImageSets mnist(const std::string& folder) {
    return read_image_sets(folder, {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"});
}

ImageSet select(const ImageSet& set, const IntArray& positions) {
    return {take(set.images, positions), select(set.labels, positions), set.classes};
}

IntArray select(const IntArray& labels, const IntArray& positions) {
    const auto count = static_cast<Index>(labels.size());
    IntArray chosen = IntArray::from_shape({positions.size()});
    std::transform(positions.begin(), positions.end(), chosen.begin(), [&](std::int64_t position) {
        if (position < 0 || position >= count)
            throw ShapeError(fmt::format("select: position {} does not exist among {} labels", position, count));
        return labels.flat(static_cast<std::size_t>(position));
    });
    return chosen;
}

}  // namespace xtape::datasets
