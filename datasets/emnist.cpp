#include <xtape/datasets/emnist.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include <xtape/datasets/byte_source.hpp>
#include <xtape/datasets/csv_text.hpp>
#include <xtape/datasets/idx.hpp>

namespace xtape::datasets {
namespace {

namespace fs = std::filesystem;

bool ends_with(const std::string& text, const std::string& end) {
    return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

std::string find_mapping(const fs::path& folder, const std::string& name) {
    for (const std::string& candidate : {name + "-mapping.txt", std::string("mapping.txt")})
        if (std::error_code ignored; fs::exists(folder / candidate, ignored)) return (folder / candidate).string();
    std::vector<std::string> others;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error))
        if (ends_with(entry.path().filename().string(), "mapping.txt")) others.push_back(entry.path().string());
    if (others.size() == 1) return others[0];
    throw DataError(fmt::format("{}: no such file, nor mapping.txt; {} other files there end in mapping.txt",
                                (folder / (name + "-mapping.txt")).string(), others.size()));
}

Variable oriented(Variable images, Orientation orientation) {
    return orientation == Orientation::upright ? transposed_images(images) : images;
}

ImageSet read_part(const std::string& prefix, const EmnistMapping& mapping, Orientation orientation) {
    // Names for the labels below the first one too, so that positions are the labels of the file.
    std::vector<std::string> names(static_cast<std::size_t>(mapping.first_label));
    names.insert(names.end(), mapping.classes.begin(), mapping.classes.end());
    const std::string labels = plain_or_packed(prefix + "-labels-idx1-ubyte");
    ImageSet set = read_image_set(plain_or_packed(prefix + "-images-idx3-ubyte"), labels, std::move(names));
    for (std::int64_t& label : set.labels) {
        if (label < mapping.first_label)
            throw DataError(fmt::format("{}: byte {}: label out of range: expected at least {}, found {}", labels,
                                        8 + (&label - set.labels.data()), mapping.first_label, label));
        label -= mapping.first_label;
    }
    set.classes = mapping.classes;
    set.images = oriented(set.images, orientation);
    return set;
}

/// Of a folder's file NAME-train.csv or NAME-test.csv.
std::string name_before_part(const fs::path& file) {
    const std::string name = file.filename().string();
    return name.substr(0, std::max(name.rfind("-train") + 1, name.rfind("-test") + 1) - 1);
}

}  // namespace

Variable transposed_images(const Variable& images, Where where) {
    if (images.rank() != 4)
        throw ShapeError(fmt::format("transposed_images: needs (N, C, H, W): {}", to_string(images.shape())), where);
    return permute(images, {0, 1, 3, 2}, where);
}

EmnistMapping read_emnist_mapping(const std::string& path) {
    const CsvText text(path, ' ', CsvHeader::absent);
    const Index columns = text.columns();
    if (columns != 2 && columns != 3) text.fail(0, 0, "expected a label and one or two ASCII codes");
    text.check_size();
    std::vector<std::uint8_t> numbers(static_cast<std::size_t>(text.rows() * columns));
    text.parse(numbers.data());
    EmnistMapping mapping;
    mapping.first_label = numbers[0];
    if (mapping.first_label > 1)
        text.fail(0, 0, fmt::format("expected the first label, 0 or 1, found {}", mapping.first_label));
    for (Index row = 0; row < text.rows(); ++row) {
        const std::uint8_t* line = numbers.data() + row * columns;
        if (line[0] != mapping.first_label + row)
            text.fail(row, 0, fmt::format("expected label {}, found {}", mapping.first_label + row, line[0]));
        std::string name;
        for (Index column = 1; column < columns; ++column) {
            if (line[column] <= ' ' || line[column] > '~')
                text.fail(row, column, fmt::format("expected the code of a character, found {}", line[column]));
            name += static_cast<char>(line[column]);
        }
        mapping.classes.push_back(std::move(name));
    }
    return mapping;
}

ImageSets emnist(const std::string& folder, const std::string& split, const std::string& mapping_path,
                 Orientation orientation) {
    const std::string images = "-train-images-idx3-ubyte";
    std::string name = split;
    for (const std::string end : {"", ".gz"})
        if (std::error_code ignored; fs::exists(fs::path(folder) / ("emnist-" + split + images + end), ignored))
            name = "emnist-" + split;
    const std::string prefix = (fs::path(folder) / name).string();
    plain_or_packed(prefix + images);  // without the images there is no need to look for a mapping
    const EmnistMapping mapping = read_emnist_mapping(mapping_path.empty() ? find_mapping(folder, name) : mapping_path);
    return {read_part(prefix + "-train", mapping, orientation), read_part(prefix + "-test", mapping, orientation)};
}

ImageSet read_emnist_csv(const std::string& path, const std::string& mapping_path, Orientation orientation) {
    const CsvText text(path, ',', CsvHeader::detect);
    const Index pixels = text.columns() - 1;
    const auto side = static_cast<Index>(std::sqrt(static_cast<double>(pixels)));
    if (pixels < 1 || side * side != pixels)
        text.fail(0, text.columns() - 1,
                  fmt::format("expected a label and the pixels of a square image, found {} fields", text.columns()));
    const fs::path file(path);
    const EmnistMapping mapping =
        read_emnist_mapping(mapping_path.empty() ? find_mapping(file.parent_path().empty() ? "." : file.parent_path(),
                                                                name_before_part(file))
                                                 : mapping_path);
    text.check_size();
    std::vector<std::uint8_t> numbers(static_cast<std::size_t>(text.rows() * text.columns()));
    text.parse(numbers.data());

    ImageSet set;
    set.classes = mapping.classes;
    set.labels = IntArray::from_shape({static_cast<std::size_t>(text.rows())});
    Array images = Array::uninitialized({text.rows(), 1, side, side}, float32);
    const auto classes = static_cast<Index>(mapping.classes.size());
    for (Index row = 0; row < text.rows(); ++row) {
        const std::uint8_t* line = numbers.data() + row * text.columns();
        const Index label = line[0] - mapping.first_label;
        if (label < 0 || label >= classes)
            text.fail(row, 0,
                      fmt::format("label out of range: expected {} to {}, found {}", mapping.first_label,
                                  mapping.first_label + classes - 1, line[0]));
        set.labels.data()[row] = label;
        std::transform(line + 1, line + 1 + pixels, images.mutable_data<float>() + row * pixels, to_unit);
    }
    set.images = oriented(images, orientation);
    return set;
}

}  // namespace xtape::datasets
