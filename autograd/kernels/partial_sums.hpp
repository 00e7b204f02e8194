#pragma once

#include <algorithm>

#include <xtape/autograd/kernels/parallel.hpp>

namespace xtape::kernels {

/// The sum of `count` arrays of `size` elements that lie one after the other, always in their order.
template <class T>
void sum_parts(const T* parts, Index count, Index size, T* sum) {
    parallel_for(size, 16'384, [&](Index begin, Index end) {
        std::copy(parts + begin, parts + end, sum + begin);
        for (Index part = 1; part < count; ++part) {
            const T* summand = parts + part * size;
            for (Index i = begin; i < end; ++i) sum[i] += summand[i];
        }
    });
}

}  // namespace xtape::kernels
