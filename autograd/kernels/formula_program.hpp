#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include <xtape/autograd/kernels/formula_steps.hpp>

namespace xtape::kernels {

/// A formula made ready for passes over arrays, for one element type and one choice of which arguments move and which stand
/// still. Steps read and write places: arguments, outputs, registers (a block of numbers each) and what stands still (a batch).
template <class T>
struct FormulaProgram {
    using Place = std::uint32_t;

    struct Step {
        StepFunction<T> run;
        Place out, a, b, c;
    };
    struct Sum {
        Place place;
        std::size_t output;
    };

    /// Bit k of `moves` is set where argument k moves, bit o of `summed` where output o is wanted as a sum only.
    FormulaProgram(const Formula& formula, std::uint64_t moves, std::uint64_t summed);

    Place argument(std::size_t k) const { return static_cast<Place>(k); }
    Place output(std::size_t o) const { return static_cast<Place>(arguments + o); }
    Place reg(std::size_t r) const { return static_cast<Place>(arguments + outputs + r); }
    Place still(std::size_t s) const { return static_cast<Place>(arguments + outputs + registers + s); }
    std::size_t places() const { return arguments + outputs + registers + stills; }

    std::uint64_t moves, summed;
    std::size_t arguments, outputs, registers = 0, stills = 0;
    std::vector<Step> still_steps;  ///< done once
    std::vector<Step> steps;        ///< done for every block
    std::vector<std::pair<Place, T>> constants;
    std::vector<std::pair<Place, std::size_t>> still_arguments;
    std::vector<Sum> sums;
    /// Whether output o may be stored where the last argument lies: nothing reads that afterwards.
    std::vector<bool> may_overwrite;
};

}  // namespace xtape::kernels
