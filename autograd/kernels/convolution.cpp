#include <xtape/autograd/kernels/convolution.hpp>

#include <xtape/autograd/kernels/convolution_columns.hpp>
#include <xtape/autograd/kernels/convolution_winograd.hpp>
#include <xtape/autograd/kernels/scratch.hpp>
#include <xtape/autograd/strict.hpp>

namespace xtape::kernels {

namespace {

/// The ways to compute a face of a convolution.
enum class Path {
    nothing,   ///< an operand is empty: zeros
    columns,   ///< im2col and matrix products; takes everything
    turned,    ///< input gradient only: a correlation with the turned kernel
    winograd,  ///< minimal filtering
};

enum class Face { output, input, kernel };

struct Choice {
    Path path;
    winograd::Tiling tiling = winograd::Tiling::four;
};

/// Whether Winograd's way is the faster one.
bool winograd_pays(Face, Index samples, const Convolution& c, Pair outputs, winograd::Tiling tiling) {
    return winograd::products_per_output(outputs, tiling) < 6 && samples > 0 && c.channels > 0;
}

/// The one place where a path is chosen; it may look at shapes, element type and StrictConvolution only.
Choice choose(Face face, Index samples, DType dtype, const Convolution& c) {
    const Windows& v = c.windows;
    if (samples == 0 || v.image_size() == 0 || v.output_size() == 0 || c.filters == 0 || c.channels == 0)
        return {Path::nothing};
    if (dtype == float32 && winograd::takes(c)) {
        const Pair outputs = face == Face::input ? v.image : v.outputs;
        const auto tiling = StrictConvolution::active() ? winograd::Tiling::two : winograd::tiling_of(outputs);
        if (winograd_pays(face, samples, c, outputs, tiling)) return {Path::winograd, tiling};
    }
    // Columns of g for every pixel of dx, against columns of dx for every pixel of g: the fewer.
    const bool fewer = c.group_filters() * v.image_size() <= c.group_channels() * v.output_size();
    if (face == Face::input && v.stride == Pair(1) && (fewer || v.pointwise())) return {Path::turned};
    return {Path::columns};
}

}  // namespace

Array correlate(const Array& x, const Array& w, const Convolution& c, const Epilogue& epilogue) {
    const Index samples = x.shape(0);
    const auto [path, tiling] = choose(Face::output, samples, x.dtype(), c);
    Array y = path == Path::nothing ? Array::filled(c.output_shape(samples), x.dtype(), 0)
                                    : Array::uninitialized(c.output_shape(samples), x.dtype());
    if (path == Path::winograd) {
        winograd::correlate(x.data<float>(), w.data<float>(), y.mutable_data<float>(), samples, c,
                            Finish<float>(epilogue), tiling);
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
    const auto [path, tiling] = choose(Face::input, samples, g.dtype(), c);
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
    const auto [path, tiling] = choose(Face::kernel, samples, x.dtype(), c);
    if (path == Path::nothing) return Array::filled(c.kernel_shape(), x.dtype(), 0);
    Array dw = Array::uninitialized(c.kernel_shape(), x.dtype());
    if (path == Path::winograd) {
        winograd::correlate_kernel(x.data<float>(), g.data<float>(), dw.mutable_data<float>(), samples, c, tiling);
        return dw;
    }
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        columns::correlate_kernel(x.data<T>(), g.data<T>(), dw.mutable_data<T>(), samples, c);
    });
    return dw;
}

}  // namespace xtape::kernels
