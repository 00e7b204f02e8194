#include <xtape/autograd/kernels/convolution.hpp>

#include <xtape/autograd/kernels/convolution_columns.hpp>
#include <xtape/autograd/kernels/convolution_direct.hpp>
#include <xtape/autograd/kernels/convolution_path.hpp>
#include <xtape/autograd/kernels/scratch.hpp>

namespace xtape::kernels {

Array correlate(const Array& x, const Array& w, const Convolution& c, const Epilogue& epilogue) {
    const Index samples = x.shape(0);
    const auto [path, tiling] = choose_path(Face::output, samples, x.dtype(), c);
    Array y = path == Path::nothing ? Array::filled(c.output_shape(samples), x.dtype(), 0)
                                    : Array::uninitialized(c.output_shape(samples), x.dtype());
    if (path == Path::winograd) {
        winograd::correlate(x.data<float>(), w, y.mutable_data<float>(), samples, c, Finish<float>(epilogue), tiling);
        return y;
    }
    if (path == Path::direct) {
        direct::correlate(x.data<float>(), w.data<float>(), y.mutable_data<float>(), samples, c,
                          Finish<float>(epilogue));
        return y;
    }
    dispatch(x.dtype(), [&, path = path](auto tag) {
        using T = decltype(tag);
        const Finish<T> finish(epilogue);
        if (path == Path::nothing) {
            const Index plane = c.windows.output_size();
            for (Index i = 0; i < samples * c.filters; ++i)
                finish.apply(y.mutable_data<T>() + i * plane, plane, i % c.filters);
        } else {
            columns::correlate(x.data<T>(), w.data<T>(), y.mutable_data<T>(), samples, c, finish);
        }
    });
    return y;
}

Array correlate_input(const Array& g, const Array& w, const Convolution& c) {
    const Index samples = g.shape(0);
    const auto [path, tiling] = choose_path(Face::input, samples, g.dtype(), c);
    if (path == Path::nothing) return Array::filled(c.image_shape(samples), g.dtype(), 0);
    Array dx = Array::uninitialized(c.image_shape(samples), g.dtype());
    if (path == Path::winograd) {
        winograd::correlate_input(g.data<float>(), w.data<float>(), dx.mutable_data<float>(), samples, c, tiling);
        return dx;
    }
    dispatch(g.dtype(), [&, path = path](auto tag) {
        using T = decltype(tag);
        if (path == Path::turned) {
            const Scratch<T> kernel(w.size());
            columns::turn_kernel(w.data<T>(), kernel.data(), c);
            columns::correlate(g.data<T>(), kernel.data(), dx.mutable_data<T>(), samples, columns::turned(c));
        } else {
            columns::correlate_input(g.data<T>(), w.data<T>(), dx.mutable_data<T>(), samples, c);
        }
    });
    return dx;
}

Array correlate_kernel(const Array& x, const Array& g, const Convolution& c) {
    const Index samples = x.shape(0);
    const auto [path, tiling] = choose_path(Face::kernel, samples, x.dtype(), c);
    if (path == Path::nothing) return Array::filled(c.kernel_shape(), x.dtype(), 0);
    Array dw = Array::uninitialized(c.kernel_shape(), x.dtype());
    if (path == Path::winograd) {
        winograd::correlate_kernel(x.data<float>(), g.data<float>(), dw.mutable_data<float>(), samples, c, tiling);
        return dw;
    }
    if (path == Path::direct) {
        direct::correlate_kernel(x.data<float>(), g.data<float>(), dw.mutable_data<float>(), samples, c);
        return dw;
    }
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        columns::correlate_kernel(x.data<T>(), g.data<T>(), dw.mutable_data<T>(), samples, c);
    });
    return dw;
}

}  // namespace xtape::kernels
