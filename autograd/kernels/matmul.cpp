#include <algorithm>
#include <utility>

#include <xtape/autograd/kernels/gemm.hpp>
#include <xtape/autograd/kernels/parallel.hpp>
#include <xtape/autograd/kernels/partial_sums.hpp>
#include <xtape/autograd/kernels/scratch.hpp>
#include <xtape/autograd/kernels/vector.hpp>
#include <xtape/autograd/threads.hpp>

/// Products of whole arrays: batches, and what is cut into tasks.
namespace xtape::kernels {
namespace {

Index divide_up(Index n, Index d) { return (n + d - 1) / d; }

/// A range cut into pieces as equal as can be, all but the last multiples of a unit.
struct Pieces {
    Index length = 1, piece = 1;

    Pieces(Index of_length, Index wanted, Index unit) : length(of_length) {
        piece = std::max<Index>(1, divide_up(divide_up(length, std::max<Index>(1, wanted)), unit) * unit);
    }
    Index count() const { return std::max<Index>(1, divide_up(length, piece)); }
    Index first(Index i) const { return i * piece; }
    Index size(Index i) const { return std::min(piece, length - i * piece); }
};

/// How one m x n product over k terms is cut, by its shape alone: C into blocks worth a task each; the sums too, where C
/// gives too few blocks.
struct Cut {
    Pieces rows, columns, depth;

    Cut(Index m, Index n, Index k, bool trans_a, bool trans_b, Index batches)
        : rows(m, 1, 1), columns(n, 1, 1), depth(k, 1, 1) {
        if (is_whole(m, n, k)) return;
        const Index wanted = std::min<Index>(64, work(m, n, k) / task);

        constexpr Index enough = 8, least_depth = 1024, most_partials = Index{1} << 20;
        if (n == 1 && trans_a && batches == 1) {
            // A linear layer's gradient after its product: pieces of the same rows of A, met where they are still in cache.
            depth = Pieces(k, std::min({wanted, k / 64, most_partials / m}), 64);
            if (depth.count() >= enough) return;
            depth = Pieces(k, 1, 1);
        }

        // With a vector for the other factor, rows of the matrix are read as they lie: long ones, or many.
        const Index narrowest = m > 1     ? 64
                                : trans_b ? 8
                                          : 512,
                    lowest = n == 1    ? (trans_a ? 512 : 8)
                             : trans_b ? 240
                                       : 96;
        // Along rows first, for wide blocks read A less often; within bounds that keep what a block reads in cache.
        const Index most_rows = std::max<Index>(1, m / lowest), most_columns = divide_up(n, narrowest);
        columns = Pieces(n, std::clamp(divide_up(wanted, most_rows), divide_up(n, 512), most_columns), narrowest);
        rows =
            Pieces(m, std::clamp(divide_up(wanted, columns.count()), divide_up(m, 1008), most_rows), n == 1 ? 16 : 12);

        const Index blocks = rows.count() * columns.count();
        if (batches == 1 && blocks < enough && k >= 2 * least_depth)
            depth = Pieces(k, std::min({divide_up(wanted, blocks), k / least_depth, most_partials / (m * n)}), 64);
    }

    Index blocks() const { return rows.count() * columns.count(); }

    /// Multiplications, with what is read and written counted as so many more.
    static Index work(Index m, Index n, Index k) { return m * n * k + 16 * (m * n + m * k + n * k); }
    static constexpr Index task = Index{1} << 21;  // outweighs starting a task many times

    /// Whether a product is too small to be cut at all.
    static bool is_whole(Index m, Index n, Index k) { return work(m, n, k) < 2 * task; }
};

/// The epilogue over rows of C that are still in cache.
template <class T>
void finish(Index rows, Index columns, T* c, Index stride, const T* bias, bool relu) {
    constexpr Index lanes = vector_lanes<T>;
    const auto finished = [&](Vector<T> v, const Vector<T>& added) {
        const Vector<T> zero{};
        v += added;
        return relu ? v <= zero ? zero : v : v;
    };
    if (columns == 1 && stride == 1) {  // one column is a row, with one bias for all
        const Vector<T> added = Vector<T>{} + *bias;
        Index i = 0;
        for (; i + lanes <= rows; i += lanes) store_vector(c + i, finished(load_vector(c + i), added));
        if (const Index left = rows - i; left > 0) store_vector(c + i, finished(load_vector(c + i, left), added), left);
        return;
    }
    if (columns == lanes) {
        const Vector<T> added = load_vector(bias);
        for (Index i = 0; i < rows; ++i) store_vector(c + i * stride, finished(load_vector(c + i * stride), added));
        return;
    }
    for (Index i = 0; i < rows; ++i, c += stride) {
        Index j = 0;
        for (; j + lanes <= columns; j += lanes)
            store_vector(c + j, finished(load_vector(c + j), load_vector(bias + j)));
        if (const Index left = columns - j; left > 0)
            store_vector(c + j, finished(load_vector(c + j, left), load_vector(bias + j, left)), left);
    }
}

/// One matrix product of a batch.
template <class T>
struct Product {
    Index m, n, k;
    Factor<T> a, b;
    T* c;
    const T* bias;  ///< null without an epilogue
    bool relu;

    /// All of C.
    void whole() const {
        gemm(m, n, k, a, b, c, n, false);
        if (bias) finish(m, n, c, n, bias, relu);
    }

    /// Block number `block` of C.
    void block(const Cut& cut, Index block) const {
        T* const corner = partial_block(cut, block, 0, c);
        if (!bias) return;
        const Index j = block % cut.columns.count();
        finish(cut.rows.size(block / cut.columns.count()), cut.columns.size(j), corner, n, bias + cut.columns.first(j),
               relu);
    }

