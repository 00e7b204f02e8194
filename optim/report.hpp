#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <xtape/autograd/ops.hpp>
#include <xtape/optim/history.hpp>

/// Pictures of a training and of a model. Each is drawn by gnuplot into a file that ends in .svg or .png (ValueError
/// otherwise) and returns true; where gnuplot is not installed, the numbers go into a .csv beside it, one line on
/// standard error says so, and the result is false. DataError when a file cannot be written.
namespace xtape::optim {

/// Loss, and beside it the metric when there is one, over the epochs: training and validation, under the names that the
/// history gives them; the best epoch is marked. ValueError without epochs.
bool draw_curves(const History& history, const std::filesystem::path& path, const std::string& title = "",
                 Where where = Where::here());

/// One of several functions of a number, given all places at once: element-wise.
struct DrawnFunction {
    std::string title;
    std::function<Variable(const Variable&)> f;
};

/// Functions over [low, high], and in panels beside them their derivatives by the tape, as many as `orders` (0, 1 or 2): what a
/// loss makes of a logit, say, and how hard it pulls. ShapeError on a function that is not element-wise, ValueError on
/// arguments out of range, TapeError under NoGrad.
bool draw_functions(const std::vector<DrawnFunction>& functions, double low, double high,
                    const std::filesystem::path& path, const std::string& title = "", const std::string& argument = "x",
                    Index orders = 2, Where where = Where::here());

/// counts[i][j]: how often class i was taken for class j. Both of the same shape, all labels in [0, classes);
/// ShapeError and ValueError otherwise.
IntArray confusion_matrix(const IntArray& truth, const IntArray& predicted, Index classes, Where where = Where::here());

/// Two classes and how often one was taken for the other.
struct ConfusedPair {
    Index first, second;   ///< first < second
    std::int64_t forward;  ///< the first taken for the second
    std::int64_t back;     ///< the second taken for the first

    std::int64_t count() const { return forward + back; }
};

/// The pairs of classes that a confusion matrix (n, n) has most mistakes for, those first that have more; at most `limit`, and
/// none without a mistake. ShapeError unless it is square.
std::vector<ConfusedPair> most_confused(const IntArray& counts, std::size_t limit, Where where = Where::here());

/// A confusion matrix (n, n) as a heat map, each row coloured by its shares; with the counts up to 20 classes, with lines
/// between the cells up to 100. Without names classes are numbered. ShapeError unless it is square with as many names; ValueError on negative counts.
bool draw_confusion(const IntArray& counts, const std::vector<std::string>& names, const std::filesystem::path& path,
                    const std::string& title = "", Where where = Where::here());

/// A picture on a contact sheet.
struct Tile {
    Array image;        ///< (H, W) or (1, H, W), any range
    std::string title;  ///< may have several lines; broken at spaces where it is too long
};

/// Grey images in a grid, from the lowest value in all of them (black) to the highest (white); 0 columns: about square.
/// ShapeError on images of other shapes, ValueError on an empty list.
bool draw_contact_sheet(const std::vector<Tile>& tiles, const std::filesystem::path& path,
                        const std::string& title = "", Index columns = 0, Where where = Where::here());

/// The mistakes made with the greatest confidence, at most `limit`, for a contact sheet: images (N, 1, H, W) whose largest
/// of the probabilities (N, C), the first in a tie, is not at the label, titled "cat 93 %, is dog". An empty list when all is
/// right. ShapeError unless there are N labels and C classes' names, ValueError on a label out of range.
std::vector<Tile> worst_mistakes(const Variable& images, const Variable& probability, const IntArray& labels,
                                 const std::vector<std::string>& classes, std::size_t limit = 30,
                                 Where where = Where::here());

/// The kernels of a convolution's weights (K, C, h, w), red where positive and blue where negative: in a square when C
/// is 1, else a row for each of the K, a column for each of the C. At most the first 64 rows and columns. ShapeError on
/// another rank.
bool draw_filters(const Array& weights, const std::filesystem::path& path, const std::string& title = "",
                  Where where = Where::here());

/// Called with points (m, 2), gives m values in [0, 1]: the probability of class 1.
using Probability = std::function<Variable(const Variable&)>;

/// Points (n, 2) coloured by their n labels; behind them, when given, `probability`; its line at 1/2 is drawn. ShapeError
/// and ValueError on other shapes.
bool draw_boundary(const Array& points, const Array& labels, const Probability& probability,
                   const std::filesystem::path& path, const std::string& title = "", Where where = Where::here());

/// One of several such pictures.
struct Boundary {
    std::string title;
    Probability probability;
};

/// The same points once for each of `boundaries`, with its probability behind them, as panels of one picture: how a
/// boundary forms, or what several models make of the same points. 0 columns: three or four. Throws as draw_boundary does,
/// and ValueError without boundaries.
bool draw_boundaries(const Array& points, const Array& labels, const std::vector<Boundary>& boundaries,
                     const std::filesystem::path& path, const std::string& title = "", Index columns = 0,
                     Where where = Where::here());

}  // namespace xtape::optim
