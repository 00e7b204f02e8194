#include <xtape/autograd/kernels/reduce.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include <xtape/autograd/kernels/map.hpp>
#include <xtape/autograd/kernels/reduction.hpp>

namespace xtape::kernels {
namespace {

struct Add {
    template <class T>
    static constexpr T identity = T{0};
    template <class V>
    static V combine(const V& a, const V& b) {
        return a + b;
    }
};

struct Squares : Add {
    static constexpr bool centred = false;
    template <class V>
    static V map(const V& x, const V&) {
        return x * x;
    }
    template <class V>
    static V padding(const V&) {
        return V(0);
    }
};

struct SquaredDeviations : Add {
    static constexpr bool centred = true;
    template <class V>
    static V map(const V& x, const V& centre) {
        return (x - centre) * (x - centre);
    }
    template <class V>
    static V padding(const V& centre) {
        return centre;
    }
};

struct Exponentials : Add {
    static constexpr bool centred = true;
    template <class V>
    static V map(const V& x, const V& centre) {
        using std::exp;
        return exp(x - centre);
    }
    template <class T>
    static Batch<T> padding(const Batch<T>&) {
        return Batch<T>(-std::numeric_limits<T>::infinity());
    }
};

/// Of the elements below the centre only.
struct ExponentialsBelow : Exponentials {
    template <class V>
    static V map(const V& x, const V& centre) {
        const V e = Exponentials::map(x, centre);
        if constexpr (std::is_arithmetic_v<V>)
            return x < centre ? e : V(0);
        else
            return xsimd::select(x < centre, e, V(0));
    }
};

/// What maps nothing and whose padding is what combining begins with.
template <class Op>
struct Plain : Op {
    static constexpr bool centred = false;
    template <class V>
    static V map(const V& x, const V&) {
        return x;
    }
    template <class T>
    static Batch<T> padding(const Batch<T>&) {
        return Batch<T>(Op::template identity<T>);
    }
};

struct Multiply {
    template <class T>
    static constexpr T identity = T{1};
    template <class V>
    static V combine(const V& a, const V& b) {
        return a * b;
    }
};

// The larger and the smaller of two: NaN, once met, stays.
struct Larger {
    template <class T>
    static constexpr T identity = -std::numeric_limits<T>::infinity();
    template <class T>
    static T combine(T a, T b) {
        const T larger = a < b ? b : a;
        return b != b ? b : larger;
    }
    template <class T>
    static Batch<T> combine(const Batch<T>& a, const Batch<T>& b) {
        return xsimd::select((b > a) | xsimd::isnan(b), b, a);
    }
};

struct Smaller {
    template <class T>
    static constexpr T identity = std::numeric_limits<T>::infinity();
    template <class T>
    static T combine(T a, T b) {
        const T smaller = b < a ? b : a;
        return b != b ? b : smaller;
    }
    template <class T>
    static Batch<T> combine(const Batch<T>& a, const Batch<T>& b) {
        return xsimd::select((b < a) | xsimd::isnan(b), b, a);
    }
};

}  // namespace

ReductionPlan::ReductionPlan(const Shape& x, const Shape& axes) {
    Shape sizes, kinds;  // merged axes; kind 1 is reduced
    for (Index axis = 0; axis < x.rank(); ++axis) {
        if (x[axis] == 1) continue;
        const Index kind = axes.contains(axis) ? 1 : 0;
        if (!kinds.empty() && kinds.back() == kind) {
            sizes[sizes.rank() - 1] *= x[axis];
        } else {
            sizes.push_back(x[axis]);
            kinds.push_back(kind);
        }
    }
    Index left = sizes.rank();
    inner_reduced = left > 0 && kinds.back() == 1;
    if (left > 0) run = sizes[--left];
    if (!inner_reduced && left > 0) rows = sizes[--left];
    Index stride = run * rows;
    for (Index axis = left - 1; axis >= 0; --axis) {
        Shape& some_sizes = kinds[axis] == 1 ? reduced_sizes : kept_sizes;
        Shape& some_strides = kinds[axis] == 1 ? reduced_strides : kept_strides;
        some_sizes.insert(0, sizes[axis]);
        some_strides.insert(0, stride);
        stride *= sizes[axis];
    }
    outputs = kept_sizes.count();
    outer = reduced_sizes.count();
}

namespace {

/// How many elements of x go into one output.
Index count_of(const Array& x, const Shape& axes) {
    Index count = 1;
    for (Index axis : axes) count *= x.shape(axis);
    return count;
}

template <class Op>
Array reduce_plain(const Array& x, const Shape& axes, bool keepdims) {
    if (count_of(x, axes) == 1) return x.reshaped(shapes::reduced(x.shape(), axes, keepdims));
    return reduce<Plain<Op>>(x, {}, axes, keepdims);
}

Array divided(Array y, Index count) {
    return map(std::move(y), [count](const auto& v) { return v / like(v, static_cast<double>(count)); });
}

}  // namespace

Array reduce_sum(const Array& x, const Shape& axes, bool keepdims) { return reduce_plain<Add>(x, axes, keepdims); }

Array sum_of_rows(const Array& x) {
    const Index rows = x.shape()[0], columns = x.shape()[1];
    if (rows < 2 || columns < 2 || x.size() > few_elements) return reduce_sum(x, {0}, false);
    Array sums = Array::uninitialized({columns}, x.dtype());
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        combine_few_rows<Plain<Add>, T>(x.data<T>(), nullptr, columns, rows, sums.mutable_data<T>());
    });
    return sums;
}

