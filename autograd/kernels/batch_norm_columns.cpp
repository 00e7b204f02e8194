#include <xtape/autograd/kernels/batch_norm_columns.hpp>

#include <utility>

#include <xtape/autograd/kernels/channel_norm.hpp>
#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/autograd/kernels/scratch.hpp>

namespace xtape::kernels {

namespace {

/// x (rows, width), each `length` neighbouring columns a channel.
struct Columns {
    explicit Columns(const Shape& shape)
        : rows(shape[0]), channels(shape[1]), length(shape.count() / std::max<Index>(1, rows * channels)) {}

    Index width() const { return channels * length; }
    Index pieces() const { return (rows + rows_per_piece - 1) / rows_per_piece; }

    /// Calls piece(number, first row, last row) for the pieces whose columns are added up together.
    template <class F>
    void each_piece(const F& piece) const {
        const Index grain = std::max<Index>(1, (1 << 14) / std::max<Index>(1, rows_per_piece * width()));
        parallel_for(pieces(), grain, [&](Index begin, Index end) {
            for (Index k = begin; k < end; ++k) piece(k, k * rows_per_piece, std::min(rows, (k + 1) * rows_per_piece));
        });
    }

    /// Calls row(i) for every row.
    template <class F>
    void each_row(const F& row) const {
        parallel_for(rows, std::max<Index>(1, (1 << 14) / std::max<Index>(1, width())), [&](Index begin, Index end) {
            for (Index i = begin; i < end; ++i) row(i);
        });
    }

    /// Puts the coefficients of a channel at its columns.
    template <class T>
    void fill(Index channel, const std::array<T*, 3>& to, const std::array<T, 3>& values) const {
        for (std::size_t k = 0; k < 3; ++k) std::fill_n(to[k] + channel * length, length, values[k]);
    }

    static constexpr Index rows_per_piece = 64;
    Index rows, channels, length;
};

/// sums[k * width + j]: over rows [begin, end), of what terms(row, position, size) gives for column j; K sums at a time.
template <class T, std::size_t K, class F>
void sum_columns(Index begin, Index end, Index width, T* sums, const F& terms) {
    constexpr Index abreast = 4;  // batches
    const auto add_up = [&](auto batches, Index j, Index size) {
        Batch<T> sum[decltype(batches)::value][K];
        for (auto& of_batch : sum)
            for (Batch<T>& s : of_batch) s = Batch<T>(T{0});
        for (Index row = begin; row < end; ++row)
            for (Index b = 0; b < batches; ++b) {
                const std::array<Batch<T>, K> term = terms(row, j + b * lanes<T>, size);
                for (std::size_t k = 0; k < K; ++k) sum[b][k] += term[k];
            }
        for (Index b = 0; b < batches; ++b)
            for (std::size_t k = 0; k < K; ++k)
                store(sums + static_cast<Index>(k) * width + j + b * lanes<T>, sum[b][k], size);
    };
    Index j = 0;
    for (; j + abreast * lanes<T> <= width; j += abreast * lanes<T>)
        add_up(std::integral_constant<Index, abreast>(), j, lanes<T>);
    each_batch<T>(width - j, [&](Index i, Index size) { add_up(std::integral_constant<Index, 1>(), j + i, size); });
}

/// The moment of every column of a piece of x.
template <class T>
void moments_of(const T* x, Index begin, Index end, Index width, Moment* moments) {
    const Scratch<T> working(3 * width);
    T *const centres = working.data(), *const sums = centres + width;
    const auto count = static_cast<double>(end - begin);
    sum_columns<T, 1>(begin, end, width, centres,
                      [&](Index row, Index j, Index size) { return std::array{load(x + row * width + j, size)}; });
    for (Index j = 0; j < width; ++j) centres[j] = centre_near<T>(static_cast<double>(centres[j]) * (1 / count));
    sum_columns<T, 2>(begin, end, width, sums, [&](Index row, Index j, Index size) {
        const Batch<T> distance = load(x + row * width + j, size) - load(centres + j, size);
        return std::array{distance, distance * distance};
    });
    for (Index j = 0; j < width; ++j) moments[j] = moment_around(centres[j], count, sums[j], sums[width + j]);
}

}  // namespace

Normalized batch_norm_columns(const Array& x, const Array& weight, const Array& bias, double eps) {
    const Columns columns(x.shape());
    const Index width = columns.width();
    Normalized result(x.shape(), x.dtype(), columns.channels);
    double* const means = result.moments.mean.mutable_data<double>();
    double* const variances = result.moments.variance.mutable_data<double>();
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T* const from = x.data<T>();
        T* const to = result.y.mutable_data<T>();
        const Scratch<Moment> parts(columns.pieces() * width), of_columns(width);
        columns.each_piece([&](Index piece, Index begin, Index end) {
            moments_of(from, begin, end, width, parts.data() + piece * width);
        });
        const Scratch<T> coefficients(3 * width);
        T *const centres = coefficients.data(), *const scales = centres + width, *const shifts = scales + width;
        for (Index j = 0; j < width; ++j) of_columns.data()[j] = joined(parts.data() + j, columns.pieces(), width);
        for (Index c = 0; c < columns.channels; ++c) {
            const Moment moment = joined(of_columns.data() + c * columns.length, columns.length);
            means[c] = moment.mean;
            variances[c] = moment.variance();
            const ChannelNorm<T> norm(result.moments, c, weight, bias, eps);
            columns.fill<T>(c, {centres, scales, shifts}, {norm.centre, norm.scale, norm.shift});
        }
        columns.each_row([&](Index row) {
            each_batch<T>(width, [&](Index j, Index size) {
                const Batch<T> distance = load(from + row * width + j, size) - load(centres + j, size);
                store(to + row * width + j, xsimd::fma(distance, load(scales + j, size), load(shifts + j, size)), size);
            });
        });
    });
    return result;
}

