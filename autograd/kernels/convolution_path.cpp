#include <xtape/autograd/kernels/convolution_path.hpp>

#include <xtape/autograd/kernels/convolution_direct.hpp>
#include <xtape/autograd/strict.hpp>

namespace xtape::kernels {

namespace {

/// Whether Winograd's way is the faster one.
bool winograd_pays(Pair outputs, winograd::Tiling tiling) { return winograd::products_per_output(outputs, tiling) < 6; }

}  // namespace

PathChoice choose_path(Face face, Index samples, DType dtype, const Convolution& c) {
    const Windows& v = c.windows;
    if (samples == 0 || v.image_size() == 0 || v.output_size() == 0 || c.filters == 0 || c.channels == 0)
        return {Path::nothing};
    if (dtype == float32 && face != Face::input && direct::takes(c)) return {Path::direct};
    if (dtype == float32 && winograd::takes(c)) {
        const Pair outputs = face == Face::input ? v.image : v.outputs;
        const auto tiling = StrictConvolution::active() ? winograd::Tiling::two : winograd::tiling_of(outputs);
        if (winograd_pays(outputs, tiling)) return {Path::winograd, tiling};
    }
    // Columns of g for every pixel of dx, against columns of dx for every pixel of g: the fewer.
    const bool fewer = c.group_filters() * v.image_size() <= c.group_channels() * v.output_size();
    if (face == Face::input && v.stride == Pair(1) && (fewer || v.pointwise())) return {Path::turned};
    return {Path::columns};
}

}  // namespace xtape::kernels