Array reduce_prod(const Array& x, const Shape& axes, bool keepdims) {
    return reduce_plain<Multiply>(x, axes, keepdims);
}
Array reduce_max(const Array& x, const Shape& axes, bool keepdims) { return reduce_plain<Larger>(x, axes, keepdims); }
Array reduce_min(const Array& x, const Shape& axes, bool keepdims) { return reduce_plain<Smaller>(x, axes, keepdims); }

Array reduce_mean(const Array& x, const Shape& axes, bool keepdims) {
    return divided(reduce_sum(x, axes, keepdims), count_of(x, axes));
}

Array reduce_variance(const Array& x, const Shape& axes, bool keepdims, Index ddof) {
    const Array mean = reduce_mean(x, axes, true);
    Array sum = reduce<SquaredDeviations>(x, mean, axes, keepdims);
    return divided(std::move(sum), std::max<Index>(0, count_of(x, axes) - ddof));
}

Array reduce_deviation(const Array& x, const Shape& axes, bool keepdims, Index ddof) {
    return map(reduce_variance(x, axes, keepdims, ddof), [](const auto& v) { return sqrt(v); });
}

Array reduce_norm(const Array& x, const Shape& axes, bool keepdims) {
    return map(reduce<Squares>(x, {}, axes, keepdims), [](const auto& v) { return sqrt(v); });
}

Array reduce_exponentials(const Array& x, const Array& centre, const Shape& axes, bool keepdims) {
    return reduce<Exponentials>(x, centre, axes, keepdims);
}

Array reduce_exponentials_below(const Array& x, const Array& centre, const Shape& axes, bool keepdims) {
    return reduce<ExponentialsBelow>(x, centre, axes, keepdims);
}

Array reduce_logsumexp(const Array& x, const Shape& axes, bool keepdims) {
    // An infinite maximum must not be subtracted from itself.
    const auto finite = [](const auto& v) { return xsimd::select(xsimd::isinf(v), like(v, 0), v); };
    const Array centre = map(reduce_max(x, axes, true), finite);
    const Array sum = reduce_exponentials(x, centre, axes, true);
    const auto join = [](const auto& s, const auto& c) { return log(s) + c; };
    return map_broadcast(sum.shape(), join, sum, centre).reshaped(shapes::reduced(x.shape(), axes, keepdims));
}

}  // namespace xtape::kernels
