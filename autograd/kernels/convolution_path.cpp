#include <xtape/autograd/kernels/convolution_path.hpp>

#include <algorithm>

#include <xtape/autograd/kernels/convolution_direct.hpp>
#include <xtape/autograd/strict.hpp>

namespace xtape::kernels {

namespace {

/// Whether Winograd's way is the faster one, as measured; `outputs` are those of the face.
bool winograd_pays(Index samples, Pair outputs, winograd::Tiling tiling, const Convolution& c) {
    // Lanes without a channel are wasted work; narrow vectors make the transforms dear.
    constexpr Index least_channels = vector_lanes<float> >= 8 ? 3 : 16;
    // Filters are transformed for few tiles as for many; where outputs are thin, most of a tile is not needed.
    constexpr Index least_tiles = 4;
    constexpr double most_products = 6;
    const double products = winograd::products_per_output(outputs, tiling);
    return std::min(c.channels, c.filters) >= least_channels && products < most_products &&
           samples * winograd::tile_count(outputs, tiling) >= least_tiles;
}

}  // namespace

PathChoice choose_path(Face face, Index samples, DType dtype, const Convolution& c) {
    const Windows& v = c.windows;
    if (samples == 0 || v.image_size() == 0 || v.output_size() == 0 || c.filters == 0 || c.channels == 0)
        return {Path::nothing};
    if (dtype == float32 && face != Face::input && direct::takes(c)) return {Path::direct};
    if (dtype == float32 && winograd::takes(c)) {
        const Pair outputs = face == Face::input ? v.image : v.outputs;
        const auto tiling = StrictConvolution::active() ? winograd::Tiling::two : winograd::tiling_of(outputs);
        if (winograd_pays(samples, outputs, tiling, c)) return {Path::winograd, tiling};
    }
    // Columns of g for every pixel of dx, against columns of dx for every pixel of g: the fewer.
    const bool fewer = c.group_filters() * v.image_size() <= c.group_channels() * v.output_size();
    if (face == Face::input && v.stride == Pair(1) && (fewer || v.pointwise())) return {Path::turned};
    return {Path::columns};
}

}  // namespace xtape::kernels
