#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <xtape/autograd/lasting_name.hpp>
#include <xtape/autograd/symbol.hpp>
#include <xtape/autograd/variable.hpp>

/// A scalar lambda becomes a differentiable operation on arrays:
///
///     auto focal = elementwise([](auto p, auto t) {
///         auto q = t * p + (1 - t) * (1 - p);
///         return -(1 - q) * (1 - q) * log(q);
///     });
///     Variable loss = mean(focal(sigmoid(z), t));
///
/// The lambda is called with symbols, once at each call of the operation, and what it does with them is the formula that is
/// evaluated for all elements: in one pass forward, with a mean or a sum on top of it without an array in between, and one
/// pass backward for all arguments. Derivatives are formulas too, of any order. Arguments that are constants cost none.
namespace xtape {

class FormulaFamily;
class Fused;

namespace detail {

/// The formulas that an Elementwise had lately, with their derivatives and what was made ready for passes.
class FormulaCache;
std::shared_ptr<FormulaCache> make_formula_cache();

class FormulaTrace;

/// One call of an Elementwise: its operands while the lambda runs.
class ElementwiseCall {
public:
    /// Throws ShapeError or DtypeError with the line of the call when the operands do not fit together.
    ElementwiseCall(const char* name, Operand* operands, std::size_t count);
    ~ElementwiseCall();
    ElementwiseCall(const ElementwiseCall&) = delete;
    ElementwiseCall& operator=(const ElementwiseCall&) = delete;

    /// What stands for operand i.
    Symbol symbol(std::size_t i) const { return Symbol(symbols_[i]); }

    Fused finish(const Symbol& result, FormulaCache& cache);
    Fused finish(const Condition& result, FormulaCache& cache);
    Fused finish(double result, FormulaCache& cache);

    static constexpr std::size_t most = 8;

private:
    Fused finish(TracedValue result, FormulaCache& cache);

    const char* name_;
    Where where_;
    std::vector<Variable> arguments_;
    Shape shape_;
    DType dtype_ = float32;
    std::array<TracedValue, most> symbols_;
    std::unique_ptr<FormulaTrace> trace_;
};

}  // namespace detail

/// An elementwise operation that was called but not yet evaluated: whatever takes a Variable takes it, and evaluates it once; mean
/// and sum of it need no array. Each of two reductions is a pass of its own; take variable() first where several are needed.
/// Remembers what it was evaluated to, copies together, so that threads must not share one. Wherever it is evaluated, that is as if
/// it had been where it was called: before a checkpoint whose function evaluates it, say.
class Fused {
public:
    Fused(const Fused&) = default;  // and no moves, after which one would be empty
    Fused& operator=(const Fused&) = default;

    /// The evaluated array, recorded if anything is recorded.
    const Variable& variable() const;
    operator Variable() const { return variable(); }

    const Shape& shape() const { return call_->shape; }
    Index shape(Index axis, Where where = Where::here()) const;
    Index rank() const { return shape().rank(); }
    Index size() const { return shape().count(); }
    DType dtype() const { return call_->dtype; }
    const Array& array() const { return variable().array(); }
    const NodePtr& node() const { return variable().node(); }
    bool requires_grad() const;
    Variable detach() const { return variable().detach(); }
    template <class T = float>
    auto value() const {
        return variable().template value<T>();
    }
    double item(Where where = Where::here()) const { return variable().item(where); }
    void backward(Where where = Where::here()) const { variable().backward(where); }
    void backward(KeepTape, Where where = Where::here()) const { variable().backward(keep_tape, where); }

private:
    friend class detail::ElementwiseCall;
    friend Variable sum(const Fused& x, Axes axes, bool keepdims, Where where);
    friend Variable mean(const Fused& x, Axes axes, bool keepdims, Where where);

    struct Call {
        const char* name;
        Where where;
        std::shared_ptr<const FormulaFamily> family;
        std::vector<Variable> arguments;
        Shape shape;
        DType dtype;
        std::uint64_t number;  ///< of the node, whenever it will be recorded
        Variable value;        ///< once it was asked for
    };
    explicit Fused(Call call) : call_(std::make_shared<Call>(std::move(call))) {}
    Variable reduce(bool divide, Axes axes, bool keepdims, Where where) const;

