#include <utility>

#include <xtape/autograd/kernels/moments.hpp>
#include <xtape/autograd/kernels/normalization.hpp>
#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/autograd/kernels/scratch.hpp>

namespace xtape::kernels {

namespace {

constexpr Index elements_per_piece = 1 << 14;

/// x as rows of `length` elements, one a group.
struct Rows {
    Rows(const Shape& shape, Index leading)
        : count(Shape(shape.begin(), shape.begin() + leading).count()),
          length(Shape(shape.begin() + leading, shape.end()).count()) {}

    /// Rows whose share of the weight's and bias's gradients is added up together.
    Index per_piece() const {
        return std::max((elements_per_piece + length - 1) / std::max<Index>(1, length), (count + 15) / 16);
    }

    Index count, length;
};

/// A factor or summand for each element of a row: `otherwise` where there is none.
template <class T>
Batch<T> load_or(const T* from, Index i, Index size, T otherwise) {
    return from ? load(from + i, size) : Batch<T>(otherwise);
}

template <class T>
const T* data_or_null(const Array& values) {
    return values ? values.data<T>() : nullptr;
}

/// (x - mean) / deviation, batch by batch.
template <class T>
class NormalizedRow {
public:
    NormalizedRow(const T* x, const Normalizer<T>& normal)
        : x_(x),
          centre_(normal.centre),
          scale_(static_cast<T>(normal.inverse)),
          shift_(static_cast<T>(-normal.rest * normal.inverse)) {}

    Batch<T> operator()(Index i, Index size) const { return xsimd::fma(load(x_ + i, size) - centre_, scale_, shift_); }

private:
    const T* x_;
    Batch<T> centre_, scale_, shift_;
};

/// dx of one row, and what it adds to the gradients of weight and bias. dx may be g.
template <class T>
void row_gradients(const T* g, const NormalizedRow<T>& x, double inverse, const T* weight, T* dx, T* dweight, T* dbias,
                   Index n) {
    const auto weighted = [&](Index i, Index size) { return load(g + i, size) * load_or(weight, i, size, T{1}); };
    const auto sums = sums_of_run<T, 2>(n, [&](Index i, Index size) {
        const Batch<T> slope = load(g + i, size), normal = x(i, size);
        store(dweight + i, xsimd::fma(slope, normal, load(dweight + i, size)), size);
        store(dbias + i, slope + load(dbias + i, size), size);
        const Batch<T> w = weighted(i, size);
        return std::array{w, w * normal};
    });
    // dx = (g w - mean(g w) - x' mean(g w x')) / deviation, x' being the normalised x
    const double count = static_cast<double>(n);
    const Batch<T> scale(static_cast<T>(inverse)), slant(static_cast<T>(-inverse * sums[1] / count));
    const Batch<T> shift(static_cast<T>(-inverse * sums[0] / count));
    each_batch<T>(n, [&](Index i, Index size) {
        const Batch<T> rest = xsimd::fma(x(i, size), slant, shift);
        store(dx + i, xsimd::fma(weighted(i, size), scale, rest), size);
    });
}

}  // namespace

Normalized layer_norm(const Array& x, Index leading, const Array& weight, const Array& bias, double eps) {
    const Rows rows(x.shape(), leading);
    const ChannelChunks chunks(1, rows.count, rows.length);
    Normalized result(x.shape(), x.dtype(), rows.count);
    double* const means = result.moments.mean.mutable_data<double>();
    double* const variances = result.moments.variance.mutable_data<double>();
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T *const factors = data_or_null<T>(weight), *const summands = data_or_null<T>(bias);
        T* const out = result.y.mutable_data<T>();
        const Index grain = std::max<Index>(1, elements_per_piece / std::max<Index>(1, rows.length));
        parallel_for(rows.count, grain, [&](Index begin, Index end) {
            const Scratch<Moment> parts(chunks.count());
            for (Index row = begin; row < end; ++row) {
                for (Index k = 0; k < chunks.count(); ++k) parts.data()[k] = moment_of(x.data<T>(), chunks, row, k);
                const Moment moment = joined(parts.data(), chunks.count());
                means[row] = moment.mean;
                variances[row] = moment.variance();
                const Normalizer<T> normal(means[row], variances[row], eps);
                const NormalizedRow<T> normalized(x.data<T>() + row * rows.length, normal);
                T* const to = out + row * rows.length;
                each_batch<T>(rows.length, [&](Index i, Index size) {
                    const Batch<T> factor = load_or(factors, i, size, T{1});
                    store(to + i, xsimd::fma(normalized(i, size), factor, load_or(summands, i, size, T{0})), size);
                });
            }
        });
    });
    return result;
}

NormGradients layer_norm_gradients(Array g, const Array& x, Index leading, const Moments& moments, const Array& weight,
                                   double eps) {
    const Rows rows(x.shape(), leading);
    const Shape inner(x.shape().begin() + leading, x.shape().end());
    const Index n = rows.length, pieces = (rows.count + rows.per_piece() - 1) / rows.per_piece();
    NormGradients result{g.unique() ? g : Array::uninitialized(x.shape(), x.dtype()),
                         Array::filled(inner, x.dtype(), 0), Array::filled(inner, x.dtype(), 0)};
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T *const slopes = std::as_const(g).data<T>(), *const factors = data_or_null<T>(weight);
        T* const to = result.x.mutable_data<T>();
        const Scratch<T> parts(pieces * 2 * n);  // gradients of weight and bias, piece by piece
        parallel_for(rows.count, rows.per_piece(), [&](Index begin, Index end) {
            T* const dweight = parts.data() + begin / rows.per_piece() * 2 * n;
            std::fill_n(dweight, 2 * n, T{0});
            for (Index row = begin; row < end; ++row) {
                const Normalizer<T> normal(moments.mean.at(row), moments.variance.at(row), eps);
                row_gradients<T>(slopes + row * n, {x.data<T>() + row * n, normal}, normal.inverse, factors,
                                 to + row * n, dweight, dweight + n, n);
            }
        });
        T *const weights = result.weight.mutable_data<T>(), *const biases = result.bias.mutable_data<T>();
        for (Index piece = 0; piece < pieces; ++piece)
            each_batch<T>(n, [&](Index i, Index size) {
                const T* const part = parts.data() + piece * 2 * n + i;
                store(weights + i, load(weights + i, size) + load(part, size), size);
                store(biases + i, load(biases + i, size) + load(part + n, size), size);
            });
    });
    return result;
}

}  // namespace xtape::kernels
