#include <xtape/autograd/kernels/indexing.hpp>

#include <algorithm>
#include <utility>
#include <vector>

#include <xtape/autograd/kernels/odometer.hpp>
#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/autograd/kernels/strided.hpp>

namespace xtape::kernels {

namespace {

constexpr Index elements_per_piece = 16384;

Index rows_per_piece(Index elements_per_row) {
    return std::max<Index>(1, elements_per_piece / std::max<Index>(1, elements_per_row));
}

// Product of the sizes in [first, last).
Index count(const Shape& shape, Index first, Index last) {
    Index n = 1;
    for (Index axis = first; axis < last; ++axis) n *= shape[axis];
    return n;
}

// For each of n places the positions in `places` that name it, in their order (a counting sort).
struct Occurrences {
    std::vector<Index> first;  // n + 1 offsets into positions
    std::vector<Index> positions;

    Occurrences(Places places, Index k, Index n)
        : first(static_cast<std::size_t>(n) + 2), positions(static_cast<std::size_t>(k)) {
        const auto slot = [this](Index place, Index shift) -> Index& {
            return first[static_cast<std::size_t>(place + shift)];
        };
        for (Index i = 0; i < k; ++i) ++slot(places[i], 2);
        for (Index place = 0; place < n; ++place) slot(place, 2) += slot(place, 1);
        for (Index i = 0; i < k; ++i) positions[static_cast<std::size_t>(slot(places[i], 1)++)] = i;
    }

    const Index* begin(Index place) const { return positions.data() + first[static_cast<std::size_t>(place)]; }
    const Index* end(Index place) const { return positions.data() + first[static_cast<std::size_t>(place) + 1]; }
};

// How gather and scatter_add pass over their places: along the last axis in runs, along `axis` in order.
struct Lines {
    Index length;      // places along `axis`; 1 when that is the last axis, then the run itself goes along it
    Index run;         // places along the last axis
    Index place_step;  // from one place along `axis` to the next
    Index array_step;  // what one step of a place means in the array
    bool along_run;    // `axis` is the last axis
    Shape others;      // the axes besides `axis` and the last, with their strides
    Shape place_strides, array_strides;

    Lines(const Shape& places_shape, const Shape& array_shape, Index axis) {
        const Index last = places_shape.rank() - 1;
        const Shape in_places = contiguous(places_shape), in_array = contiguous(array_shape);
        along_run = axis == last;
        length = along_run ? 1 : places_shape[axis];
        run = places_shape[last];
        place_step = in_places[axis];
        array_step = in_array[axis];
        for (Index i = 0; i < last; ++i) {
            if (i == axis) continue;
            others.push_back(places_shape[i]);
            place_strides.push_back(in_places[i]);
            array_strides.push_back(in_array[i]);
        }
    }

    // Calls visit(place, element) for every number of a place and the array element it names, in parallel; if
    // `ordered`, the places that could name the same element one after the other on one thread.
    template <class Visit>
    void each(Places places, bool ordered, Visit visit) const {
        const Index segment = along_run && ordered ? run : std::min<Index>(run, 256);
        const Index segments = (run + segment - 1) / segment;
        parallel_for(others.count() * segments, rows_per_piece(length * segment), [&](Index begin, Index end) {
            Odometer<2> outer(others, {place_strides, array_strides}, begin / segments);
            for (Index item = begin; item < end; ++item) {
                const Index low = item % segments * segment, high = std::min(low + segment, run);
                for (Index i = 0; i < length; ++i) {
                    const Index place = outer.offset(0) + i * place_step, element = outer.offset(1);
                    if (along_run) {
                        for (Index j = low; j < high; ++j) visit(place + j, element + places[place + j]);
                    } else {
                        for (Index j = low; j < high; ++j)
                            visit(place + j, element + places[place + j] * array_step + j);
                    }
                }
                if ((item + 1) % segments == 0) outer.next();
            }
        });
    }
};

}  // namespace

Array take(const Array& x, Places places, const Shape& places_shape, Index axis) {
    const Index outer = count(x.shape(), 0, axis), size = x.shape()[axis], inner = count(x.shape(), axis + 1, x.rank());
    const Index k = places_shape.count();
    Shape shape = x.shape();
    shape.erase(axis);
    for (Index i = 0; i < places_shape.rank(); ++i) shape.insert(axis + i, places_shape[i]);
    Array y = Array::uninitialized(shape, x.dtype());
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T* from = x.data<T>();
        T* to = y.mutable_data<T>();
        parallel_for(outer * k, rows_per_piece(inner), [&](Index begin, Index end) {
            Index block = begin / k, i = begin % k;
            for (Index row = begin; row < end; ++row) {
                const T* source = from + (block * size + places[i]) * inner;
                if (inner == 1)
                    to[row] = *source;
                else
                    std::copy_n(source, inner, to + row * inner);
                if (++i == k) i = 0, ++block;
            }
        });
    });
    return y;
}

Array index_add(const Array& g, Places places, const Shape& places_shape, const Shape& shape, Index axis) {
    const Index outer = count(shape, 0, axis), size = shape[axis], inner = count(shape, axis + 1, shape.rank());
    const Index k = places_shape.count();
    Array y = Array::uninitialized(shape, g.dtype());
    const Occurrences occurrences(places, k, size);
    dispatch(g.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T* from = g.data<T>();
        T* to = y.mutable_data<T>();
        parallel_for(outer * size, rows_per_piece(inner), [&](Index begin, Index end) {
            Index block = begin / size, place = begin % size;
            for (Index row = begin; row < end; ++row) {
                T* target = to + row * inner;
                std::fill_n(target, inner, T{0});
                for (const Index* i = occurrences.begin(place); i != occurrences.end(place); ++i) {
                    const T* source = from + (block * k + *i) * inner;
                    for (Index j = 0; j < inner; ++j) target[j] += source[j];
                }
                if (++place == size) place = 0, ++block;
            }
        });
    });
    return y;
}

Array gather(const Array& x, Places places, const Shape& places_shape, Index axis) {
    Array y = Array::uninitialized(places_shape, x.dtype());
    if (y.size() == 0) return y;
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T* from = x.data<T>();
        T* to = y.mutable_data<T>();
        Lines(places_shape, x.shape(), axis).each(places, false, [=](Index place, Index element) {
            to[place] = from[element];
        });
    });
    return y;
}

Array scatter_add(Array x, Places places, const Array& source, Index axis) {
    x.make_unique();
    if (source.size() == 0) return x;
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T* from = source.data<T>();
        T* to = x.mutable_data<T>();
        Lines(source.shape(), x.shape(), axis).each(places, true, [=](Index place, Index element) {
            to[element] += from[place];
        });
    });
    return x;
}

Array one_hot(Places labels, const Shape& labels_shape, Index classes, DType dtype) {
    Shape shape = labels_shape;
    shape.push_back(classes);
    Array y = Array::uninitialized(shape, dtype);
    dispatch(dtype, [&](auto tag) {
        using T = decltype(tag);
        T* to = y.mutable_data<T>();
        parallel_for(labels_shape.count(), rows_per_piece(classes), [&](Index begin, Index end) {
            std::fill(to + begin * classes, to + end * classes, T{0});
            for (Index i = begin; i < end; ++i) to[i * classes + labels[i]] = T{1};
        });
    });
    return y;
}

}  // namespace xtape::kernels
