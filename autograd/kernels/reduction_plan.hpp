#pragma once

#include <xtape/autograd/shape.hpp>

/// Which elements of an array go into which output of a reduction.
namespace xtape::kernels {

inline constexpr Index few_elements = 4096;  // where preparing a reduction would cost more than it

/// A reduction after merging adjacent axes of the same kind. Either the innermost run is reduced, to one value per
/// output; or it is kept, and `rows` consecutive runs are added up, `outer` times.
struct ReductionPlan {
    ReductionPlan(const Shape& x, const Shape& axes);

    bool inner_reduced = false;
    Index run = 1;      ///< elements of the innermost run
    Index rows = 1;     ///< runs in a row that go into the same output run; 1 when the run itself is reduced
    Index outputs = 1;  ///< output runs; single values when the run is reduced
    Index outer = 1;    ///< how many blocks of `rows` runs go into one output run
    Shape kept_sizes, kept_strides, reduced_sizes, reduced_strides;

    /// Whether it is one short matrix that is reduced to a row.
    bool is_few_rows() const { return !inner_reduced && is_short(); }
    /// Whether it is one short run that is reduced to a number.
    bool is_one_run() const { return inner_reduced && is_short(); }
    Index output_width() const { return inner_reduced ? 1 : run; }
    Index output_offset(Index i) const { return offset(kept_sizes, kept_strides, i); }
    void output_offsets(Index first, Index count, Index* offsets) const {
        if (kept_sizes.rank() > 1)
            for (Index i = 0; i < count; ++i) offsets[i] = output_offset(first + i);
        else
            for (Index i = 0; i < count; ++i) offsets[i] = kept_sizes.empty() ? 0 : (first + i) * kept_strides[0];
    }
    Index block_offset(Index i) const { return offset(reduced_sizes, reduced_strides, i); }

private:
    bool is_short() const { return outputs == 1 && outer == 1 && rows * run <= few_elements; }

    static Index offset(const Shape& sizes, const Shape& strides, Index i) {
        Index elements = 0, axis = sizes.rank() - 1;
        for (; axis > 0; --axis) {
            elements += i % sizes[axis] * strides[axis];
            i /= sizes[axis];
        }
        return axis == 0 ? elements + i * strides[0] : 0;
    }
};

}  // namespace xtape::kernels
