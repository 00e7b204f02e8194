#pragma once

#include <optional>
#include <vector>

#include <xtensor/xslice.hpp>

#include <xtape/autograd/shape.hpp>

namespace xtape {

/// One entry of a slice: a position (drops the axis), or xtensor's range(start, stop[, step]) with its placeholder `_`,
/// all(), newaxis() and ellipsis(). Negative positions count from the end.
class Slice {
public:
    enum class Kind { position, range, newaxis, ellipsis };

    template <class T, class = std::enable_if_t<std::is_integral_v<T>>>
    Slice(T position) : kind(Kind::position), start(static_cast<Index>(position)) {}
    Slice(xt::xall_tag) : kind(Kind::range) {}
    Slice(xt::xnewaxis_tag) : kind(Kind::newaxis) {}
    Slice(xt::xellipsis_tag) : kind(Kind::ellipsis) {}
    template <class A, class B, class C>
    Slice(const xt::xrange_adaptor<A, B, C>& range)
        : kind(Kind::range), start(bound(range.start())), stop(bound(range.stop())), step(bound(range.step())) {}

    Kind kind;
    std::optional<Index> start;
    std::optional<Index> stop;
    std::optional<Index> step;

private:
    template <class T>
    static std::optional<Index> bound(T value) {
        if constexpr (std::is_integral_v<T>)
            return static_cast<Index>(value);
        else
            return std::nullopt;  // xtensor's placeholder
    }
};

using Slices = std::vector<Slice>;

using xt::all;
using xt::ellipsis;
using xt::newaxis;
using xt::range;

}  // namespace xtape
