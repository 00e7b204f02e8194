#include <xtape/autograd/kernels/formula_steps.hpp>

#include <array>
#include <utility>

#include <xtape/autograd/kernels/functions.hpp>
#include <xtape/autograd/kernels/logarithm.hpp>

namespace xtape::kernels {

namespace {

/// Batches of an operand: one after another, or always the same.
template <class T, bool still>
struct Batches {
    explicit Batches(const T* from) : first(from) {}
    Batch<T> operator[](Index i) const { return Batch<T>::load_unaligned(first + i); }
    const T* first;
};
template <class T>
struct Batches<T, true> {
    explicit Batches(const T* from) : value(Batch<T>::load_unaligned(from)) {}
    const Batch<T>& operator[](Index) const { return value; }
    Batch<T> value;
};

template <class T, class F>
void run_unary(T* out, const T* a, const T*, const T*, Index n) {
    const F f;
    for (Index i = 0; i < n; i += lanes<T>) f(Batch<T>::load_unaligned(a + i)).store_unaligned(out + i);
}

template <class T>
void run_fill(T* out, const T* a, const T*, const T*, Index n) {
    const auto value = Batch<T>::load_unaligned(a);
    for (Index i = 0; i < n; i += lanes<T>) value.store_unaligned(out + i);
}

template <class T, class F, unsigned still>
void run_binary(T* out, const T* a, const T* b, const T*, Index n) {
    const F f;
    const Batches<T, (still & 1) != 0> x(a);
    const Batches<T, (still & 2) != 0> y(b);
    for (Index i = 0; i < n; i += lanes<T>) f(x[i], y[i]).store_unaligned(out + i);
}

template <class T, class F, unsigned still>
void run_ternary(T* out, const T* a, const T* b, const T* c, Index n) {
    const F f;
    const Batches<T, (still & 1) != 0> x(a);
    const Batches<T, (still & 2) != 0> y(b);
    const Batches<T, (still & 4) != 0> z(c);
    for (Index i = 0; i < n; i += lanes<T>) f(x[i], y[i], z[i]).store_unaligned(out + i);
}

template <class T, class F>
StepFunction<T> binary(unsigned still) {
    static constexpr StepFunction<T> all[] = {run_binary<T, F, 0>, run_binary<T, F, 1>, run_binary<T, F, 2>,
                                              run_binary<T, F, 0>};  // where all stand still there is one batch of each
    return all[still];
}

template <class T, class F>
StepFunction<T> ternary(unsigned still) {
    static constexpr StepFunction<T> all[] = {run_ternary<T, F, 0>, run_ternary<T, F, 1>, run_ternary<T, F, 2>,
                                              run_ternary<T, F, 3>, run_ternary<T, F, 4>, run_ternary<T, F, 5>,
                                              run_ternary<T, F, 6>, run_ternary<T, F, 0>};
    return all[still];
}

// What the formulas' operations are on batches.
#define XTAPE_FUNCTION(Name, parameters, expression)                                                                   \
    struct Name {                                                                                                      \
        template <class B>                                                                                             \
        [[gnu::always_inline]] B operator() parameters const {                                                         \
            return expression;                                                                                         \
        }                                                                                                              \
    }
XTAPE_FUNCTION(Copy, (const B& a), a);
XTAPE_FUNCTION(Square, (const B& a), a* a);
XTAPE_FUNCTION(Negate, (const B& a), -a);
XTAPE_FUNCTION(Abs, (const B& a), xsimd::abs(a));
XTAPE_FUNCTION(Sqrt, (const B& a), xsimd::sqrt(a));
XTAPE_FUNCTION(Exp, (const B& a), xsimd::exp(a));
XTAPE_FUNCTION(Expm1, (const B& a), xsimd::expm1(a));
XTAPE_FUNCTION(Log1p, (const B& a), xsimd::log1p(a));
XTAPE_FUNCTION(Tanh, (const B& a), xsimd::tanh(a));
XTAPE_FUNCTION(Opposite, (const B& a), B(1) - a);
XTAPE_FUNCTION(Add, (const B& a, const B& b), a + b);
XTAPE_FUNCTION(Subtract, (const B& a, const B& b), a - b);
XTAPE_FUNCTION(Multiply, (const B& a, const B& b), a* b);
XTAPE_FUNCTION(NegativeProduct, (const B& a, const B& b), -(a* b));
XTAPE_FUNCTION(Divide, (const B& a, const B& b), a / b);
XTAPE_FUNCTION(Less, (const B& a, const B& b), truth<B>(a < b));
XTAPE_FUNCTION(LessEqual, (const B& a, const B& b), truth<B>(a <= b));
XTAPE_FUNCTION(Equal, (const B& a, const B& b), truth<B>(a == b));
XTAPE_FUNCTION(ExpMinusAbs, (const B& a), exp_minus_abs(a));
XTAPE_FUNCTION(OneByOnePlus, (const B& e), B(1) / (B(1) + e));
XTAPE_FUNCTION(SigmoidBy, (const B& x, const B& e), xsimd::select(x < B(0), e, B(1)) / (B(1) + e));
XTAPE_FUNCTION(SigmoidOfNegativeBy, (const B& x, const B& e), xsimd::select(x > B(0), e, B(1)) / (B(1) + e));
XTAPE_FUNCTION(SigmoidByBoth, (const B& x, const B& e, const B& larger), xsimd::select(x < B(0), e* larger, larger));
XTAPE_FUNCTION(SigmoidOfNegativeByBoth, (const B& x, const B& e, const B& larger),
               xsimd::select(x > B(0), e* larger, larger));
XTAPE_FUNCTION(SoftplusBy, (const B& x, const B& e), xsimd::select(x < B(0), B(0), x) + xsimd::log1p(e));
XTAPE_FUNCTION(SoftplusOfNegativeBy, (const B& x, const B& e), xsimd::select(x > B(0), B(0), -x) + xsimd::log1p(e));
XTAPE_FUNCTION(Larger, (const B& a, const B& b), xsimd::max(a, b));
XTAPE_FUNCTION(Select, (const B& c, const B& a, const B& b), xsimd::select(c == B(0), b, a));
XTAPE_FUNCTION(MultiplyAdd, (const B& a, const B& b, const B& c), xsimd::fma(a, b, c));
XTAPE_FUNCTION(MultiplySubtract, (const B& a, const B& b, const B& c), xsimd::fms(a, b, c));
XTAPE_FUNCTION(SubtractProduct, (const B& a, const B& b, const B& c), xsimd::fnma(a, b, c));
#undef XTAPE_FUNCTION

}  // namespace

template <class T>
StepFunction<T> step_function(StepOp step, FormulaOp op, unsigned still) {
    switch (step) {
    case StepOp::plain:
        break;
    case StepOp::copy:
        return run_unary<T, Copy>;
    case StepOp::fill:
        return run_fill<T>;
    case StepOp::square:
        return run_unary<T, Square>;
    case StepOp::negative_product:
        return binary<T, NegativeProduct>(still);
    case StepOp::multiply_add:
        return ternary<T, MultiplyAdd>(still);
    case StepOp::multiply_subtract:
        return ternary<T, MultiplySubtract>(still);
    case StepOp::subtract_product:
        return ternary<T, SubtractProduct>(still);
    case StepOp::exp_minus_abs:
        return run_unary<T, ExpMinusAbs>;
    case StepOp::one_by_one_plus:
        return run_unary<T, OneByOnePlus>;
    case StepOp::sigmoid_by:
        return run_binary<T, SigmoidBy, 0>;
    case StepOp::sigmoid_of_negative_by:
        return run_binary<T, SigmoidOfNegativeBy, 0>;
    case StepOp::sigmoid_by_both:
        return run_ternary<T, SigmoidByBoth, 0>;
    case StepOp::sigmoid_of_negative_by_both:
        return run_ternary<T, SigmoidOfNegativeByBoth, 0>;
    case StepOp::softplus_by:
        return run_binary<T, SoftplusBy, 0>;
    case StepOp::softplus_of_negative_by:
        return run_binary<T, SoftplusOfNegativeBy, 0>;
    }
    switch (op) {
    case FormulaOp::argument:
    case FormulaOp::constant:
        return run_unary<T, Copy>;
    case FormulaOp::negate:
        return run_unary<T, Negate>;
    case FormulaOp::abs:
        return run_unary<T, Abs>;
    case FormulaOp::sign:
        return run_unary<T, Sign>;
    case FormulaOp::sqrt:
        return run_unary<T, Sqrt>;
    case FormulaOp::exp:
        return run_unary<T, Exp>;
    case FormulaOp::expm1:
        return run_unary<T, Expm1>;
    case FormulaOp::log:
        return run_unary<T, Logarithm>;
    case FormulaOp::log1p:
        return run_unary<T, Log1p>;
    case FormulaOp::sin:
        return run_unary<T, Sine>;
    case FormulaOp::cos:
        return run_unary<T, Cosine>;
    case FormulaOp::tanh:
        return run_unary<T, Tanh>;
    case FormulaOp::sigmoid:
        return run_unary<T, Logistic>;
    case FormulaOp::softplus:
        return run_unary<T, Softplus>;
    case FormulaOp::erf:
        return run_unary<T, ErrorFunction>;
    case FormulaOp::relu:
        return run_unary<T, Relu>;
    case FormulaOp::opposite:
        return run_unary<T, Opposite>;
    case FormulaOp::add:
        return binary<T, Add>(still);
    case FormulaOp::subtract:
        return binary<T, Subtract>(still);
    case FormulaOp::multiply:
    case FormulaOp::both:
        return binary<T, Multiply>(still);
    case FormulaOp::divide:
        return binary<T, Divide>(still);
    case FormulaOp::pow:
        return binary<T, Power>(still);
    case FormulaOp::maximum:
        return binary<T, Maximum>(still);
    case FormulaOp::minimum:
        return binary<T, Minimum>(still);
    case FormulaOp::less:
        return binary<T, Less>(still);
    case FormulaOp::less_equal:
        return binary<T, LessEqual>(still);
    case FormulaOp::equal:
        return binary<T, Equal>(still);
    case FormulaOp::either:
        return binary<T, Larger>(still);
    case FormulaOp::select:
        return ternary<T, Select>(still);
    }
    return run_unary<T, Copy>;
}

template StepFunction<float> step_function<float>(StepOp, FormulaOp, unsigned);
template StepFunction<double> step_function<double>(StepOp, FormulaOp, unsigned);

}  // namespace xtape::kernels
