#pragma once

#include <functional>
#include <string>
#include <vector>

#include <xtape/autograd/random.hpp>
#include <xtape/autograd/variable.hpp>

/// Central differences in float64: the half of check_grads that knows nothing of rules.
namespace xtape::detail {

/// What is differentiated: from arguments to outputs, all float64.
using Subject = std::function<std::vector<Variable>(const std::vector<Variable>&)>;

/// Leaves of a tape with these values.
std::vector<Variable> leaves(const std::vector<Array>& values);

/// The outputs when argument k is moved by step * direction.
std::vector<Variable> outputs_near(const Subject& subject, const std::vector<Array>& xs, std::size_t k,
                                   const Array& direction, double step);

/// Numbers in ±[0.5, 1.5): never small, all different, so that nothing cancels by symmetry.
Array uneven(const Shape& shape, Generator& generator);

/// x + step * direction.
Array plus(const Array& x, double step, const Array& direction);

/// The sum of a b, and that of |a b|.
double inner(const Array& a, const Array& b);
double inner_abs(const Array& a, const Array& b);
double largest(const Array& x);

/// From differences of steps h and h / 2, without their error of order h^2.
inline double extrapolated(double coarse, double fine) { return (4 * fine - coarse) / 3; }

/// One derivative by the tape and by differences.
struct Comparison {
    bool ok;
    bool settled;  ///< whether smaller steps change nothing
    double tape;
    double differences;

    double mismatch() const;
    /// The larger of both.
    double scale() const;
};

/// The outputs of a subject summed with uneven weights, and how that sum changes.
class Differences {
public:
    /// Looks at the outputs at xs; `step` and `tolerance` as in GradCheckOptions.
    Differences(const Subject& subject, const std::vector<Array>& xs, double step, double tolerance,
                Generator& generator);

    const std::vector<Variable>& outputs() const { return outputs_; }
    const std::vector<Array>& weights() const { return weights_; }

    /// Whether `gradient` is right for argument k along a direction. Right as soon as one step's differences agree to the
    /// tolerance and to what rounding explains, for that is no accident; otherwise the step that settles best decides.
    Comparison compare(std::size_t k, const Array& gradient, const Array& direction) const;

    /// Words about the slopes to both sides when they differ, else nothing.
    std::string kink(std::size_t k, const Array& direction, double scale) const;

private:
    double slope(std::size_t k, const Array& direction, double from, double to) const;

    const Subject& subject_;
    const std::vector<Array>& xs_;
    double step_;
    double tolerance_;
    std::vector<Variable> outputs_;
    std::vector<Array> weights_;
    double magnitude_ = 0;  // of the weighted sum, from which its rounding follows
};

}  // namespace xtape::detail
