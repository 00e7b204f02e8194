#include <xtape/optim/average.hpp>

#include <fmt/format.h>

#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/optim/check.hpp>

namespace xtape::optim {
namespace {

constexpr Index grain = 16384;

/// average += share (value - average).
void move(Array& average, const Array& value, double share) {
    dispatch(value.dtype(), [&](auto tag) {
        using T = decltype(tag);
        T* a = average.mutable_data<T>();
        const T* x = value.data<T>();
        const T part = static_cast<T>(share);
        kernels::parallel_for(value.size(), grain, [&](Index begin, Index end) {
            for (Index i = begin; i < end; ++i) a[i] += part * (x[i] - a[i]);
        });
    });
}

}  // namespace

WeightAverage::WeightAverage(const ParameterList& parameters, double decay, Where where)
    : parameters_(parameters), decay_(decay) {
    check_range("WeightAverage", "decay", decay, 0, 1, where);
}

void WeightAverage::update() {
    total_ = decay_ * total_ + 1;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        const Array& value = parameters_[i].array();
        if (i == averages_.size()) averages_.push_back(value.copy());
        if (!averages_[i].unique()) averages_[i] = averages_[i].copy();  // apply() has handed it out
        move(averages_[i], value, 1 / total_);
    }
}

Restore WeightAverage::apply(Where where) const {
    if (averages_.size() != parameters_.size())
        throw Error("WeightAverage: there is no average before update()", where);
    Restore restore = snapshot_of(parameters_)();
    for (std::size_t i = 0; i < averages_.size(); ++i) parameters_[i].assign(averages_[i], where);
    return restore;
}

}  // namespace xtape::optim
