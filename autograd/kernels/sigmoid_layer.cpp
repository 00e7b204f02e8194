#include <xtape/autograd/kernels/sigmoid_layer.hpp>

#include <xtape/autograd/kernels/exponential.hpp>
#include <xtape/autograd/kernels/reduction.hpp>
#include <xtape/autograd/kernels/runs.hpp>

namespace xtape::kernels {

bool is_small_layer(Index rows, Index columns) { return rows > 1 && columns > 1 && rows <= few_elements / columns; }

void add_and_sigmoid(Array& y, const Array& bias) {
    const Index rows = y.shape()[0], columns = y.shape()[1];
    dispatch(y.dtype(), [&](auto tag) {
        using T = decltype(tag);
        T* const elements = y.mutable_data<T>();
        const T* const added = bias.data<T>();
        each_batch<T>(columns, [&](Index j, Index size) {
            const Batch<T> b = load(added + j, size);
            for (T* element = elements + j; element < elements + rows * columns; element += columns)
                store(element, Logistic()(load(element, size) + b), size);
        });
    });
}

Array sigmoid_layer_gradient(Array& g, const Array& s) {
    const Index rows = s.shape()[0], columns = s.shape()[1];
    Array sums = Array::uninitialized({columns}, s.dtype());
    g.make_unique();
    dispatch(s.dtype(), [&](auto tag) {
        using T = decltype(tag);
        T* const gradient = g.mutable_data<T>();
        const T* const sigmoid = s.data<T>();
        T* const to = sums.mutable_data<T>();
        each_batch<T>(columns, [&](Index j, Index size) {
            const Batch<T> one(T(1));
            Batch<T> sum[4] = {Batch<T>(T(0)), Batch<T>(T(0)), Batch<T>(T(0)), Batch<T>(T(0))};
            const auto pass = [&](Index row, Index chain) {
                const Index at = row * columns + j;
                const Batch<T> u = load(sigmoid + at, size), slope = load(gradient + at, size) * (u * (one - u));
                store(gradient + at, slope, size);
                sum[chain] += slope;
            };
            Index row = 0;
            for (; row + 4 <= rows; row += 4) {
#pragma GCC unroll 4
                for (Index chain = 0; chain < 4; ++chain) pass(row + chain, chain);
            }
            for (; row < rows; ++row) pass(row, 0);
            store(to + j, (sum[0] + sum[1]) + (sum[2] + sum[3]), size);
        });
    });
    return sums;
}

}  // namespace xtape::kernels