    std::shared_ptr<Call> call_;
};

/// Sum; over all axes in the pass that evaluates the formula, and its derivatives when they are recorded.
Variable sum(const Fused& x, Axes axes = {}, bool keepdims = false, Where where = Where::here());
/// Mean, likewise; of nothing NaN.
Variable mean(const Fused& x, Axes axes = {}, bool keepdims = false, Where where = Where::here());

/// What elementwise() gives: call it with as many operands as the lambda takes, 1 to 8 Variables, Parameters or numbers, which
/// broadcast. Throws ShapeError when they do not, DtypeError when dtypes differ. Copies share what they know; several threads may call it
/// if they may call the lambda.
template <class F>
class Elementwise {
    template <std::size_t>
    using Number = Symbol;
    template <class G, std::size_t... I>
    static constexpr bool takes(std::index_sequence<I...>) {
        return std::is_invocable_v<const G&, Number<I>...>;
    }
    /// Only there when the lambda G takes n numbers, so that others can ask how many that is.
    template <class G, std::size_t n>
    using Takes = std::enable_if_t<takes<G>(std::make_index_sequence<n>())>;

public:
    Elementwise(F f, const char* name) : f_(std::move(f)), name_(name), cache_(detail::make_formula_cache()) {}

    template <class G = F, class = Takes<G, 1>>
    Fused operator()(Operand a) const {
        return call(a);
    }
    template <class G = F, class = Takes<G, 2>>
    Fused operator()(Operand a, Operand b) const {
        return call(a, b);
    }
    template <class G = F, class = Takes<G, 3>>
    Fused operator()(Operand a, Operand b, Operand c) const {
        return call(a, b, c);
    }
    template <class G = F, class = Takes<G, 4>>
    Fused operator()(Operand a, Operand b, Operand c, Operand d) const {
        return call(a, b, c, d);
    }
    template <class G = F, class = Takes<G, 5>>
    Fused operator()(Operand a, Operand b, Operand c, Operand d, Operand e) const {
        return call(a, b, c, d, e);
    }
    template <class G = F, class = Takes<G, 6>>
    Fused operator()(Operand a, Operand b, Operand c, Operand d, Operand e, Operand f) const {
        return call(a, b, c, d, e, f);
    }
    template <class G = F, class = Takes<G, 7>>
    Fused operator()(Operand a, Operand b, Operand c, Operand d, Operand e, Operand f, Operand g) const {
        return call(a, b, c, d, e, f, g);
    }
    template <class G = F, class = Takes<G, 8>>
    Fused operator()(Operand a, Operand b, Operand c, Operand d, Operand e, Operand f, Operand g, Operand h) const {
        return call(a, b, c, d, e, f, g, h);
    }
    /// Inside another lambda: the formula itself.
    template <class... Numbers, class = std::enable_if_t<(std::is_same_v<Numbers, Symbol> || ...)>>
    auto operator()(const Numbers&... numbers) const {
        return f_(numbers...);
    }

private:
    template <class... Operands>
    Fused call(Operands&... operands) const {
        Operand list[] = {std::move(operands)...};
        detail::ElementwiseCall call(name_, list, sizeof...(Operands));
        return traced(call, std::index_sequence_for<Operands...>());
    }

    template <std::size_t... I>
    Fused traced(detail::ElementwiseCall& call, std::index_sequence<I...>) const {
        const auto result = f_(call.symbol(I)...);
        using Result = std::decay_t<decltype(result)>;
        static_assert(std::is_same_v<Result, Symbol> || std::is_same_v<Result, Condition> ||
                          std::is_arithmetic_v<Result>,
                      "elementwise: the lambda must return one number");
        if constexpr (std::is_arithmetic_v<Result>)
            return call.finish(static_cast<double>(result), *cache_);
        else
            return call.finish(result, *cache_);
    }

    F f_;
    const char* name_;
    std::shared_ptr<detail::FormulaCache> cache_;
};

/// The operation that does to every element what the lambda f says.
template <class F>
Elementwise<F> elementwise(F f) {
    return Elementwise<F>(std::move(f), "elementwise");
}
/// The same under a name of its own, which the tape shows.
template <class F>
Elementwise<F> elementwise(const std::string& name, F f) {
    return Elementwise<F>(std::move(f), detail::lasting_name(name));
}

}  // namespace xtape
