#include <xtape/nn/pooling.hpp>

#include <fmt/format.h>

#include <xtape/autograd/ops.hpp>
#include <xtape/nn/check.hpp>

namespace xtape::nn {

Pool2d::Pool2d(const char* name, Pair kernel, std::optional<Pair> stride, Padding padding, Where where)
    : kernel_(kernel), stride_(stride.value_or(kernel)), padding_(padding), name_(name) {
    check::setting(name, "kernel", kernel_, 1, where);
    check::setting(name, "stride", stride_, 1, where);
    check::padding(name, padding_, where);
}

void Pool2d::check_input(const Variable& x, Where where) const {
    check::rank(*this, x, 4, "(N, C, H, W)", where);
    check::window(*this, x, kernel_, 1, padding_, where);
}

std::string Pool2d::describe() const {
    return fmt::format("{}({}{}{})", name_, text::of(kernel_), text::option("stride", stride_, kernel_),
                       text::option("padding", padding_));
}

MaxPool2d::MaxPool2d(Pair kernel, std::optional<Pair> stride, Padding padding, Where where)
    : Pool2d("MaxPool2d", kernel, stride, padding, where) {}

Variable MaxPool2d::operator()(Variable x, Where where) const {
    const auto scope = calling();
    check_input(x, where);
    return called(max_pool2d(std::move(x), kernel_, stride_, padding_, where));
}

bool MaxPool2d::halves() const {
    const bool padded =
        padding_.is_same() || padding_.top() || padding_.bottom() || padding_.left() || padding_.right();
    return kernel_ == Pair(2) && stride_ == Pair(2) && !padded;
}

AvgPool2d::AvgPool2d(Pair kernel, std::optional<Pair> stride, Padding padding, Where where)
    : Pool2d("AvgPool2d", kernel, stride, padding, where) {}

Variable AvgPool2d::operator()(Variable x, Where where) const {
    const auto scope = calling();
    check_input(x, where);
    return called(avg_pool2d(std::move(x), kernel_, stride_, padding_, where));
}

}  // namespace xtape::nn