    /// The same over one piece of the sum, in the matrix `out`; returns where it is there.
    T* partial_block(const Cut& cut, Index block, Index piece, T* out) const {
        const Index i = block / cut.columns.count(), j = block % cut.columns.count();
        const Index row = cut.rows.first(i), column = cut.columns.first(j), depth = cut.depth.first(piece);
        T* const corner = out + row * n + column;
        gemm(cut.rows.size(i), cut.columns.size(j), cut.depth.size(piece), a.from(row, depth), b.from(depth, column),
             corner, n, false);
        return corner;
    }

    /// C as the sum, in order, of products over the pieces of the sum. Each thread begins with the last of its pieces, for
    /// what it went through before ended there, and that is still in its cache.
    void sum_of_pieces(const Cut& cut) const {
        const Index size = m * n, pieces = cut.depth.count(), tasks = pieces * cut.blocks();
        const Index share = divide_up(tasks, threads());
        const Scratch<T> partial(pieces * size);
        T* const partials = partial.data();
        parallel_for(tasks, 1, [&](Index begin, Index end) {
            for (Index i = begin; i < end; ++i) {
                const Index first = i / share * share, task = first + std::min(tasks, first + share) - 1 - i;
                const Index piece = task / cut.blocks();
                partial_block(cut, task % cut.blocks(), piece, partials + piece * size);
            }
        });
        sum_parts(partials, pieces, size, c);
        if (bias) finish(m, n, c, n, bias, relu);
    }
};

/// The batch axes of a product: C counts through them, an operand of size 1 stays where it is.
struct Batches {
    Shape shape, strides_a, strides_b;  // strides in matrices

    Batches(const Shape& a, const Shape& b) {
        const Index rank = std::max(a.rank(), b.rank()) - 2;
        shape = strides_a = strides_b = Shape::filled(rank, 0);
        Index matrices_a = 1, matrices_b = 1;
        for (Index axis = rank - 1; axis >= 0; --axis) {
            const Index size_a = size_of(a, axis - rank), size_b = size_of(b, axis - rank);
            shape[axis] = size_a == 1 ? size_b : size_a;
            strides_a[axis] = size_a == 1 ? 0 : matrices_a;
            strides_b[axis] = size_b == 1 ? 0 : matrices_b;
            matrices_a *= size_a;
            matrices_b *= size_b;
        }
    }

    /// Which matrix of A and of B gives matrix `i` of C.
    std::pair<Index, Index> sources(Index i) const {
        Index a = 0, b = 0;
        for (Index axis = shape.rank() - 1; axis >= 0; --axis) {
            const Index position = i % shape[axis];
            i /= shape[axis];
            a += position * strides_a[axis];
            b += position * strides_b[axis];
        }
        return {a, b};
    }

private:
    static Index size_of(const Shape& operand, Index from_matrix) {
        const Index axis = operand.rank() - 2 + from_matrix;
        return axis < 0 ? 1 : operand[axis];
    }
};

}  // namespace

Array matmul(const Array& a, bool trans_a, const Array& b, bool trans_b, const Epilogue& epilogue) {
    const auto size = [](const Array& x, bool rows) { return x.shape()[x.rank() - (rows ? 2 : 1)]; };
    const Index m = size(a, !trans_a), k = size(a, trans_a), n = size(b, trans_b);
    const auto product_into = [&](Array& c, auto tag) {
        using T = decltype(tag);
        return Product<T>{m,
                          n,
                          k,
                          {a.data<T>(), trans_a ? m : k, trans_a},
                          {b.data<T>(), trans_b ? k : n, trans_b},
                          c.mutable_data<T>(),
                          epilogue.bias ? epilogue.bias->data<T>() : nullptr,
                          epilogue.relu};
    };
    if (a.rank() == 2 && b.rank() == 2 && Cut::is_whole(m, n, k)) {  // a small network's, with nothing to prepare
        Array c = Array::uninitialized({m, n}, a.dtype());
        if (c.size() > 0) dispatch(a.dtype(), [&](auto tag) { product_into(c, tag).whole(); });
        return c;
    }
    const Batches batches(a.shape(), b.shape());
    Shape shape = batches.shape;
    shape.push_back(m);
    shape.push_back(n);
    Array c = Array::uninitialized(shape, a.dtype());
    if (c.size() == 0) return c;

    const Index count = batches.shape.count();
    dispatch(a.dtype(), [&](auto tag) {
        using T = decltype(tag);
        const Product<T> first = product_into(c, tag);
        if (count == 1 && Cut::is_whole(m, n, k)) return first.whole();
        const Cut cut(m, n, k, trans_a, trans_b, count);
        if (cut.depth.count() > 1) return first.sum_of_pieces(cut);

        const Index grain = std::max<Index>(1, Cut::task / Cut::work(m, n, k));
        parallel_for(count * cut.blocks(), grain, [&](Index begin, Index end) {
            for (Index task = begin; task < end; ++task) {
                const Index matrix = task / cut.blocks();
                const auto [matrix_a, matrix_b] = batches.sources(matrix);
                Product<T> product = first;
                product.a.elements += matrix_a * m * k;
                product.b.elements += matrix_b * k * n;
                product.c += matrix * m * n;
                product.block(cut, task % cut.blocks());
            }
        });
    });
    return c;
}

Index rows_of_piece(Index m, Index k) {
    const Cut product(m, 1, k, false, false, 1), gradient(k, 1, m, true, false, 1);
    return product.blocks() > 1 && product.depth.count() == 1 && gradient.depth.count() > 1 ? gradient.depth.piece : 0;
}

}  // namespace xtape::kernels
