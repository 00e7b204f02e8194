#include <xtape/autograd/kernels/broadcast.hpp>

namespace xtape::kernels::detail {

Shape broadcast_strides(const Shape& operand, const Shape& output) {
    Shape strides = Shape::filled(output.rank(), 0);
    Index stride = 1;
    for (Index back = 1; back <= operand.rank(); ++back) {
        const Index size = operand[operand.rank() - back];
        if (size != 1) strides[output.rank() - back] = stride;
        stride *= size;
    }
    return strides;
}

}  // namespace xtape::kernels::detail
