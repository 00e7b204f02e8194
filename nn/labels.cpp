#include <xtape/nn/labels.hpp>

#include <algorithm>

namespace xtape::nn::labels {

Index first_outside(const IntArray& labels, Index count) {
    const std::int64_t* begin = labels.data();
    const std::int64_t* end = begin + labels.size();
    const auto* found = std::find_if(begin, end, [count](std::int64_t label) { return label < 0 || label >= count; });
    return found == end ? -1 : found - begin;
}

std::int64_t at(const IntArray& labels, Index i) { return labels.data()[i]; }

std::string position(const IntArray& labels, Index i) {
    return position(Shape(labels.shape().begin(), labels.shape().end()), i);
}

std::string position(const Shape& shape, Index i) {
    if (shape.rank() <= 1) return std::to_string(i);
    Shape indices = shape;
    for (Index axis = shape.rank() - 1; axis >= 0; --axis) {
        indices[axis] = i % shape[axis];
        i /= shape[axis];
    }
    return to_string(indices);
}

}  // namespace xtape::nn::labels