NormGradients batch_norm_columns_gradients(Array g, const Array& x, const Moments& moments, const Array& weight,
                                           double eps) {
    const Columns columns(x.shape());
    const Index width = columns.width(), pieces = columns.pieces();
    const auto numbers = [&] { return Array::uninitialized({columns.channels}, x.dtype()); };
    NormGradients result{g.unique() ? g : Array::uninitialized(x.shape(), x.dtype()), numbers(), numbers()};
    dispatch(x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const T *const slopes = std::as_const(g).data<T>(), *const values = x.data<T>();
        T* const to = result.x.mutable_data<T>();
        const Scratch<T> coefficients(4 * width), parts(pieces * 2 * width);  // parts: sums of g and g (x - centre)
        T *const centres = coefficients.data(), *const scales = centres + width;
        T *const slants = scales + width, *const shifts = slants + width;
        for (Index c = 0; c < columns.channels; ++c) {
            const Normalizer<T> normal(moments.mean.at(c), moments.variance.at(c), eps);
            std::fill_n(centres + c * columns.length, columns.length, normal.centre);
        }
        const auto distance = [&](Index row, Index j, Index size) {
            return load(values + row * width + j, size) - load(centres + j, size);
        };
        columns.each_piece([&](Index piece, Index begin, Index end) {
            sum_columns<T, 2>(begin, end, width, parts.data() + piece * 2 * width, [&](Index row, Index j, Index size) {
                const Batch<T> slope = load(slopes + row * width + j, size);
                return std::array{slope, slope * distance(row, j, size)};
            });
        });
        for (Index c = 0; c < columns.channels; ++c) {
            double of_g = 0, of_products = 0;
            for (Index piece = 0; piece < pieces; ++piece)
                for (Index j = c * columns.length; j < (c + 1) * columns.length; ++j) {
                    of_g += parts.data()[piece * 2 * width + j];
                    of_products += parts.data()[(piece * 2 + 1) * width + j];
                }
            const ChannelNormSlope<T> slope(moments, c, weight, eps, of_g, of_products, columns.rows * columns.length);
            result.weight.mutable_data<T>()[c] = slope.dweight;
            result.bias.mutable_data<T>()[c] = slope.dbias;
            columns.fill<T>(c, {scales, slants, shifts}, {slope.scale, slope.slant, slope.shift});
        }
        columns.each_row([&](Index row) {
            each_batch<T>(width, [&](Index j, Index size) {
                const Batch<T> rest =
                    xsimd::fma(distance(row, j, size), load(slants + j, size), load(shifts + j, size));
                const Batch<T> slope = load(slopes + row * width + j, size);
                store(to + row * width + j, xsimd::fma(slope, load(scales + j, size), rest), size);
            });
        });
    });
    return result;
}

}  // namespace xtape::kernels
