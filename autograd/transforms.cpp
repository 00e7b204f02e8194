#include <xtape/autograd/transforms.hpp>

#include <fmt/format.h>

#include <xtape/autograd/ops.hpp>

namespace xtape {

namespace detail {

namespace {

/// An argument that is f's own, so that nothing which f captured is taken for it.
Variable argument_like(const Variable& x, bool connected) {
    if (!connected || !x.node()) return Parameter(x.array()).variable();
    return record("argument", x.node()->where, x.array(), on(x, [](Variable g) { return g; }));
}

void demand_recorded(const char* transform, const Variable& y, Where where) {
    if (!y) throw ValueError(fmt::format("{}: the function returned a Variable without a value", transform), where);
    if (!y.node())
        throw TapeError(
            fmt::format("{}: the function returned a constant: nothing that was recorded leads to it", transform),
            where);
}

void demand_values(const char* transform, const char* what, const std::vector<Variable>& list, Where where) {
    for (std::size_t i = 0; i < list.size(); ++i)
        if (!list[i]) throw ValueError(fmt::format("{}: {} {} has no value", transform, what, i + 1), where);
}

/// Vectors that belong to arguments: as many and shaped alike.
void demand_like(const char* transform, const char* what, const std::vector<Variable>& vectors,
                 const std::vector<Variable>& xs, Where where) {
    if (vectors.size() != xs.size())
        throw ValueError(fmt::format("{}: {} {}s for {} arguments", transform, vectors.size(), what, xs.size()), where);
    demand_values(transform, what, vectors, where);
    for (std::size_t i = 0; i < xs.size(); ++i) {
        const auto text = [&](const std::string& a, const std::string& b) {
            return fmt::format("{}: {} {} is {}, its argument is {}", transform, what, i + 1, a, b);
        };
        if (vectors[i].shape() != xs[i].shape())
            throw ShapeError(text(to_string(vectors[i].shape()), to_string(xs[i].shape())), where);
        if (vectors[i].dtype() != xs[i].dtype())
            throw DtypeError(text(name_of(vectors[i].dtype()), name_of(xs[i].dtype())), where);
    }
}

std::vector<Variable> constants(const std::vector<Variable>& list) {
    std::vector<Variable> result;
    for (const Variable& x : list) result.push_back(x.detach());
    return result;
}

}  // namespace

void throw_argument_count(const char* who, std::size_t wanted, std::size_t given, Where where) {
    throw ValueError(fmt::format("{} takes {} arguments, {} given", who, wanted, given), where);
}

Called called(const char* transform, const Recorded& y, const VariableList& xs, bool create_graph) {
    demand_recorded(transform, y.variable(), y.where());
    demand_values(transform, "argument", xs.list(), y.where());
    return {y.variable(), xs.list(), create_graph && recording(), y.where()};
}

Called call(const char* transform, const Function& f, const VariableList& xs, bool create_graph) {
    demand_values(transform, "argument", xs.list(), f.where());
    const bool record = create_graph && recording();
    const EnableGrad scope;
    std::vector<Variable> own;
    for (const Variable& x : xs.list()) own.push_back(argument_like(x, record));
    return called(transform, Recorded(f(own), f.where()), own, record);
}

Variable value_of(const Called& f) { return f.record ? f.y : f.y.detach(); }

std::vector<Variable> gradients(const Called& f) {
    return pullback(f.y, unit_seed(f.y, f.where), f.xs, f.record, f.where);
}

std::vector<Variable> pull(const Called& f, const Variable& seed, Where where) {
    demand_like("vjp", "seed", {seed}, {f.y}, where);
    return pullback(f.y, seed, f.xs, f.record, where);
}

/// The gradients of sum(u * y) are linear in u: they are what u times the Jacobian is, and their own gradient in u, pulled
/// back from a tangent, is the Jacobian times that.
struct Linearized {
    explicit Linearized(const Called& f) : u(Parameter(Array::filled(f.y.shape(), f.y.dtype(), 1)).variable()) {
        const EnableGrad scope;
        gradients = pullback(f.y, u, f.xs, true, f.where);
    }
    Variable u;
    std::vector<Variable> gradients;
};

std::pair<Variable, Variable> push(const char* transform, const Called& f, const std::vector<Variable>& tangents) {
    demand_like(transform, "tangent", tangents, f.xs, f.where);
    const Linearized linear(f);
    auto dy = pullback(linear.gradients, f.record ? tangents : constants(tangents), {linear.u}, f.record, f.where);
    return {value_of(f), std::move(dy[0])};
}

namespace {

/// Zeros, but 1 at one place.
Variable unit_vector(const Variable& like, Index place) {
    Array e = Array::filled(like.shape(), like.dtype(), 0);
    dispatch(like.dtype(), [&](auto one) { e.mutable_data<decltype(one)>()[place] = 1; });
    return Variable(e);
}

Variable flat(Variable x, Where where) { return reshape(std::move(x), {-1}, where); }

Shape joined(const Shape& a, const Shape& b, Where where) {
    if (a.rank() + b.rank() > Shape::max_rank)
        throw ShapeError(fmt::format("jacobian: {} by {} makes {} axes, at most {} are possible", to_string(a),
                                     to_string(b), a.rank() + b.rank(), Shape::max_rank),
                         where);
    Shape shape = a;
    for (const Index size : b) shape.push_back(size);
    return shape;
}

/// Derivatives of y by x from their rows (axis 0) or columns (axis 1), one flat Variable each.
Variable assembled(const std::vector<Variable>& lines, Index axis, const Shape& shape, DType dtype, Where where) {
    if (shape.count() == 0) return Variable(Array::filled(shape, dtype, 0));
    return reshape(stack(lines, axis, where), shape, where);
}

Index total_size(const std::vector<Variable>& xs) {
    Index total = 0;
    for (const Variable& x : xs) total += x.size();
    return total;
}

}  // namespace

std::vector<Variable> jacobian(const Called& f, Way way) {
    const std::size_t n = f.xs.size();
    std::vector<Shape> shapes;
    for (const Variable& x : f.xs) shapes.push_back(joined(f.y.shape(), x.shape(), f.where));
    if (way == Way::fewer) way = total_size(f.xs) < f.y.size() ? Way::forward : Way::reverse;

    std::vector<std::vector<Variable>> lines(n);
    if (way == Way::reverse) {
        for (Index row = 0; row < f.y.size(); ++row) {
            std::vector<Variable> pulled = pullback(f.y, unit_vector(f.y, row), f.xs, f.record, f.where);
            for (std::size_t k = 0; k < n; ++k) lines[k].push_back(flat(std::move(pulled[k]), f.where));
        }
    } else {
        const Linearized linear(f);
        for (std::size_t k = 0; k < n; ++k)
            for (Index column = 0; column < f.xs[k].size(); ++column)
                lines[k].push_back(
                    flat(pullback(linear.gradients[k], unit_vector(f.xs[k], column), {linear.u}, f.record, f.where)[0],
                         f.where));
    }
    std::vector<Variable> result;
    for (std::size_t k = 0; k < n; ++k)
        result.push_back(assembled(lines[k], way == Way::reverse ? 0 : 1, shapes[k], f.y.dtype(), f.where));
    return result;
}

std::vector<std::vector<Variable>> hessian(const Called& f) {
    std::vector<Variable> gradients;
    {
        const EnableGrad scope;
        gradients = pullback(f.y, unit_seed(f.y, f.where), f.xs, true, f.where);
    }
    std::vector<std::vector<Variable>> blocks;
    for (Variable& gradient : gradients)
        blocks.push_back(jacobian({std::move(gradient), f.xs, f.record, f.where}, Way::reverse));
    return blocks;
}

}  // namespace detail

std::pair<Variable, std::vector<Variable>> value_and_grad(const Recorded& loss, const VariableList& xs,
                                                          GraphOption graph) {
    const detail::Called called = detail::called("value_and_grad", loss, xs, graph.create);
    return {detail::value_of(called), detail::gradients(called)};
}

std::pair<Variable, VjpFunction<0>> vjp(const Recorded& y, const VariableList& xs, GraphOption graph) {
    detail::Called called = detail::called("vjp", y, xs, graph.create);
    return {detail::value_of(called), VjpFunction<0>(called)};
}

std::pair<Variable, Variable> jvp(const Function& f, const Variable& x, const Variable& tangent, GraphOption graph) {
    return detail::push("jvp", detail::call("jvp", f, {x}, graph.create), {tangent});
}
std::pair<Variable, Variable> jvp(const Function& f, const VariableList& xs, const VariableList& tangents,
                                  GraphOption graph) {
    return detail::push("jvp", detail::call("jvp", f, xs, graph.create), tangents.list());
}

std::vector<Variable> jacobian(const Recorded& y, const VariableList& xs, GraphOption graph) {
    return detail::jacobian(detail::called("jacobian", y, xs, graph.create), detail::Way::fewer);
}
std::vector<Variable> jacfwd(const Recorded& y, const VariableList& xs, GraphOption graph) {
    return detail::jacobian(detail::called("jacfwd", y, xs, graph.create), detail::Way::forward);
}
std::vector<Variable> jacrev(const Recorded& y, const VariableList& xs, GraphOption graph) {
    return detail::jacobian(detail::called("jacrev", y, xs, graph.create), detail::Way::reverse);
}

Variable hessian(const Recorded& loss, const VariableList& xs, GraphOption graph) {
    const Where where = loss.where();
    if (xs.size() == 0) throw ValueError("hessian: the list of Variables is empty", where);
    std::vector<Variable> bands;
    for (auto& blocks : detail::hessian(detail::called("hessian", loss, xs, graph.create))) {
        const Index rows = xs.list()[bands.size()].size();
        for (std::size_t j = 0; j < blocks.size(); ++j)
            blocks[j] = reshape(std::move(blocks[j]), {rows, xs.list()[j].size()}, where);
        bands.push_back(concatenate(blocks, 1, where));
    }
    return concatenate(bands, 0, where);
}

HessianProduct::HessianProduct(const Recorded& loss, const VariableList& xs, GraphOption graph)
    : HessianProduct(detail::called("hvp", loss, xs, graph.create)) {}

HessianProduct::HessianProduct(detail::Called called) : called_(std::move(called)) {
    const EnableGrad scope;
    gradients_ = pullback(called_.y, unit_seed(called_.y, called_.where), called_.xs, true, called_.where);
}

std::vector<Variable> HessianProduct::operator()(const VariableList& vectors, Where where) const {
    detail::demand_like("hvp", "vector", vectors.list(), called_.xs, where);
    return pullback(gradients_, called_.record ? vectors.list() : detail::constants(vectors.list()), called_.xs,
                    called_.record, where);
}

Variable hvp(const Function& f, const Variable& x, const Variable& v, GraphOption graph) {
    return hvp(f, VariableList{x}, VariableList{v}, graph)[0];
}
std::vector<Variable> hvp(const Function& f, const VariableList& xs, const VariableList& vectors, GraphOption graph) {
    return HessianProduct(detail::call("hvp", f, xs, graph.create))(vectors, f.where());
}

}  // namespace xtape
