#include <xtape/nn/reshaping.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <xtape/autograd/ops.hpp>
#include <xtape/nn/check.hpp>

namespace xtape::nn {

Variable Flatten::operator()(Variable x, Where where) const {
    const auto scope = calling();
    check::value(*this, x, where);
    const Index start = start_axis_ < 0 ? start_axis_ + x.rank() : start_axis_;
    if (start < 0 || start >= x.rank())
        throw ShapeError(fmt::format("{}: the input must have axis {}: {} has {} axes", describe(), start_axis_,
                                     to_string(x.shape()), x.rank()),
                         where);
    return called(flatten(std::move(x), start, where));
}

std::string Flatten::describe() const {
    return start_axis_ == 1 ? "Flatten()" : fmt::format("Flatten({})", start_axis_);
}

Reshape::Reshape(const Shape& sample_shape, Where where) : sample_shape_(sample_shape) {
    const auto unknown = std::count(sample_shape.begin(), sample_shape.end(), -1);
    if (unknown > 1 || std::any_of(sample_shape.begin(), sample_shape.end(), [](Index size) { return size < -1; }))
        throw ValueError(fmt::format("{}: sizes must be at least 0, but for one -1", describe()), where);
    if (sample_shape.rank() == Shape::max_rank)
        throw ValueError(fmt::format("{}: at most {} axes beside the samples'", describe(), Shape::max_rank - 1),
                         where);
    for (Index size : sample_shape)
        if (size != -1 && __builtin_mul_overflow(known_, size, &known_))
            throw ValueError(fmt::format("{}: more elements than memory can address", describe()), where);
}

Variable Reshape::operator()(Variable x, Where where) const {
    const auto scope = calling();
    check::value(*this, x, where);
    if (x.rank() == 0)
        throw ShapeError(fmt::format("{}: the input must have an axis of samples, and has rank 0", describe()), where);
    const Shape sample(x.shape().begin() + 1, x.shape().end());
    const Index count = sample.count();
    const bool fits = sample_shape_.contains(-1) ? known_ > 0 && count % known_ == 0 : count == known_;
    if (!fits)
        throw ShapeError(fmt::format("{}: a sample {} of {} elements does not fit into {} of {}", describe(),
                                     to_string(sample), count, to_string(sample_shape_), known_),
                         where);
    Shape wanted{x.shape()[0]};
    for (Index size : sample_shape_) wanted.push_back(size == -1 ? count / known_ : size);
    return called(reshape(std::move(x), wanted, where));
}

std::string Reshape::describe() const { return fmt::format("Reshape({})", to_string(sample_shape_)); }

}  // namespace xtape::nn
