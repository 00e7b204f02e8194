#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <xtape/optim/curvature.hpp>
#include <xtape/optim/train.hpp>

/// The loss around the parameters' present values, along one direction or in the plane of two (Goodfellow et al.,
/// arXiv:1412.6544; Li et al., arXiv:1712.09913).
namespace xtape::optim {

/// What the parameters move along.
enum class Along {
    filters,      ///< random directions, each filter as long as the parameter's own: see filter_normalized()
    random,       ///< random directions as long as all parameters together
    eigenvectors  ///< of the Hessian, of length 1, those with the largest eigenvalues: where the loss bends most
};

struct LandscapeOptions {
    Along along = Along::filters;
    Index dimensions = 2;   ///< 1 or 2
    Index points = 41;      ///< along each direction; odd, so that the present values are one of them
    double reach = 1;       ///< how far along each direction, to either side, in lengths of the direction
    bool sharpness = true;  ///< whether the largest eigenvalue of the Hessian is found too
    std::uint64_t seed = 0;
    CurvatureOptions curvature = {};
    Snapshot snapshot = {};  ///< of what a loss changes beside the parameters, such as running statistics
};

/// Losses on a line or a square grid around the parameters' values.
struct Landscape {
    Along along;
    Index dimensions;
    std::vector<double> steps;  ///< along each direction; the middle one is 0
    std::vector<double>
        losses;  ///< at steps[i], or in row i and column j at steps[j] along the first direction and steps[i]
                 ///< along the second
    std::vector<Curvature> curvatures;  ///< of the eigenvectors, or only the largest, or none

    /// The loss at the parameters' present values.
    double loss() const { return losses[losses.size() / 2]; }
    /// The largest eigenvalue of the loss's Hessian there; NaN where it was not asked for.
    double sharpness() const;

    /// A row for each point: its steps and its loss.
    std::string csv() const;
    /// Draws it by gnuplot into a file that ends in .svg or .png, and writes csv() beside it, always: a line as a curve, with
    /// the parabola of the curvature along an eigenvector; a plane as a surface and as a map of heights, in logarithms where
    /// the highest is more than 10 times the lowest. Returns whether gnuplot is there; throws as the pictures in report.hpp.
    bool draw(const std::filesystem::path& path, const std::string& title = "", Where where = Where::here()) const;
};

/// The landscape of a loss that is computed from the parameters' present values; nothing is recorded but for the curvature.
/// Afterwards the parameters are bit for bit what they were, also when the loss throws. Losses that are not finite are kept
/// as they are. Throws ValueError on options out of range, a direction of length 0 and an empty list, ShapeError unless the
/// loss has one element, and as largest_curvature.
///
///     const optim::Landscape around = optim::landscape([&] { return loss(net(x), y); }, net.parameters());
///     fmt::print("sharpness {:.3g}\n", around.sharpness());
///     around.draw("landscape.svg");
Landscape landscape(const RecordedLoss& loss, const ParameterList& parameters, const LandscapeOptions& options = {},
                    Where where = Where::here());

/// The same along directions of one's own, one or two, shaped like the parameters, in place of options.along and
/// options.dimensions. Throws as the one above, and ShapeError or DtypeError when they do not fit the parameters.
Landscape landscape(const RecordedLoss& loss, const ParameterList& parameters, const std::vector<Direction>& directions,
                    LandscapeOptions options = {}, Where where = Where::here());

}  // namespace xtape::optim
