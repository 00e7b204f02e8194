#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include <xtape/autograd/function.hpp>

/// Are the gradients right? The tape's are compared with central differences of the function itself, in float64.
namespace xtape {

/// How gradient_check looks; the defaults suit functions of inputs and outputs around 1.
struct GradCheckOptions {
    int order = 2;            ///< 1: gradients; 2: gradients of gradients too
    double tolerance = 1e-6;  ///< allowed difference, relative to the derivative
    double step = 1e-4;  ///< largest step, times max(1, |x|); smaller ones are tried when its differences do not settle
    int directions = 2;  ///< random directions for each argument
    Index each_element = 64;  ///< arguments up to this size are also checked element by element
    std::uint64_t seed = 0;   ///< of the weights of the outputs and of the directions
};

/// A verdict. `message` is one short paragraph; for a wrong gradient the fields below it name the place and both numbers.
struct GradCheck {
    bool ok = true;
    std::string message;

    int order = 0;             ///< 1 or 2: the order at which the check failed, else 0
    std::string operation;     ///< whose rule is wrong if that could be found out, else the outermost operation
    std::size_t argument = 0;  ///< of f, counted from 1; 0 stands for the gradient that flows in (second order only)
    Index element = -1;        ///< the worst one, in row-major order
    double tape = 0;           ///< its derivative by the tape
    double differences = 0;    ///< its derivative by differences

    explicit operator bool() const { return ok; }
};

namespace detail {

void check_grads(const Function& f, const std::vector<Variable>& xs, const GradCheckOptions& options);
inline void collect(std::vector<Variable>& xs, GradCheckOptions&, const Variable& x) { xs.push_back(x); }
inline void collect(std::vector<Variable>&, GradCheckOptions& options, const GradCheckOptions& given) {
    options = given;
}

}  // namespace detail

/// Compares the tape's gradients of f with central differences, in every argument, at first and second order:
/// `GradCheck verdict = gradient_check(f, {x, y}); BOOST_TEST(verdict.ok, verdict.message);`
///
/// f takes as many Variables as `xs` has, or a std::vector of them, and returns a Variable of any shape, the same one for
/// the same arguments. It is called with float64 leaves that hold the values of `xs`; what it captured may be float32 and
/// is cast where the two meet. Outputs are summed with unequal weights, so that errors cannot cancel. The values must keep
/// a distance of `step` from kinks and poles. Errors that f itself throws pass through; TapeError while a NoGrad lives.
GradCheck gradient_check(const Function& f, const std::vector<Variable>& xs, const GradCheckOptions& options = {});

/// The same with one x after another, and throws an Error with the verdict's message when a gradient is wrong:
/// `check_grads([&](const Variable& z) { return mean(focal(sigmoid(z), t)); }, z);`
/// GradCheckOptions may stand last.
template <class... X>
void check_grads(const FunctionOf<(std::size_t{!std::is_same_v<X, GradCheckOptions>} + ... + 0)>& f, const X&... xs) {
    std::vector<Variable> list;
    GradCheckOptions options;
    (detail::collect(list, options, xs), ...);
    detail::check_grads(f, list, options);
}

}  // namespace xtape
